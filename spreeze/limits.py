"""How much of this machine the process may use: what it has, less if its control group has a limit."""

import os
import sys
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> float:
    """Return how many cores this process may keep busy: its affinity, or the quota of its control group."""
    cores = float(len(os.sched_getaffinity(0))) if sys.platform == "linux" else float(os.cpu_count() or 1)
    for text in cgroup_limits("cpu.max", "cpu/cpu.cfs_quota_us"):
        quota, _, period = text.partition(" ")  # version 1 keeps the period, 100 ms unless changed, in another file
        if quota.isdigit():
            cores = min(cores, int(quota) / int(period or 100_000))
    return cores


def memory_bytes() -> int:
    """Return the memory this process may use, in bytes."""
    import psutil

    limits = [int(text) for text in cgroup_limits("memory.max", "memory/memory.limit_in_bytes") if text.isdigit()]
    return min(int(psutil.virtual_memory().total), *limits, sys.maxsize)


def cgroup_limits(version2: str, version1: str) -> list[str]:
    """Return the contents of a limit file of this process's control group and of all that hold it."""
    memberships = Path("/proc/self/cgroup")
    lines = memberships.read_text().splitlines() if memberships.exists() else []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    nearest = CGROUPS / own
    folders = [folder for folder in (nearest, *nearest.parents) if folder.is_relative_to(CGROUPS)]
    texts = []
    for file in (*(folder / version2 for folder in folders), CGROUPS / version1):
        with suppress(OSError):
            texts.append(file.read_text().strip())
    return texts

"""What this machine offers to spreeze: one finding for each need, with the remedy where something is amiss."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spreeze.limits import memory_bytes, usable_cores

if TYPE_CHECKING:
    from rich.table import Table

Status = Literal["ok", "warn", "bad"]
GIB = 2**30
INSTALL = "pip install -c constraints.txt -e ."

ORPHAN = """
import ctypes, subprocess
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
libc = ctypes.CDLL(None)
print(subprocess.Popen(['sleep', '20'], preexec_fn=lambda: libc.prctl(1, 9), **quiet).pid)
"""
"""Leaves behind a child that asked (PR_SET_PDEATHSIG = 1) for SIGKILL at its parent's death."""

RENDER = """
import mujoco
scene = '<mujoco><worldbody><light pos="0 0 3"/><geom size="1" rgba="1 0 0 1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(scene)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 64, 64) as renderer:
    renderer.update_scene(data)
    assert renderer.render().std() > 0, 'the picture is empty'
"""


@dataclass(frozen=True)
class Finding:
    """One need, whether it is met, and what to do if not."""

    name: str
    status: Status
    """ok: met; warn: spreeze runs with a restriction; bad: it does not run."""
    detail: str
    remedy: str = ""


def findings() -> list[Finding]:
    """Return one finding for each check, in a fixed order. Takes some seconds: torch is imported, a scene drawn."""
    return [attempt(name, check) for name, check in CHECKS.items()]


def attempt(name: str, check: Callable[[], Finding]) -> Finding:
    """Return what a check finds, or that it failed."""
    try:
        return check()
    except Exception as error:
        return Finding(name, "bad", f"could not be checked: {type(error).__name__}: {error}")


def render(found: Sequence[Finding]) -> Table:
    """Return the findings as a table for a rich console."""
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "bad": "bold red"}
    table = Table("", "need", "found", "remedy", box=None, pad_edge=False)
    for f in found:
        # Text, because package extras and paths may hold brackets that rich takes for markup.
        table.add_row(Text(f.status, style=colours[f.status]), f.name, Text(f.detail), Text(f.remedy))
    return table


def python() -> Finding:
    """The interpreter is one that spreeze is tested with."""
    tested = (3, 11) <= sys.version_info[:2] <= (3, 13)
    remedy = "" if tested else "use Python 3.11, 3.12 or 3.13"
    return Finding("Python", "ok" if tested else "bad", platform.python_version(), remedy)


def system() -> Finding:
    """Roles are processes on Linux only."""
    tested = sys.platform == "linux" and platform.machine() == "x86_64"
    remedy = "" if tested else "only --serial is sure to work here"
    return Finding("platform", "ok" if tested else "warn", f"{platform.system()} {platform.machine()}", remedy)


def cores() -> Finding:
    """Sampler and learner want a core each."""
    usable = usable_cores()
    enough = usable >= 2
    remedy = "" if enough else "all roles share one core: expect low rates, or try --serial"
    detail = f"{usable:g} usable of {os.cpu_count()}"
    return Finding("cores", "ok" if enough else "warn", detail, remedy)


def memory() -> Finding:
    """A role takes some hundred MB, a replay of a million rows up to a few GB."""
    import psutil

    total, free = memory_bytes(), psutil.virtual_memory().available
    enough = min(total, free) >= 3 * GIB
    remedy = "" if enough else "fewer --samplers and a smaller replay capacity keep a run within it"
    detail = f"{total / GIB:.1f} GiB usable, {min(total, free) / GIB:.1f} GiB free"
    return Finding("memory", "ok" if enough else "warn", detail, remedy)


def shared_memory() -> Finding:
    """Experience and weights lie in anonymous files in memory."""
    if not hasattr(os, "memfd_create"):
        return Finding("shared memory", "bad", "no memfd_create on this system", "use --serial")
    descriptor = os.memfd_create("spreeze-doctor")
    try:
        os.posix_fallocate(descriptor, 0, 2**20)
    finally:
        os.close(descriptor)
    return Finding("shared memory", "ok", "memfd_create and posix_fallocate work")


def parent_death() -> Finding:
    """Roles die with the orchestrator."""
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, timeout=20, check=True)
    pid, deadline = int(done.stdout), time.monotonic() + 2.0
    while alive(pid):
        if time.monotonic() > deadline:
            return Finding("parent death signal", "bad", "a child outlives its parent", "use --serial")
        time.sleep(0.01)
    return Finding("parent death signal", "ok", "children die with their parent")


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def descriptors() -> Finding:
    """Each role and each environment takes some file descriptors."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= 1024
    remedy = "" if enough else f"ulimit -n {'4096' if hard < 0 else min(hard, 4096)}"
    return Finding("file descriptors", "ok" if enough else "warn", f"limit {soft}", remedy)


def runtime_folder() -> Finding:
    """Sockets lie in a folder that only this user can enter."""
    import socket
    import tempfile

    given = os.environ.get("XDG_RUNTIME_DIR", "")
    base = given if given and os.access(given, os.W_OK | os.X_OK) else tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="spreeze-", dir=base) as folder:
        mode = Path(folder).stat().st_mode & 0o777
        if mode != 0o700:
            return Finding("runtime folder", "bad", f"mode {mode:o} in {base}", "set XDG_RUNTIME_DIR to a local folder")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(f"{folder}/{'n' * 24}.sock")
    if given and base != given:
        return Finding("runtime folder", "warn", f"{base}, as XDG_RUNTIME_DIR {given} cannot be written", "unset it")
    return Finding("runtime folder", "ok", f"sockets work in {base}")


def packages() -> Finding:
    """The packages that spreeze declares are there, in the versions it allows."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    try:
        declared = [Requirement(text) for text in requires("spreeze") or []]
    except PackageNotFoundError:
        return Finding("packages", "warn", "spreeze is not installed, its requirements are unknown", INSTALL)
    needed = [r for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})]
    wrong = []
    for requirement in needed:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = ""
        if not found or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found or 'missing'} (wanted {requirement.specifier})")
    if wrong:
        return Finding("packages", "bad" if "missing" in str(wrong) else "warn", "; ".join(wrong), INSTALL)
    return Finding("packages", "ok", f"{len(needed)} within their ranges")


def torch() -> Finding:
    """The learner's library, and the devices that it sees."""
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    detail = f"{torch.__version__}, {', '.join(names) or 'CPU only'}"
    if not names and graphics_cards():
        return Finding("torch", "warn", f"{detail}, though a GPU is there", "install a torch build for its driver")
    return Finding("torch", "ok", detail)


def graphics_cards() -> list[str]:
    """Return the names of the GPUs that NVML sees; none without its driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


def nvml() -> Finding:
    """GPU load and memory are read through NVML; without a GPU nothing is missed."""
    return Finding("NVML", "ok", ", ".join(graphics_cards()) or "no NVIDIA driver")


def rendering() -> Finding:
    """Videos need an OpenGL that draws without a display."""
    faults: list[str] = []
    for backend in ("egl", "osmesa"):
        environment = {**os.environ, "MUJOCO_GL": backend}
        command = [sys.executable, "-c", RENDER]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return Finding("rendering", "ok", "; ".join([f"MUJOCO_GL={backend} works", *faults]))
        faults.append(f"{backend} fails: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    remedy = "apt-get install libegl1 libgl1-mesa-dri (or libosmesa6); or --visualize none"
    return Finding("rendering", "warn", "; ".join(faults), remedy)


def current_folder() -> Finding:
    """Run folders are made here."""
    import shutil
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(dir="."):
            free = shutil.disk_usage(".").free
    except OSError as error:
        return Finding("current folder", "bad", f"cannot be written: {error.strerror}", "change folder, or give --out")
    enough = free >= 2 * GIB
    remedy = "" if enough else "checkpoints hold the replay: free some space, or give --out"
    return Finding("current folder", "ok" if enough else "warn", f"writable, {free / GIB:.1f} GiB free", remedy)


def left() -> Finding:
    """Nothing of crashed runs is left."""
    from spreeze.leftovers import leftovers

    found = leftovers()
    if not found:
        return Finding("left behind", "ok", "nothing")
    names = ", ".join(str(path) for path in found[:3]) + (" and more" if len(found) > 3 else "")
    return Finding("left behind", "warn", f"{len(found)}: {names}", "spreeze doctor --clear removes it")


def plugins() -> Finding:
    """Every algorithm and environment that is registered can be imported."""
    from spreeze import registry

    listing = list(registry.listing())
    broken = [f"{kind} {name}: {error}" for kind, name, _, error in listing if error]
    if broken:
        return Finding("plug-ins", "warn", "; ".join(broken), "repair or uninstall them; the others work")
    return Finding("plug-ins", "ok", f"{len(listing)} can be used")


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": python,
    "platform": system,
    "cores": cores,
    "memory": memory,
    "shared memory": shared_memory,
    "parent death signal": parent_death,
    "file descriptors": descriptors,
    "runtime folder": runtime_folder,
    "packages": packages,
    "torch": torch,
    "NVML": nvml,
    "rendering": rendering,
    "current folder": current_folder,
    "plug-ins": plugins,
    "left behind": left,
}

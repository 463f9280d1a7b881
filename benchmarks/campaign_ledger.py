"""The ledger of the campaign: one JSON line for each row that has finished, appended and never changed."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from campaign_rows import Row

from spreeze.curves import Curve, Point, curve_of
from spreeze.limits import memory_bytes, usable_cores

Entry = Mapping[str, Any]


def entry_of(row: Row, result: Mapping[str, Any], commit: str) -> Entry:
    """Return what the ledger keeps of a finished row: of a training its scores, of an evaluation its robustness."""
    return {
        "row": row.name,
        "label": result.get("label") or row.algorithm,
        "environment": row.environment,
        "seed": row.seed,
        "command": list(row.command),
        "commit": commit,
        "machine": machine(),
        **(robustness_of(result) if row.after else training_of(row, result)),
    }


def training_of(row: Row, summary: Mapping[str, Any]) -> Entry:
    """Return what is kept of a training; the curve is [seconds, env steps, mean return] by evaluation.

    With a dataset, what identifies it is kept too, and the updates of the policy are the fourth number of each point.
    """
    known = {"algorithm": row.algorithm, "environment": row.environment, "seed": row.seed, **summary}
    points = curve_of(known | {"evaluations": [in_stage(found) for found in summary["evaluations"]]}).points
    dataset = summary.get("dataset")
    curve = [[round(p.seconds, 1), p.env_steps, finite(p.value), *([p.updates] if dataset else [])] for p in points]
    scores = [point[2] for point in curve if point[2] is not None]
    return {
        "versions": summary.get("versions", {}),
        **({"dataset": dataset} if dataset else {}),
        "wall_seconds": round(summary["wall_seconds"], 1),
        "env_steps": summary["env_steps"],
        "updates": summary["updates"],
        "last_return": curve[-1][2] if curve else None,
        "best_return": max(scores, default=None),
        "exit_reason": summary.get("exit_reason", "finished"),
        "curve": curve,
    }


def in_stage(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an evaluation whose updates are those of its own stage: steps that fitted a model are no policy's."""
    version = evaluation.get("weight_version")
    return {**evaluation, "updates": version[1]} if version else evaluation


def robustness_of(result: Mapping[str, Any]) -> Entry:
    """Return what is kept of the `robustness.json` of one run: mean returns by condition, and what sums them up."""
    (run,) = result["runs"]
    attacked = [cell for cell in run["cells"] if cell["friction"] is None]
    grid = [cell for cell in run["cells"] if cell["friction"] is not None]
    means = [cell["mean"] for cell in grid]
    return {
        "versions": {"mujoco": run["mujoco"]},
        "robustness": {
            **{key: run[key] for key in ("checkpoint", "episodes", "seed", "spread", "reference")},
            "areas": {name: finite(area["return"]) for name, area in run["areas"].items()},
            "grid_mean": finite(sum(means) / len(means)) if means else None,
            "attacked": [[cell["attack"], cell["radius"], finite(cell["mean"])] for cell in attacked],
            "grid": [[cell["friction"], cell["gravity"], finite(cell["mean"])] for cell in grid],
        },
    }


def in_words(entry: Entry) -> str:
    """Return one line for the screen."""
    if "robustness" in entry:
        areas = ", ".join(f"{name} {area}" for name, area in entry["robustness"]["areas"].items())
        return f"areas: {areas}; mean over friction and gravity {entry['robustness']['grid_mean']}"
    scores = f"last return {entry['last_return']}, best {entry['best_return']}"
    return f"{entry['wall_seconds']:.0f} s, {entry['env_steps']} steps, {scores}"


def by_dataset(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return the entries that learned from a dataset in groups of the same data."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if "dataset" in entry:
            groups.setdefault(entry["dataset"]["digest"], []).append(entry)
    return list(groups.values())


def finite(value: float) -> float | None:
    """Return `value` to two decimals, or None where JSON has no word for it."""
    return round(value, 2) if math.isfinite(value) else None


def append(path: Path, entry: Entry) -> None:
    """Add one line in a single write and wait until the disk has it; the caller holds the campaign's lock."""
    line = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_torn_tail(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(f"the disk took only a part of the line for '{entry['row']}' in '{path}'")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_torn_tail(path: Path) -> None:
    """Remove a last line without an end, which a power cut may leave."""
    text = path.read_bytes() if path.exists() else b""
    if text and not text.endswith(b"\n"):
        os.truncate(path, text.rfind(b"\n") + 1)


def read(path: Path) -> dict[str, Entry]:
    """Return the entries by row name; of a row with several, the last. A line without an end does not count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    entries = [json.loads(line) for line in whole.splitlines() if line.strip()]
    return {entry["row"]: entry for entry in entries}


def curves(entries: Iterable[Entry]) -> list[Curve]:
    """Return the curves of the entries that have one."""
    return [
        Curve(entry["label"], entry["environment"], entry["seed"], tuple(point(*values) for values in entry["curve"]))
        for entry in entries
        if entry.get("curve")
    ]


def point(seconds: float, env_steps: int, mean_return: float | None, updates: int | None = None) -> Point:
    """Return the point of one compact evaluation; a missing return leaves a gap in the curve."""
    return Point(seconds, env_steps, math.nan if mean_return is None else mean_return, updates)


def machine() -> dict[str, Any]:
    """Return what of this machine sets the speed; nothing that identifies it."""
    return {"cpu": cpu_model(), "cores": usable_cores(), "memory_gib": round(memory_bytes() / 2**30, 1)}


def cpu_model() -> str:
    """Return the processor's name as Linux gives it, or its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def commit_of(root: Path) -> str:
    """Return the commit of the checkout, with `-dirty` if files other than the campaign's own differ from it."""
    own = (":!benchmarks/ledger.jsonl", ":!docs/figures")
    commit = git(root, "rev-parse", "--verify", "HEAD")
    changes = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *own)
    return f"{commit}-dirty" if commit and changes else commit or "unknown"


def git(root: Path, *words: str) -> str:
    """Return what a git command prints, or nothing where it fails or git is missing."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

"""What a run tells the world: metrics, log.txt, summary.json, and the numbers for the panel."""

import importlib.metadata
import platform
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from spreeze.checkpoint import Checkpoint
from spreeze.config import Settings
from spreeze.dataset import Dataset
from spreeze.run_folder import write_summary
from spreeze.sinks.stream import open_stream
from spreeze.sizing import Sizes, usable_cores
from spreeze.transport.counters import ENV_STEPS, STARTED, WAITED, Counters

if TYPE_CHECKING:
    from spreeze.tuning.trial import Rates

COMPLAIN_EVERY_S = 60.0
WINDOW_S = 10.0
"""Rates and ratios are taken over the last ten seconds."""
PACKAGES = ("spreeze", "torch", "mujoco", "gymnasium", "numpy")


def versions() -> dict[str, str]:
    """Versions of what decides results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """What decides rates; no names."""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return {"cpu": cpu, "cores": len(usable_cores()), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


class Sample(dict[str, float]):
    """One look at the counters."""


class Journal:
    """Gathers what happens; `summary` is what `summary.json` holds at any moment."""

    def __init__(
        self, folder: Path, settings: Settings, previous: Mapping[str, Any], say: Any, age_s: float = 0.0
    ) -> None:
        self.folder, self.settings, self._say = folder, settings, say
        self.stream = open_stream(folder, settings, self.say)
        self.log = (folder / "log.txt").open("ab", buffering=0)
        self.begun_s = time.monotonic() - age_s - float(previous.get("wall_seconds", 0.0))
        self.evaluations: list[dict[str, Any]] = list(previous.get("evaluations", []))
        self.restarts: dict[str, int] = dict(previous.get("restarts", {}))
        self.stages: list[dict[str, Any]] = list(previous.get("stages", []))
        self.first_step_s: float | None = previous.get("first_step_seconds")
        self.dataset: dict[str, Any] | None = None
        self.best: float | None = None
        self.episode_return: float | None = None
        self.metrics: dict[str, float] = {}
        self.ratio_errors: list[float] = []
        self._lags: list[float] = []
        self.env_steps_before = self.updates_before = self.rows_before = 0
        self._samples: deque[Sample] = deque()
        self._complained: dict[str, float] = {}
        self._last_rates = dict.fromkeys(("env_steps", "updates", "rows", "ratio", "lag"), 0.0)
        self.counters: Counters | None = None
        self.sizes: Sizes | None = None
        self.tuned: Rates | None = None
        """What the tuner's trial of the stage's sizes reached, where there was one."""

    def begin_stage(self, name: str, counters: Counters, sizes: Sizes) -> None:
        """Numbers come from these counters from here on."""
        self.counters, self.sizes = counters, sizes
        self._samples.clear()
        self.stages.append({"name": name, "sizes": vars(sizes) | {}})

    def end_stage(self) -> None:
        """Keep the stage's totals, and its last rates for the summary."""
        if self.counters is not None:
            self._note_first_step()
            self._last_rates = self.rates()
            self.env_steps_before += self.counters.env_steps
            self.updates_before += self.counters.updates
            self.rows_before += self.counters.rows_consumed
        self.counters = None

    @property
    def totals_before(self) -> list[int]:
        """Environment steps, updates and rows of the stages that are over."""
        return [self.env_steps_before, self.updates_before, self.rows_before]

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Go on from the totals and the history of a checkpoint."""
        if checkpoint is None:
            return
        self.env_steps_before, self.updates_before, self.rows_before = checkpoint.manifest["before"]
        self.stages = self.stages[: checkpoint.manifest["stage"]]
        self.say(f"resuming at {checkpoint.manifest['env_steps']:,} steps, {checkpoint.manifest['updates']:,} updates")

    @property
    def seconds(self) -> float:
        """Wall clock of the run, earlier sessions included."""
        return time.monotonic() - self.begun_s

    @property
    def env_steps(self) -> int:
        """Environment steps of all stages."""
        return self.env_steps_before + (self.counters.env_steps if self.counters is not None else 0)

    @property
    def updates(self) -> int:
        """Updates of all stages."""
        return self.updates_before + (self.counters.updates if self.counters is not None else 0)

    def _at(self, env_steps: int, updates: int) -> int:
        """Where curves stand: at environment steps, or at updates in a stage that takes none."""
        roles = self.counters.roles if self.counters is not None else ()
        return env_steps if any(role.startswith("sampler") for role in roles) else updates

    def say(self, text: str) -> None:
        """Print a line and log it."""
        with suppress(OSError):  # A full disk costs the line in the file, not the run.
            self.log.write(f"[{self.seconds:8.1f} s] {text}\n".encode())
        self._say(text)

    def complain(self, text: str) -> None:
        """Say what goes wrong again and again, at most once a minute."""
        now = time.monotonic()
        if now - self._complained.get(text, -COMPLAIN_EVERY_S) >= COMPLAIN_EVERY_S:
            self._complained[text] = now
            self.say(text)

    def learns_from(self, dataset: Dataset) -> None:
        """Say which dataset the run learns from, and keep for the summary what identifies it."""
        reference = asdict(dataset.reference) if dataset.reference else None
        about = {"name": dataset.name, "environment": dataset.environment, "digest": dataset.digest}
        self.dataset = about | {"reference": reference}
        self.say(dataset.describe())

    def sample(self) -> None:
        """Look at the counters; call about once a second."""
        if self.counters is None:
            return
        look = Sample(t=time.monotonic(), steps=self.counters.env_steps, updates=self.counters.updates,
                      rows=self.counters.rows_consumed)  # fmt: skip
        for role in self.counters.roles:
            look[f"waited/{role}"] = float(self.counters.row(role)[WAITED]) / 1e9
            if role.startswith("sampler"):
                look[f"steps/{role}"] = float(self.counters.row(role)[ENV_STEPS])
        self._samples.append(look)
        while look["t"] - self._samples[0]["t"] > WINDOW_S + 0.5:
            self._samples.popleft()
        self._lags.append(self.counters.policy_lag)
        self._note_first_step()
        self._note_ratio()
        self._write_rates()

    def _note_first_step(self) -> None:
        assert self.counters is not None
        started = [int(self.counters.row(role)[STARTED]) for role in self.counters.roles]
        if self.first_step_s is None and any(started):
            self.first_step_s = min(s for s in started if s) / 1e9 - self.begun_s

    def _note_ratio(self) -> None:
        """Record how far the ratio of a whole window is from the chosen one, once learning is under way."""
        wanted = self.sizes.replay_ratio if self.sizes else None
        first, last = self._samples[0], self._samples[-1]
        if wanted and first["rows"] > 0 and last["t"] - first["t"] >= WINDOW_S - 0.5:
            self.ratio_errors.append(self.rates()["ratio"] / wanted - 1)

    def rates(self) -> dict[str, float]:
        """Rates over the window: env steps/s, updates/s, update frame rate [rows/s], ratio, lag, share of waiting."""
        if len(self._samples) < 2 or self.counters is None:
            return self._last_rates
        first, last = self._samples[0], self._samples[-1]
        span = last["t"] - first["t"]
        steps, updates, rows = (last[k] - first[k] for k in ("steps", "updates", "rows"))
        waits = {k: (last[k] - first[k]) / span for k in last if k.startswith(("waited/", "steps/"))}
        own = {"env_steps": steps / span, "updates": updates / span, "rows": rows / span, "ratio": rows / max(steps, 1)}
        return own | {"lag": self.counters.policy_lag} | waits

    def _write_rates(self) -> None:
        at = self._at(self.env_steps, self.updates)
        rates = {f"rate/{name}": value for name, value in self.rates().items()}
        self.stream.scalars(at, rates | {"progress/updates": self.updates})

    def add_metrics(self, values: Mapping[str, float]) -> None:
        """Means of the learner's metrics."""
        self.metrics.update(values)
        self.stream.scalars(self._at(self.env_steps, self.updates), values)

    def add_episodes(self, returns: list[float], lengths: list[int]) -> None:
        """Episodes that samplers finished."""
        self.episode_return = float(np.mean(returns))
        collected = {"collect/return": self.episode_return, "collect/length": float(np.mean(lengths))}
        self.stream.scalars(self.env_steps, collected)

    @property
    def reached_return(self) -> bool:
        """Whether an evaluation had the return that ends the run."""
        wanted = self.settings.run.until_return
        return wanted is not None and any(np.mean(entry["returns"]) >= wanted for entry in self.evaluations)

    def add_evaluation(self, data: Mapping[str, Any]) -> None:
        """An evaluation, dated by the moment its weights were taken."""
        entry = {k: v for k, v in data.items() if k not in ("begun_ns", "best")}
        entry["seconds"] = data["begun_ns"] / 1e9 - self.begun_s
        entry["env_steps"] += self.env_steps_before
        entry["updates"] += self.updates_before
        self.evaluations.append(entry)
        mean, self.best = float(np.mean(data["returns"])), float(data["best"])
        at = self._at(entry["env_steps"], entry["updates"])
        measured = {"return": mean, "length": float(np.mean(data["lengths"])), **data["metrics"]}
        self.stream.scalars(at, {f"evaluate/{name}": value for name, value in measured.items()})
        self.say(
            f"evaluation at {entry['seconds']:.0f} s, {entry['env_steps']:,} steps, {entry['updates']:,} updates: "
            f"return {mean:.1f} +- {np.std(data['returns']):.1f} ({len(data['returns'])} episodes)"
            + "".join(f", {name} {value:.4g}" for name, value in data["metrics"].items())
        )

    def summary(self, exit_reason: str) -> dict[str, Any]:
        """Everything that summary.json holds."""
        rows = self.rows_before + (self.counters.rows_consumed if self.counters is not None else 0)
        rates, seconds = self.rates(), self.seconds
        return {
            "format": 1,
            "algorithm": self.settings.algo,
            "environment": self.settings.env,
            "seed": self.settings.run.seed,
            "dataset": self.dataset,
            "versions": versions(),
            "machine": machine(),
            "wall_seconds": seconds,
            "first_step_seconds": self.first_step_s,
            "env_steps": self.env_steps,
            "updates": self.updates,
            "rows": rows,
            "batch_size": self.sizes.batch_size if self.sizes else None,
            "sampling_rate": self.env_steps / seconds,
            "update_frame_rate": rows / seconds,
            "replay_ratio": rates["ratio"],
            "replay_ratio_error": ratio_error(self.ratio_errors),
            "policy_lag": float(np.mean(self._lags)) if self._lags else 0.0,
            "steps_per_second_by_sampler": {k.removeprefix("steps/"): v for k, v in rates.items() if "steps/" in k},
            "waits": {k.removeprefix("waited/"): v for k, v in rates.items() if k.startswith("waited/")},
            "metrics": self.metrics,
            "best_return": self.best,
            "restarts": self.restarts,
            "evaluations": self.evaluations,
            "stages": self.stages,
            "exit_reason": exit_reason,
        }

    def write_summary(self, exit_reason: str) -> None:
        """Write summary.json; a disk that does not take it is told."""
        try:
            write_summary(self.folder, self.summary(exit_reason))
        except OSError as error:
            self.complain(f"could not write summary.json: {error.strerror}")

    def close(self) -> None:
        """Close sinks and log."""
        self.stream.close()
        self.log.close()


def ratio_error(errors: list[float]) -> dict[str, float] | None:
    """Largest and mean distance of the replay ratio from the chosen one over 10 s windows, as shares."""
    if not errors:
        return None
    absolute = np.abs(errors)
    return {"max": float(absolute.max()), "mean": float(absolute.mean()), "windows": len(errors)}

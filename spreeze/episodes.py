"""Whole episodes: out of environments stepped with a policy, and out of the replay store of a run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from torch import Tensor

from spreeze.checkpoint import Checkpoint
from spreeze.contract import Episode, Policy, Recurrent, Step, Store
from spreeze.environment import VectorEnv
from spreeze.errors import CheckpointError, UnsupportedSpace, UsageError
from spreeze.sources import Rollout
from spreeze.spaces import is_bounded_box
from spreeze.transport.layout import COMMIT, RESERVE, StoreLayout

NEEDED = ("observation", "action", "reward", "terminated")


class UniformPolicy:
    """Acts uniformly at random."""

    def __init__(self, action: Space[Any], generator: torch.Generator) -> None:
        if not (is_bounded_box(action) or isinstance(action, Discrete)):
            raise UnsupportedSpace(f"random actions need a bounded Box or a Discrete space, not {action}")
        self._choices = int(action.n) if isinstance(action, Discrete) else 0
        self._generator = generator

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing: the policy is memoryless."""
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Uniform over [-1, 1] or over the choices, whatever the mode."""
        shape = step.previous_action.shape
        if self._choices:
            return torch.randint(self._choices, shape, generator=self._generator), state, {}
        return 2 * torch.rand(shape, generator=self._generator) - 1, state, {}


def played(envs: VectorEnv, policy: Policy, mode: str, steps: int) -> Iterator[list[Episode]]:
    """Play until `steps` steps are begun, then every episode to its end; yield episodes as they finish.

    Each stream ends at the first end of an episode after that: to stop all at once would prefer short episodes.
    """
    rollout, open_rows = Rollout(envs, policy), [list[dict[str, Any]]() for _ in range(envs.count)]
    playing, taken = np.ones(envs.count, bool), 0
    while playing.any():
        moment, finished = rollout.step(mode), []
        for n in np.flatnonzero(playing):
            row = {name: np.copy(moment.fields[name][n]) for name in NEEDED}
            if moment.valid[n]:
                open_rows[n].append(row)
                taken += 1
                continue
            finished.append(joined(open_rows[n], row["observation"]))
            open_rows[n] = []
            playing[n] = taken < steps
        if finished:
            yield finished


def joined(rows: Sequence[Mapping[str, np.ndarray]], last: np.ndarray) -> Episode:
    """The episode of these steps, which the observation `last` ends."""
    values = {name: np.stack([row[name] for row in rows]) for name in NEEDED}
    return episode_of(values, last)


def episode_of(columns: Mapping[str, np.ndarray], last: np.ndarray) -> Episode:
    """The episode of these columns (T, ...), which the observation `last` ends."""
    observation = np.concatenate([columns["observation"], last[None]])
    terminated = columns["terminated"].astype(bool)
    return Episode(observation, columns["action"], columns["reward"].astype(np.float32), terminated)


def replayed(checkpoint: Checkpoint, stores: Mapping[str, Store], until: int | None = None) -> list[Episode]:
    """Every whole episode that the replay store of a checkpoint holds, in the order in which they ended.

    An episode whose beginning was overwritten, and one that had not ended, is left out; with `until`, what had not
    ended when so many steps were stored is left out too.

    Raises:
        UsageError: the checkpoint holds no replay store of single steps.
        CheckpointError: the files of the store do not hold it.
    """
    name, saved = replay_store(checkpoint, stores)
    sizes = checkpoint.manifest["sizes"]
    layout = StoreLayout.of(stores[name], sizes["samplers"], sizes["envs_per_sampler"])
    limit = math.inf if until is None else until / (sizes["samplers"] * layout.streams)
    ended = []
    for lane, words in enumerate(saved["words"]):
        rows, first = lane_rows(checkpoint.folder.parent / "stores", saved["files"], layout, lane, words)
        for stream in range(layout.streams):
            whole = runs(rows[:, stream], first == 0)
            ended += [(end, lane, stream, episode) for end, episode in whole if first + end <= limit]
    return [episode for *_, episode in sorted(ended, key=lambda item: item[:3])]


def replay_store(checkpoint: Checkpoint, stores: Mapping[str, Store]) -> tuple[str, Mapping[str, Any]]:
    """Name and manifest of the only store that holds steps to be drawn one by one."""
    saved = checkpoint.manifest["stores"]
    usable = [
        name
        for name, store in stores.items()
        if name in saved and store.kind == "replay" and not store.segment and set(NEEDED) <= set(store.fields)
    ]
    if len(usable) != 1:
        raise UsageError(
            f"{checkpoint.folder} holds {len(usable)} replay stores of single steps with {', '.join(NEEDED)}; "
            "take a run of an off-policy algorithm"
        )
    return usable[0], saved[usable[0]]


def lane_rows(
    folder: Path, files: Sequence[Mapping[str, Any]], layout: StoreLayout, lane: int, words: Sequence[int]
) -> tuple[np.ndarray, int]:
    """The committed rows (steps, streams) of one lane that are in the ring, and the number of the first."""
    first, end = max(words[RESERVE] - layout.steps, 0), words[COMMIT]
    rows = np.zeros((end - first, layout.streams), layout.row)
    known = np.zeros(end - first, bool)
    for entry in files:
        if entry.get("lane") != lane:
            continue
        values = np.frombuffer((folder / entry["file"]).read_bytes(), layout.row).reshape(-1, layout.streams)
        begin, stop = max(entry["begin"], first), min(entry["end"], end)
        if begin < stop:
            rows[begin - first : stop - first] = values[begin - entry["begin"] : stop - entry["begin"]]
            known[begin - first : stop - first] = True
    if not known.all():
        raise CheckpointError(f"{folder} lacks {int((~known).sum())} steps of lane {lane} that its checkpoint names")
    return rows, first


def runs(rows: np.ndarray, from_start: bool) -> Iterator[tuple[int, Episode]]:
    """The runs of valid rows (T,) of one stream that an invalid one closes, with the number of that."""
    ends = np.flatnonzero(rows["valid"] == 0)
    begins = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    for index, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        if begin < end and (from_start or index > 0):
            columns = {name: rows[name][begin:end] for name in NEEDED}
            yield int(end), episode_of(columns, rows["observation"][end])

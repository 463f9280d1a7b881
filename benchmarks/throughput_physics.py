"""Physics alone, the limit of the sampling benchmark: segments of recorded steps, replayed without a policy.

`record` drives Gymnasium's environments with the reference policy and keeps, of segments of SEGMENT steps within an
episode, the full state at the beginning, the controls, and the position at the end. As a worker of throughput.py it
replays them all, and every replay must end where the recording did: the same states as with the policy in the loop.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from peers.reference import Policy, Weights, scaled
from peers.serving import answer, claim_stdout, serve, timed

SEGMENT = 8
"""Control steps of one segment."""
ENVIRONMENTS, BEGIN, SEGMENTS = 16, 96, 512
"""Environments stepped side by side, control steps before anything is kept, segments kept."""
TOLERANCE = 1e-9
"""Largest distance of a replayed position from the recorded one, relative to max(1, its size)."""
INTEGRATION, FULL = mujoco.mjtState.mjSTATE_INTEGRATION, mujoco.mjtState.mjSTATE_FULLPHYSICS

Segments = Mapping[str, np.ndarray]


def record(environment: str, weights: Weights, seed: int, segments: int = SEGMENTS) -> dict[str, np.ndarray]:
    """Return `integration` and `full` states, `warmstart`, `control` (S, SEGMENT, U) and `final` (S, Q) positions."""
    recorders = [Recorder(environment, weights, seed + index) for index in range(ENVIRONMENTS)]
    found: list[dict[str, np.ndarray]] = []
    for recorder in recorders:
        recorder.skip(BEGIN)
    while len(found) < segments:
        for recorder in recorders:
            found += recorder.segment()
    return {name: np.stack([one[name] for one in found[:segments]]) for name in found[0]}


class Recorder:
    """One environment driven by the reference policy."""

    def __init__(self, environment: str, weights: Weights, seed: int) -> None:
        self.env: Any = gymnasium.make(environment, disable_env_checker=True)
        self.policy = Policy(weights, 1, seed)
        simulated: Any = self.env.unwrapped
        self.model, self.data = simulated.model, simulated.data
        self.observation, _ = self.env.reset(seed=seed)

    def step(self) -> bool:
        """Act once; return whether the episode goes on. The next one begins at once where it does not."""
        space = self.env.action_space
        action = scaled(self.policy.act(self.observation[None]), space.low, space.high)[0]
        self.observation, _, terminated, truncated, _ = self.env.step(action)
        if terminated or truncated:
            self.observation, _ = self.env.reset()
        return not (terminated or truncated)

    def skip(self, steps: int) -> None:
        """Step without keeping anything."""
        for _ in range(steps):
            self.step()

    def segment(self) -> list[dict[str, np.ndarray]]:
        """Return the next segment, or nothing if the episode ends in it."""
        kinds = (("integration", INTEGRATION), ("full", FULL))
        begin = {name: state(self.model, self.data, kind) for name, kind in kinds}
        begin["warmstart"] = self.data.qacc_warmstart.copy()
        controls = []
        for _ in range(SEGMENT):
            if not self.step():
                return []
            controls.append(self.data.ctrl.copy())
        return [begin | {"control": np.stack(controls), "final": self.data.qpos.copy()}]


def state(model: Any, data: Any, kind: Any) -> np.ndarray:
    """The state of a simulation as one vector."""
    vector = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, vector, kind)
    return vector


def model_of(environment: str) -> tuple[Any, int]:
    """The model of an environment, and the physics steps of one control step."""
    env: Any = gymnasium.make(environment, disable_env_checker=True)
    return env.unwrapped.model, int(env.unwrapped.frame_skip)


class Rollout:
    """`mujoco.rollout` with a pool of threads, or on the calling thread alone."""

    def __init__(self, model: Any, skip: int, segments: Segments, threads: int) -> None:
        from mujoco.rollout import Rollout as Pool

        self._pool = Pool(nthread=threads if threads > 1 else 0)
        self._models = [model] * len(segments["full"])
        self._datas = [mujoco.MjData(model) for _ in range(threads)]
        self._states = np.empty((len(self._models), SEGMENT * skip, segments["full"].shape[1]))
        self._begin = np.ascontiguousarray(segments["full"]), np.ascontiguousarray(segments["warmstart"])
        self._control = np.ascontiguousarray(np.repeat(segments["control"], skip, axis=1))
        self._nq = model.nq

    def replay(self) -> np.ndarray:
        """Replay all segments; return their final positions (S, Q)."""
        full, warmstart = self._begin
        self._pool.rollout(
            self._models,
            self._datas,
            full,
            self._control,
            nstep=self._control.shape[1],
            initial_warmstart=warmstart,
            state=self._states,
            skip_checks=True,
        )
        return self._states[:, -1, 1 : 1 + self._nq]


class Batch:
    """`mjbatch` with a pool of threads: all simulations one control step on, then the next."""

    def __init__(self, model: Any, skip: int, segments: Segments, threads: int) -> None:
        from mjbatch import Batch as Pool

        self._pool, self._skip, self._segments = Pool(model, len(segments["control"]), threads), skip, segments
        self._state, self._ctrl, self._qpos = (self._pool.bind(name) for name in ("state", "ctrl", "qpos"))

    def replay(self) -> np.ndarray:
        """Replay all segments; return their final positions (S, Q)."""
        self._state[:] = self._segments["integration"]
        for step in range(SEGMENT):
            self._ctrl[:] = self._segments["control"][:, step]
            self._pool.step(nstep=self._skip)
        return self._qpos.copy()


BACKENDS: Mapping[str, Callable[[Any, int, Segments, int], Any]] = {"rollout": Rollout, "mjbatch": Batch}


def check(final: np.ndarray, expected: np.ndarray) -> None:
    """Raise FloatingPointError unless replayed positions (S, Q) are the recorded ones."""
    distance = np.abs(final - expected) / np.maximum(np.abs(expected), 1.0)
    if not np.isfinite(final).all() or distance.max() > TOLERANCE:
        raise FloatingPointError(f"a replay ends {distance.max():.1e} away from the recording")


class Replay:
    """The worker: passes over all segments, in shares small enough for a short measurement."""

    def __init__(self, backend: str, environment: str, segments: Segments, threads: int, share: int = 128) -> None:
        model, skip = model_of(environment)
        self._parts = [part for part in shares(segments, share)]
        self._replays = [BACKENDS[backend](model, skip, part, threads) for part in self._parts]
        self._next = 0

    def step(self) -> int:
        """Replay the next share; return its control steps."""
        index, self._next = self._next, (self._next + 1) % len(self._parts)
        self.final = self._replays[index].replay()
        self._latest = index
        return len(self.final) * SEGMENT

    def measure(self, seconds: float) -> Any:
        """Replay for `seconds`, then compare the last share with the recording."""
        steps, elapsed = timed(self.step, seconds)
        check(self.final, self._parts[self._latest]["final"])
        return answer({"env_steps": steps}, elapsed)


def shares(segments: Segments, size: int) -> Iterator[dict[str, np.ndarray]]:
    """Divide segments into shares of at most `size`."""
    for begin in range(0, len(segments["control"]), size):
        yield {name: values[begin : begin + size] for name, values in segments.items()}


def main(words: Sequence[str] | None = None) -> None:
    """Load the recording, warm up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--segments", type=Path, required=True)
    parser.add_argument("--backend", choices=BACKENDS, default="rollout")
    parser.add_argument("--pool-threads", type=int, default=1)
    args = parser.parse_args(words)
    out = claim_stdout()
    with np.load(args.segments, allow_pickle=False) as file:
        segments = {name: file[name] for name in file.files}
    replay = Replay(args.backend, args.env, segments, args.pool_threads)
    timed(replay.step, 0.5)
    serve(out, replay.measure, mujoco=mujoco.__version__)


if __name__ == "__main__":
    main()

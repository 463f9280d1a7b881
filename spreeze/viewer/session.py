"""Episodes in real time: what is played, how fast, and what came of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium

from spreeze.viewer.player import Player
from spreeze.viewer.weights import Acting, Weights, Which

END_S = 0.8
"""For which the end of an episode stands still."""
LATE_S = 0.1
"""Real time by which steps may be late; what is later is left out."""
BUSY_S = 0.025
"""Real time that the steps between two frames may take."""
PACE_S = 1.0
"""Over which the reached speed is measured."""
KEPT = 100
"""Episodes whose mean is shown."""
FPS = 30.0
"""Steps per second of an environment that does not say how long its step is."""


class Finished(NamedTuple):
    """An episode that is over."""

    number: int
    """How many had begun with it."""
    total: float
    length: int
    seed: int
    weights: str


def step_seconds(env: gymnasium.Env[Any, Any]) -> float:
    """The time that one step of the environment stands for [s]."""
    dt = getattr(env.unwrapped, "dt", None) or 1 / float(env.metadata.get("render_fps") or FPS)
    return float(dt)


class Session:
    """Plays one episode after the other, each with the weights that are there when it begins."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        weights: Weights,
        which: Which = "newest",
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.env, self.weights, self.which, self.seed = env, weights, which, seed
        self.dt, self.speed, self.paused = step_seconds(env), 1.0, False
        self.acting: Acting | None = None
        self.player: Player | None = None
        self.finished: deque[Finished] = deque(maxlen=KEPT)
        self.episodes = 0
        """Episodes begun."""
        self.reached_speed = 0.0
        """Simulated per real time while an episode is played, over the last second."""
        self._clock, self._owed, self._ended_s = clock, 0.0, 0.0
        self._simulated_s = self._played_s = 0.0

    @property
    def seconds(self) -> float:
        """Simulated time of the episode."""
        return self.player.length * self.dt if self.player else 0.0

    def begin(self) -> bool:
        """Begin the next episode with the weights of now; False if there are none."""
        acting = self.weights.fetch(self.which)
        if acting is None:
            return False
        self.acting, self.player = acting, Player(self.env, acting.policy, acting.mode)
        self.player.reset(self.seed)
        self.seed, self.episodes = self.seed + 1, self.episodes + 1
        self._owed = self._ended_s = 0.0
        return True

    def choose(self, which: Which) -> bool:
        """Go on with other weights, in a new episode; False, and nothing changes, if there are none."""
        before, self.which = self.which, which
        if not self.begin():
            self.which = before
            return False
        return True

    def begin_with(self, seed: int) -> None:
        """Begin an episode with this seed."""
        self.seed = seed
        self.begin()

    def step(self) -> None:
        """Take one step, whether paused or not; the step after an end begins the next episode."""
        if self.player is None or self.player.done:
            self.begin()
        else:
            self._step(self.player)

    def _step(self, player: Player) -> None:
        player.step()
        if player.done:
            label = self.acting.label if self.acting else ""
            self.finished.append(Finished(self.episodes, player.total, player.length, self.seed - 1, label))

    def advance(self, elapsed_s: float) -> bool:
        """Let real time pass; return whether the state has changed."""
        if self.paused:
            return False
        if self.player is None:
            return self.begin()
        if self.player.done:
            self._ended_s += elapsed_s
            return self._ended_s >= END_S and self.begin()
        return self._catch_up(self.player, elapsed_s)

    def _catch_up(self, player: Player, elapsed_s: float) -> bool:
        begun, length = self._clock(), player.length
        self._owed = min(self._owed + elapsed_s * self.speed, max(LATE_S * self.speed, self.dt))
        while self._owed >= self.dt and not player.done and self._clock() - begun < BUSY_S:
            self._step(player)
            self._owed -= self.dt
        self._measure((player.length - length) * self.dt, elapsed_s)
        return player.length > length

    def _measure(self, simulated_s: float, elapsed_s: float) -> None:
        self._simulated_s, self._played_s = self._simulated_s + simulated_s, self._played_s + elapsed_s
        if self._played_s >= PACE_S:
            self.reached_speed = self._simulated_s / self._played_s
            self._simulated_s = self._played_s = 0.0

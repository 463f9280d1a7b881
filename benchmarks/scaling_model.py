"""A small queueing model: from unit times of one core to rates of sampling and learning on many.

    sampler    T(N) = p0 + p1 N + phi N + r0 + r1 N     X(N) = N / T(N)                   env steps/s of one core
    samplers   X(N, s) = s X(N) / (1 + sigma (s - 1))                                     on s cores
    learner    U(B, c) = (u0 + u1 B) (f + (1 - f) / c)  Y(B, c) = B / U(B, c)             rows/s on c cores
    paced      m1 = X, m2 = Y / rho                     X = min(m1, m2)                   if no service time varies
               X = m1 m2 (m1^K - m2^K) / (m1^(K+1) - m2^(K+1))                            if they are exponential

N environments of a sampler; p0, p1 the policy's seconds per call and row; phi the seconds of physics per step; r0, r1
those of everything else per call and step; sigma contention for memory and heat; B batch; u0, u1 seconds per update and
row on one core; f the share of an update that more cores do not speed up (Amdahl); rho rows consumed per step. Samplers
and learner are the two stations of a closed cycle (Gordon and Newell 1967) whose K tokens are the slack of the pace's
account, each a batch or the rows due for a block, whichever is larger. One core takes turns: 1 / X = 1 / m1 + 1 / m2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Affine:
    """Seconds of a piece of work: `fixed + each * size`."""

    fixed: float
    each: float

    def __call__(self, size: float) -> float:
        """Seconds of work of `size`."""
        return self.fixed + self.each * size

    @classmethod
    def fit(cls, seconds: Mapping[int, float]) -> "Affine":
        """Least squares of relative errors over seconds by size, neither number below 0."""
        sizes = np.array(list(seconds), np.float64)
        times = np.array(list(seconds.values()), np.float64)
        both = np.stack([1 / times, sizes / times], axis=1)
        fixed, each = np.linalg.lstsq(both, np.ones(len(sizes)), rcond=None)[0]
        if fixed < 0:
            fixed, each = 0.0, float(np.mean(times / sizes))
        elif each < 0:
            fixed, each = float(times.mean()), 0.0
        return cls(float(fixed), float(each))


@dataclass(frozen=True)
class Units:
    """What was measured of one core, and what a second one brought."""

    policy: Affine
    """p0, p1 [s]."""
    physics_s: float
    """phi [s]."""
    rest: Affine
    """r0, r1 [s]."""
    contention: float
    """sigma."""
    update: Affine
    """u0, u1 [s]."""
    serial_share: float
    """f."""


def sampling_rate(units: Units, environments: int, samplers: int = 1) -> float:
    """Return X(N, s), environment steps per second."""
    seconds = units.policy(environments) + units.physics_s * environments + units.rest(environments)
    return samplers * environments / seconds / (1 + units.contention * (samplers - 1))


def learning_rate(units: Units, batch: int, cores: int = 1) -> float:
    """Return Y(B, c), rows per second."""
    return batch / units.update(batch) / (units.serial_share + (1 - units.serial_share) / cores)


def contention(one: float, many: float, cores: int) -> float:
    """Return sigma, from the rate of one core and that of `cores`; not below 0."""
    return max((cores * one / many - 1) / (cores - 1), 0.0)


def serial_share(one: float, many: float, cores: int) -> float:
    """Return f, from the rate on one core and that on `cores`, between 0 and 1."""
    speedup = many / one
    return min(max((cores / speedup - 1) / (cores - 1), 0.0), 1.0)


def rest(sampler: Affine, policy: Affine, physics_s: float) -> Affine:
    """Return r0 and r1, what policy and physics leave of the seconds of a sampler's steps; neither below 0."""
    return Affine(max(sampler.fixed - policy.fixed, 0.0), max(sampler.each - policy.each - physics_s, 0.0))


def cycle_rate(first: float, second: float, tokens: int) -> float:
    """Return the rate of a closed cycle of two exponential stations with `tokens` tokens."""
    if abs(first - second) < 1e-9 * max(first, second):
        return first * tokens / (tokens + 1)
    share = min(first, second) / max(first, second)
    return min(first, second) * (1 - share**tokens) / (1 - share ** (tokens + 1))


def tokens(ratio: float, batch: int, block_rows: int) -> int:
    """Return K: the slack of the pace's account, two batches and two blocks, in its largest pieces."""
    due = ratio * block_rows
    return max(round(2 * (batch + due) / max(batch, due)), 1)


@dataclass(frozen=True)
class Prediction:
    """Rates of a machine whose cores are divided between samplers and learner."""

    cores: int
    learner_cores: int
    env_steps: float
    """Per second, if service times do not vary."""
    least_env_steps: float
    """Per second, if they vary as exponential ones do."""
    rows: float

    @property
    def split(self) -> str:
        """The division in words."""
        return f"{self.cores - self.learner_cores} + {self.learner_cores}" if self.cores > 1 else "in turn"


def predict(units: Units, cores: int, environments: int, batch: int, ratio: float) -> Prediction:
    """Return the rates of the best division of `cores`, held at `ratio` rows per step."""
    return max(divisions(units, cores, environments, batch, ratio), key=lambda found: found.env_steps)


def divisions(units: Units, cores: int, environments: int, batch: int, ratio: float) -> Iterable[Prediction]:
    """Return the rates of every division of `cores`."""
    if cores == 1:
        steps, rows = sampling_rate(units, environments), learning_rate(units, batch)
        rate = 1 / (1 / steps + ratio / rows)
        yield Prediction(1, 1, rate, rate, rate * ratio)
        return
    for learner in range(1, cores):
        yield divided(units, cores, learner, environments, batch, ratio)


def divided(units: Units, cores: int, learner: int, environments: int, batch: int, ratio: float) -> Prediction:
    """Return the rates with `learner` of the cores for the learner, a sampler on each of the others."""
    samplers = cores - learner
    first = sampling_rate(units, environments, samplers)
    second = learning_rate(units, batch, learner) / ratio
    rate, least = min(first, second), cycle_rate(first, second, tokens(ratio, batch, environments * samplers))
    return Prediction(cores, learner, rate, least, rate * ratio)


@dataclass(frozen=True)
class Check:
    """A prediction beside what was measured."""

    what: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """By how much the prediction is too high, as a share of what was measured."""
        return self.predicted / self.measured - 1


def worst(checks: Sequence[Check]) -> float:
    """Return the largest error, sign left out; 0 of none."""
    return max((abs(check.error) for check in checks), default=0.0)

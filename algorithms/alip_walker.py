"""A biped walks by the template alone: nothing is learned, it is the baseline of the ALIP planner.

Every decision, the momentum at the end of the step is predicted and the foot placed where the next step would end with
the wanted one (`alip.template`). Wanted is the commanded speed, looked ahead along its ramps, corrected by its error
(P), by the integral of that over the episode (I), and by the factor k that the orbit needs. Base height and pitch are
constant. Source of the foot placement: Gong and Grizzle, arXiv 2008.10763; factor and loop are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box, Dict
from torch import Tensor, nn

from spreeze.algorithms.alip import template
from spreeze.contract import (
    Algorithm,
    EnvironmentSpec,
    LearnerSetup,
    Metrics,
    Modes,
    Part,
    Range,
    Recurrent,
    Stage,
    Step,
    Until,
)
from spreeze.errors import UnsupportedSpace

NEEDED = ("mass_center", "momentum", "command", "speed_error", "left", "template")
"""Entries of an observation that the walker reads."""
DECISION_S = 0.03
MOST = 0.5
"""By how much the integral may change the wanted speed [m/s]."""
STEEPEST = 1.0
"""Change of a command that is looked ahead along [m/s^2]; a faster one is a jump."""


@dataclass(frozen=True)
class WalkerConfig:
    """Options of the walker, which learns nothing."""

    proportional: float = 0.3
    """By how much the wanted speed is changed per error of the mean speed."""
    integral: float = 0.4
    """By how much it is changed per error and second [1/s]."""
    lead: float = 0.3
    """How far a change of the command is looked ahead [s]."""
    response: float = 0.3
    """Time constant with which the mean speed is expected to follow the command [s]."""
    orbit_correction: bool = True
    """Whether the wanted momentum is the speed times k, as the orbit needs; without it the walker is slow."""
    softness: float = 0.0
    """Share of the momentum's error that one step leaves; 0: none on the template."""
    width: float = 0.2
    """Distance of the feet in the lateral orbit [m]; planar robots have none."""
    pitch: float = 0.0
    """Of the torso [rad]."""
    height: float = 0.5
    """Of the base, from 0, the least that the robot allows, to 1, the greatest."""


class Walker(nn.Module):
    """The options as a bundle, so that they are in checkpoints; reads observations of `spec`."""

    def __init__(self, spec: EnvironmentSpec, config: WalkerConfig) -> None:
        super().__init__()
        self.slices, self.axes = entries(spec)
        assert isinstance(spec.action, Box)
        self.low, self.high = spec.action.low.astype(float), spec.action.high.astype(float)
        self.register_buffer("options", torch.tensor([float(value) for value in vars(config).values()]))

    def config(self) -> WalkerConfig:
        """The options that the buffer holds now."""
        values = dict(zip(vars(WalkerConfig()), self.options.tolist(), strict=True))  # type: ignore[operator]
        return WalkerConfig(**{**values, "orbit_correction": bool(values["orbit_correction"])})

    def decide(self, observation: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decisions (N, A) in [-1, 1] for observations (N, O), and the memory (N, 3 D + 1).

        Memory is what `follow` keeps, and the time left. A new stance mirrors what is lateral, in memory too; it shows
        by more time left than before.
        """
        config = self.config()
        seen = {name: observation[:, place].astype(float) for name, place in self.slices.items()}
        rate, step_time = seen["template"][:, :1], seen["template"][:, 1:]
        kept = memory[:, :-1].reshape(len(memory), 3, self.axes).copy()
        kept[:, :, 1:] *= np.where(seen["left"] > memory[:, -1:], -1, 1)[:, None]
        command, error = (seen[name][:, : self.axes] for name in ("command", "speed_error"))
        wanted = follow(kept, command, command + error, config)
        if config.orbit_correction:
            wanted[:, :1] *= template.orbit_factor(rate, step_time)
        if self.axes == 2:
            wanted[:, 1:] -= template.lateral_orbit(config.width, rate, step_time)
        _, at_end = template.later(seen["mass_center"], seen["momentum"], rate, seen["left"])
        shift = template.shift(at_end, wanted, rate, step_time, config.softness)
        decision = np.empty((len(observation), len(self.low)))
        decision[:, : self.axes] = shift
        decision[:, -3] = config.pitch
        decision[:, -2] = self.low[-2] + config.height * (self.high[-2] - self.low[-2])
        decision[:, -1] = 1.0
        scaled = 2 * (decision - self.low) / (self.high - self.low) - 1
        return scaled.clip(-1, 1).astype(np.float32), np.column_stack([kept.reshape(len(memory), -1), seen["left"]])


def follow(kept: np.ndarray, command: np.ndarray, speed: np.ndarray, config: WalkerConfig) -> np.ndarray:
    """Speed to aim for (N, D) [m/s], at mean speeds `speed` of the last step; commands and speeds are (N, D).

    The command is looked ahead by the `lead`. The loop acts on the speed less the expected one, which follows the
    command with a lag, so that a ramp winds nothing up. `kept` (N, 3, D) is integral, command before and expected
    speed, and changed in place.
    """
    offset, before, expected = kept[:, 0], kept[:, 1], kept[:, 2]
    slope = np.clip((command - before) / DECISION_S, -STEEPEST, STEEPEST)
    expected += (command - expected) * min(DECISION_S / config.response, 1.0)
    error = speed - expected
    offset[...] = np.clip(offset - config.integral * DECISION_S * error, -MOST, MOST)
    before[...] = command
    aim: np.ndarray = command + config.lead * slope + offset - config.proportional * error
    return aim


class WalkerPolicy:
    """Acts alike in every mode; its memory is what `follow` keeps, and the time that was left."""

    def __init__(self, walker: Walker) -> None:
        self.walker = walker

    def initial_state(self, batch: int) -> Recurrent:
        """No error yet."""
        return (torch.zeros(batch, 3 * self.walker.axes + 1),)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Place the foot."""
        decision, memory = self.walker.decide(step.observation.numpy(), state[0].numpy())
        return torch.from_numpy(decision), (torch.from_numpy(memory).float(),), {}


class NoPart:
    """Publishes the walker and is finished."""

    def __init__(self, walker: Walker) -> None:
        self.draws: Mapping[str, object] = {}
        self.owns: Mapping[str, nn.Module] = {"walker": walker}
        self.reads: Mapping[str, nn.Module] = {}
        self.walker, self.finished = walker, False

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        """Nothing is learned."""
        self.finished = True
        return {}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The walker."""
        return {"policy": self.walker.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """The walker's options."""
        return dict(self.walker.state_dict())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.walker.load_state_dict(dict(state))


def entries(spec: EnvironmentSpec) -> tuple[dict[str, slice], int]:
    """Where in an observation its entries are, and D, the number of axes of the template.

    Raises:
        UnsupportedSpace: observations are not those of a biped's planner.
    """
    space = spec.observation
    if not isinstance(space, Dict) or not set(NEEDED) <= set(space.spaces):
        raise UnsupportedSpace(
            f"the walker reads {', '.join(NEEDED)} of a biped's planning environment, as rabbit; this one has {space}"
        )
    found, begin = dict[str, slice](), 0
    for name, part in space.spaces.items():
        assert part.shape is not None
        found[name] = slice(begin, begin + part.shape[0])
        begin += part.shape[0]
    return found, found["mass_center"].stop - found["mass_center"].start


def learner(spec: EnvironmentSpec, config: WalkerConfig, setup: LearnerSetup) -> Mapping[str, Part]:
    """The only part, which learns nothing."""
    return {"walker": NoPart(Walker(spec, config))}  # type: ignore[dict-item]


def stages(spec: EnvironmentSpec, config: WalkerConfig, batch_size: int) -> Sequence[Stage]:
    """One stage without samplers and with a single, empty update."""
    entries(spec)
    return [
        Stage(
            name="walker",
            stores={},
            bundles={"policy": lambda: Walker(spec, config)},
            make_policy=lambda modules, generator: WalkerPolicy(modules["policy"]),  # type: ignore[arg-type]
            make_learner=lambda setup: learner(spec, config, setup),
            make_source=None,
            modes=Modes("walk", "walk", "walk"),
            until=Until(updates=1),
        )
    ]


ALGORITHM = Algorithm(
    summary="ALIP walker: bipeds by the template alone, the baseline of the ALIP planner; learns nothing",
    source="Gong and Grizzle 2021, arXiv 2008.10763",
    config=WalkerConfig,
    stages=stages,
    batch_size=Range(16, 1, 65536),
)

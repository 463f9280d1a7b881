"""Two parts that read each other: x' = left(x) + right(a), each side fitted to what the other leaves over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from spreeze import contract
from spreeze.contract import Draw, Field, Metrics, Part, Range, Store
from tests.contract.learning import LinearPolicy, ToyPart, linear


@dataclass(frozen=True)
class SplitConfig:
    """Options of the split toy."""

    delay: int = 0
    """Updates by which a part's view of the other may lag."""
    rate: float = 0.01
    """Step size of Adam."""


class Side(ToyPart):
    """One side of the sum."""

    def __init__(self, side: str, left: nn.Module, right: nn.Module, batch_size: int, rate: float) -> None:
        modules = {"left": left, "right": right}
        mine = {side: modules.pop(side)}
        super().__init__(mine, {"batch": Draw("replay", rows=batch_size)}, rate, modules)

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        batch, modules = batches["batch"], {**self.owns, **self.reads}
        predicted = modules["left"](batch["observation"]) + modules["right"](batch["action"])
        return self.descend((predicted - batch["next_observation"]).square().mean())


def learner(config: SplitConfig, batch_size: int, setup: contract.LearnerSetup) -> Mapping[str, Part]:
    """Both sides; where they share a device, each reads the very module of the other."""
    left, right = linear(2, 2), linear(1, 2)
    return {
        side: Side(side, left.to(setup.device(side)), right.to(setup.device(side)), batch_size, config.rate)
        for side in ("left", "right")
    }


def stages(spaces: contract.EnvironmentSpec, config: SplitConfig, batch_size: int) -> Sequence[contract.Stage]:
    """One stage that fits the motion of the line, from random actions alone."""
    return [
        contract.Stage(
            name="fit",
            stores={"replay": Store("replay", {"observation": Field((2,)), "action": Field((1,))}, 1000)},
            bundles={"left": lambda: linear(2, 2), "right": lambda: linear(1, 2)},
            make_policy=lambda modules, generator: LinearPolicy(modules["left"], generator),
            make_learner=lambda setup: learner(config, batch_size, setup),
            evaluate=None,
            pace=contract.Pace(ratio=Range(16, 1, 64)),
            warmup=100,
            modes=contract.Modes(collect="random"),
            delay=config.delay,
            until=contract.Until(env_steps=1500),
        )
    ]


ALGORITHM = contract.Algorithm("backfitting in two parts", "a toy", SplitConfig, stages, Range(32, 1, 256))

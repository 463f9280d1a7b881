"""What protections cost: a serial run in which they are on and off by turns.

python benchmarks/protections.py [--algo sac] [--env hopper] [--batch-size 256] [--seconds 60] [--json FILE] [MORE ...]

On one core, what a sampler does for a block, a learner for an update and for a publication is timed, `TURN` calls with
all protections, then as many without: numbers that are not finite, looked for in blocks, environments, metrics and
weights, and MuJoCo's warnings. A learner publishes 20 times a second, as in a run of processes. Ratios are of
neighbouring turns: their interquartile mean, with an interval of 95 %. MORE options go to `spreeze run`. What a
checkpoint takes is shown beside; it is not switched.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from throughput_statistics import ratios

from spreeze import means
from spreeze.bundles import to_arrays
from spreeze.cli import main as spreeze
from spreeze.config import RunOptions
from spreeze.envs.native.vector import NativeVector
from spreeze.roles import learner, sampler
from spreeze.statistics import Interval, bootstrap, iqm

TURN = 5
"""Calls with protections, then without."""
WARM = 10
"""Turns that do not count."""
BOUND = 0.02
"""Of a sampler's and of a learner's time, at most."""


class Protections:
    """Whether they are on; `switched` makes a function of them that is called only then."""

    on = True

    def switched(self, guard: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
        """`guard` while protections are on, else `otherwise`."""
        return lambda *given: guard(*given) if self.on else otherwise(*given)

    def install(self) -> None:
        """Put switches where protections are."""
        sampler.check_finite = self.switched(sampler.check_finite, nothing)  # type: ignore[assignment]
        for name in ("_check_finite", "_check_warnings"):
            setattr(NativeVector, name, method(self.switched(getattr(NativeVector, name), nothing)))
        means.math = SimpleNamespace(isfinite=self.switched(math.isfinite, always))  # type: ignore[assignment]
        learner.publish = self.switched(learner.publish, publish_anything)  # type: ignore[assignment]


def nothing(*_given: object) -> None:
    """Look at nothing."""


def always(_value: float) -> bool:
    """Believe that a number is finite."""
    return True


def publish_anything(channel: Any, tensors: Any, version: Any, _what: str) -> None:
    """Publish tensors without a look at them."""
    channel.publish(to_arrays(tensors), version)


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is bound to its object."""
    return lambda self, *given: function(self, *given)


class Clock:
    """Seconds of a method's calls, by turns with and without protections."""

    def __init__(self, protections: Protections, owner: type, name: str) -> None:
        self.turns: list[float] = []
        self._protections, self._calls, self._wrapped = protections, 0, getattr(owner, name)
        setattr(owner, name, wraps(self._wrapped)(method(self.timed)))

    def timed(self, *given: Any) -> Any:
        """Call the method; its turns alternate, whatever those of others do."""
        if self._calls % TURN == 0:
            self.turns.append(0.0)
        self._calls += 1
        self._protections.on = len(self.turns) % 2 == 1
        begin = time.perf_counter()
        try:
            return self._wrapped(*given)
        finally:
            self.turns[-1] += time.perf_counter() - begin
            self._protections.on = True

    def pairs(self) -> tuple[list[float], list[float]]:
        """Seconds of a call with protections and without, of neighbouring turns."""
        whole = [seconds / TURN for seconds in self.turns[WARM : self._calls // TURN // 2 * 2]]
        return whole[::2], whole[1::2]


def costs(clocks: dict[str, Clock], publish_every_s: float) -> dict[str, Interval]:
    """Shares of a sampler's and of a learner's time that protections take.

    A learner that publishes every second p spends a share t / p of its time so, if that takes t, and updates in the
    rest.
    """
    guarded, bare = clocks["collect"].pairs()
    found = {"sampler": middle([one - 1 for one in ratios(guarded, bare)])}
    update, publish = (clocks[name].pairs() for name in ("update", "publish"))
    added = [one - 1 for one in ratios(*update)]
    published = middle([(one - other) / publish_every_s for one, other in zip(*publish, strict=True)]).value
    found["learner"] = middle([one + published for one in added])
    return found


def middle(values: Sequence[float]) -> Interval:
    """Their interquartile mean: a turn in which something else had the core counts for little."""
    return bootstrap([values], iqm, np.random.default_rng(0))


def measure(args: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """A serial run under the clocks."""
    torch.set_num_threads(1)
    protections = Protections()
    protections.install()
    named = {"collect": sampler.Sampler, "update": learner.Learner, "publish": learner.Learner, "save": learner.Learner}
    clocks = {name: Clock(protections, owner, name) for name, owner in named.items()}
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "--algo", args.algo, "--env", args.env, "--serial", "--batch-size", str(args.batch_size)]
        never = [
            "--evaluate-every-steps",
            "1000000000",
            "--checkpoint-every-steps",
            "1000000000",
            "--visualize",
            "none",
        ]
        options = ["--seconds", str(args.seconds), "--out", str(Path(folder) / "run"), *rest]
        if spreeze([*words, *never, *options]) != 0:
            sys.exit("the run failed")
    return {
        "options": vars(args) | {"json": None},
        "costs": {who: vars(cost) for who, cost in costs(clocks, learner.PUBLISH_EVERY_S).items()},
        "calls_us": {n: 1e6 * middle(clocks[n].pairs()[1]).value for n in ("collect", "update", "publish")},
        "save_s": clocks["save"].turns[0],
        "save_every_s": RunOptions().checkpoint_every,
    }


def main() -> int:
    """Measure and tell; 1 if protections cost more than `BOUND`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algo", default="sac")
    parser.add_argument("--env", default="hopper")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    args, rest = parser.parse_known_args()
    found = measure(args, rest)
    for who, cost in found["costs"].items():
        print(f"{who}: {cost['value']:+.2%} of its time ({cost['low']:+.2%} to {cost['high']:+.2%})")
    for name, us in found["calls_us"].items():
        print(f"{name}: {us:,.0f} us without protections")
    print(f"a checkpoint: {found['save_s']:.3f} s of the learner, every {found['save_every_s']:g} s")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return int(any(cost["value"] > BOUND for cost in found["costs"].values()))


if __name__ == "__main__":
    sys.exit(main())

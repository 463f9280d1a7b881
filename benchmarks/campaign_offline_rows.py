"""The rows that learn from logged data: the offline comparison, its outside check, and the robustness of its policies.

Fixed before the first of these runs: every algorithm makes the same number of updates, with its published settings for
the dataset's kind where there are some and its defaults otherwise. No option is chosen by returns on these datasets:
the tuning budget is equal, and nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from campaign_rows import SEEDS, Row

UPDATES = 50_000
"""Gradient steps of the policy; fitting a model is not among them."""
EVALUATE_EVERY_S = 60
FACTORS = "0.5,0.75,1,1.25,1.5"
"""Of friction and of gravity: 5 x 5 conditions."""
ATTACKS = "random,action-diff,min-q"


@dataclass(frozen=True)
class Logged:
    """A dataset of the comparison."""

    short: str
    environment: str
    folder: str
    shipped: bool
    """Found by the environment's name alone."""

    @property
    def options(self) -> tuple[str, ...]:
        """Environment and dataset, for the command line."""
        return ("--env", self.short) if self.shipped else ("--env", self.short, "--dataset", self.folder)

    @property
    def needs(self) -> dict[str, str]:
        """The file that must be there, and how to get it, as a row says it."""
        return {
            "needs": f"{self.folder}/data/main_data.hdf5",
            "advice": f"it is part of the repository: `git checkout -- {self.folder}` brings it back",
        }


@dataclass(frozen=True)
class Method:
    """An algorithm of the comparison."""

    name: str
    """In the names of rows."""
    label: str
    options: tuple[str, ...]
    minutes: float
    """Roughly, on two cores."""


SHIPPED = "spreeze/envs/datasets/shipped"
HOPPER = Logged("hopper", "Hopper-v5", f"{SHIPPED}/hopper/medium-replay-v0", shipped=True)
WALKER2D = Logged("walker2d", "Walker2d-v5", "benchmarks/datasets/walker2d/medium-replay-v0", shipped=False)
DATASETS = (HOPPER, WALKER2D)
MODEL_BASED = (
    Method("micro", "MICRO", ("--algo", "micro"), 35.0),
    Method("mopo", "MOPO", ("--algo", "mopo"), 20.0),
    Method("mobile", "MOBILE", ("--algo", "mobile"), 35.0),
)
MODEL_FREE = (
    Method("td3_bc", "TD3+BC", ("--algo", "td3_bc"), 8.0),
    Method("bc", "BC", ("--algo", "bc"), 3.0),
    Method("bc_tenth", "BC of the best tenth", ("--algo", "bc", "--best-fraction", "0.1"), 3.0),
)


def offline(method: Method, logged: Logged, seed: int) -> Row:
    """Return one of our algorithms on a dataset."""
    budget = ("--updates", f"{UPDATES}", "--evaluate-every", f"{EVALUATE_EVERY_S}", "--visualize", "none")
    options = (*method.options, *logged.options, *budget, "--seed", "{seed}", "--out", "{out}")
    name = f"offline-{method.name}-{logged.short}-{seed}"
    command = ("{python}", "-m", "spreeze", "run", *options)
    return Row(name, command, logged.environment, method.label, seed, method.minutes, **logged.needs)


def d3rlpy_td3_bc(logged: Logged, seed: int) -> Row:
    """Return d3rlpy's TD3+BC on the same data."""
    options = ("--dataset", logged.folder, "--updates", f"{UPDATES}", "--seed", "{seed}", "--out", "{out}")
    command = ("{d3rlpy}", "benchmarks/peers/d3rlpy_td3_bc.py", *options)
    name = f"d3rlpy-td3_bc-{logged.short}-{seed}"
    return Row(name, command, logged.environment, "d3rlpy TD3+BC", seed, 15.0, **logged.needs)


def robust(method: Method, logged: Logged, seed: int) -> Row:
    """Return the evaluation, under attacks and in changed physics, of the last policy of a finished run.

    The last one: the best is chosen by evaluations in the real environment, which an offline algorithm does not have.
    """
    conditions = ("--attack", ATTACKS, "--friction", FACTORS, "--gravity", FACTORS)
    options = ("{run}", "--checkpoint", "latest", *conditions, "--out", "{out}/robustness")
    return Row(
        f"robust-{method.name}-{logged.short}-{seed}",
        ("{python}", "-m", "spreeze", "eval", *options),
        logged.environment,
        method.label,
        seed,
        8.0,
        **logged.needs,
        after=f"offline-{method.name}-{logged.short}-{seed}",
        result="robustness.json",
    )


def rows_of(seed: int) -> Iterator[Row]:
    """Yield all rows of one seed; what is evaluated comes after its training."""
    for logged in DATASETS:
        yield from (offline(method, logged, seed) for method in (*MODEL_BASED, *MODEL_FREE))
    yield d3rlpy_td3_bc(HOPPER, seed)
    for logged in DATASETS:
        yield from (robust(method, logged, seed) for method in MODEL_BASED)


ROWS: tuple[Row, ...] = tuple(row for seed in SEEDS for row in rows_of(seed))

"""The rows that learn to adapt: MetaCURE, its ablations, PEARL and RL2 on families of tasks, for equal steps.

Episodes, sizes of z, discounts and weights follow MetaCURE's code; its scale of rewards stands in the entropy's
weight. Everything else is the default. Returns are those of the last episode on tasks that were held out.
"""

from dataclasses import dataclass, replace

from campaign_rows import SEEDS, Row

EVALUATE_EVERY_S = 20


@dataclass(frozen=True)
class Family:
    """A family of tasks, and what is chosen for it."""

    name: str
    steps: int
    minutes: float
    """Roughly, on two cores."""
    options: tuple[str, ...] = ()
    """Of both algorithms."""
    intrinsic: tuple[str, ...] = ()
    """Of MetaCURE alone."""


@dataclass(frozen=True)
class Method:
    """An algorithm of the comparison."""

    name: str
    """In the names of rows."""
    label: str
    algorithm: str
    options: tuple[str, ...] = ()


ONE_EPISODE = ("--explore-episodes", "1", "--exploit-episodes", "2")
LONG = ("--discount", "0.99", "--temperature", "0.1")
POINT = Family("point-robot-sparse", 2_500_000, 16.0)
POINT_LONG = replace(POINT, steps=20_000_000, minutes=30.0)
"""For what learns on policy, eight times the steps."""
NOISE = Family("point-robot-noise", 3_000_000, 15.0, intrinsic=("--intrinsic-weight", "3", "--intrinsic-dynamics"))
OTHERS = (
    NOISE,
    Family("cheetah-vel-sparse", 4_000_000, 30.0, (*ONE_EPISODE, *LONG, "--latent", "2")),
    Family("walker-vel-sparse", 3_000_000, 25.0, (*ONE_EPISODE, *LONG, "--latent", "2")),
    Family("reacher-goal-sparse", 3_000_000, 25.0, ONE_EPISODE),
    Family("hopper-rand-params", 4_000_000, 40.0, (*LONG, "--latent", "4"), ("--intrinsic-dynamics",)),
    Family("walker-rand-params", 4_000_000, 40.0, (*LONG, "--latent", "4"), ("--intrinsic-dynamics",)),
    Family(
        "ant-goal-sparse",
        4_000_000,
        40.0,
        ("--discount", "0.99", "--temperature", "1", "--latent", "2"),
        ("--intrinsic-weight", "0.1"),
    ),
    *(
        Family(name, 3_000_000, 60.0, (*LONG, "--latent", "4", "--segments-per-task", "2"), ("--intrinsic-dynamics",))
        for name in ("ml1-reach", "ml1-push")
    ),
)
METACURE, PEARL = Method("metacure", "MetaCURE", "metacure"), Method("pearl", "PEARL, sparse rewards", "pearl")
ABLATIONS = (
    Method("metacure-plain", "MetaCURE without intrinsic reward", "metacure", ("--intrinsic-weight", "0")),
    Method("metacure-alone", "MetaCURE without exploiting policy", "metacure", ("--last-episode", "explorer")),
)
FOIL = Method("metacure-foil", "MetaCURE, prediction error as bonus", "metacure", ("--intrinsic", "prediction-error"))
"""Of the noisy television: the metric `explored/at_noise` tells who watches it."""
RL2 = Method("rl2", "RL2", "rl2", ("--envs-per-sampler", "64", "--discount", "0.95"))


def adapting(method: Method, family: Family, seed: int) -> Row:
    """Return one algorithm on one family."""
    budget = ("--steps", f"{family.steps}", "--evaluate-every", f"{EVALUATE_EVERY_S}", "--visualize", "none")
    own = family.intrinsic if method.algorithm == "metacure" else ()
    learn = ("--algo", method.algorithm, "--env", family.name, *family.options, *own, *method.options, "--tune", "off")
    command = ("{python}", "-m", "spreeze", "run", *learn, *budget, "--seed", "{seed}", "--out", "{out}")
    return Row(f"{method.name}-{family.name}-{seed}", command, family.name, method.label, seed, family.minutes)


ROWS: tuple[Row, ...] = (
    *(adapting(method, POINT, seed) for seed in SEEDS for method in (METACURE, PEARL, *ABLATIONS)),
    *(adapting(RL2, POINT_LONG, seed) for seed in SEEDS),
    *(adapting(method, family, seed) for seed in SEEDS for family in OTHERS for method in (METACURE, PEARL)),
    *(adapting(FOIL, NOISE, seed) for seed in SEEDS),
)

"""What rliable says of fixed scores, for the test that compares spreeze's statistics with it.

    python -m venv .venv-rliable && .venv-rliable/bin/pip install -r benchmarks/peers/requirements-rliable.txt
    .venv-rliable/bin/python benchmarks/peers/rliable_numbers.py > tests/spreeze/rliable_numbers.json

Scores (seeds x tasks) are drawn here and written out, so that the test needs neither rliable nor this generator. Each
interval is computed with several random states: how far these differ is the noise of the bootstrap itself. rliable
draws from numpy's global generator, whatever `random_state` it is given, so that one is seeded.
"""

import importlib.metadata
import json
import sys

import numpy as np
from rliable import library, metrics

RESAMPLES, STATES = 10_000, (0, 1, 2)
SHAPES = {"ten seeds, one task": (10, 1), "five seeds, six tasks": (5, 6), "three seeds, one task": (3, 1)}


def drawn(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Skewed scores of (seeds, tasks), another scale for each task."""
    return np.round(random.gamma(2.0, 1.0 + np.arange(shape[1]), shape), 3)


def intervals(scores: object, statistic: object) -> dict[str, object]:
    """The estimate and, for every random state, the ends of its interval."""
    found = []
    for state in STATES:
        np.random.seed(state)
        points, ends = library.get_interval_estimates({"it": scores}, statistic, reps=RESAMPLES)
        found.append(np.ravel(ends["it"]).tolist())
    return {"value": float(np.ravel(points["it"])[0]), "intervals": found}


def main() -> None:
    """Print everything as JSON."""
    random = np.random.default_rng(2021)
    cases = {}
    for name, shape in SHAPES.items():
        ours, theirs = drawn(shape, random), drawn((shape[0] + 1, shape[1]), random)
        cases[name] = {
            "ours": ours.tolist(),
            "theirs": theirs.tolist(),
            "iqm": intervals(ours, lambda scores: np.array([metrics.aggregate_iqm(scores)])),
            "mean": intervals(ours, lambda scores: np.array([metrics.aggregate_mean(scores)])),
            "improvement": intervals((ours, theirs), metrics.probability_of_improvement),
        }
    versions = {name: importlib.metadata.version(name) for name in ("rliable", "arch", "numpy", "scipy")}
    made = {"made_by": "benchmarks/peers/rliable_numbers.py", "versions": versions, "resamples": RESAMPLES}
    json.dump(made | {"cases": cases}, sys.stdout)
    print()


if __name__ == "__main__":
    main()

"""Which cores samplers get."""

import pytest

from spreeze.config import Settings
from spreeze.preflight import prepare
from spreeze.registry import algorithm
from spreeze.sizing import sizes


@pytest.mark.parametrize(
    ("algo", "cores", "samplers", "expected"),
    [
        ("sac", (0, 1), 1, (1,)),
        ("sac", (0, 1), 2, (1,)),
        ("ppo", (0, 1), 1, (1,)),
        ("ppo", (0, 1), 2, (0, 1)),
        ("ppo", (0, 1, 2), 2, (1, 2)),
        ("ppo", (0,), 1, (0,)),
    ],
)
def test_samplers_get_the_learners_core_if_no_others_suffice_and_it_waits_for_them(
    algo: str, cores: tuple[int, ...], samplers: int, expected: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spreeze.sizing.usable_cores", lambda: cores)
    settings = Settings.from_data({"algo": algo, "env": "hopper", "run": {"samplers": samplers}})
    _, stages = prepare(settings)
    chosen = sizes(settings, algorithm(algo), stages[0])
    assert (chosen.learner_cores, chosen.sampler_cores) == ((0,), expected)

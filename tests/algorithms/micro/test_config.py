"""Options of the model-based family and the published settings per dataset."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from spreeze import registry
from spreeze.algorithms.micro import MicroConfig, ModelBasedConfig
from spreeze.algorithms.mobile import MobileConfig
from spreeze.algorithms.mopo import MopoConfig
from spreeze.config import from_plain
from spreeze.contract import Dataset
from spreeze.errors import UsageError
from tests.algorithms.micro.toys import dataset_of

COLUMNS = (
    *("horizon", "beta", "logged_share", "automatic_temperature", "initial_temperature", "deterministic_backup"),
    *("dynamics_patience", "dynamics_epochs"),
)
NO_LIMIT = 60
"""Ours, where the authors set none."""
PUBLISHED: Mapping[str, tuple[Any, ...]] = {
    "HalfCheetah/medium": (5, 0.5, 0.05, True, 1.0, False, 5, NO_LIMIT),
    "Hopper/medium": (5, 1.0, 0.05, False, 0.1, False, 10, NO_LIMIT),
    "Walker2d/medium": (5, 0.5, 0.05, True, 1.0, False, 30, 30),
    "HalfCheetah/medium-replay": (5, 0.5, 0.05, True, 1.0, False, 5, NO_LIMIT),
    "Hopper/medium-replay": (5, 0.1, 0.5, False, 0.1, False, 5, NO_LIMIT),
    "Walker2d/medium-replay": (1, 0.2, 0.5, True, 1.0, False, 5, NO_LIMIT),
    "HalfCheetah/medium-expert": (5, 0.5, 0.5, True, 1.0, True, 30, NO_LIMIT),
    "Hopper/medium-expert": (10, 1.0, 0.05, True, 1.0, True, 30, NO_LIMIT),
    "Walker2d/medium-expert": (1, 1.0, 0.05, True, 1.0, False, 5, NO_LIMIT),
}
MOPO: Mapping[str, tuple[int, float]] = {
    **{"HalfCheetah/medium": (5, 0.5), "Hopper/medium": (5, 5.0), "Walker2d/medium": (5, 0.5)},
    **{"HalfCheetah/medium-replay": (5, 0.5), "Hopper/medium-replay": (5, 2.5), "Walker2d/medium-replay": (1, 2.5)},
    **{"HalfCheetah/medium-expert": (5, 2.5), "Hopper/medium-expert": (5, 5.0), "Walker2d/medium-expert": (1, 2.5)},
}
MOBILE: Mapping[str, float] = {
    **{"HalfCheetah/medium": 0.5, "Hopper/medium": 1.5, "Walker2d/medium": 0.5},
    **{"HalfCheetah/medium-replay": 0.1, "Hopper/medium-replay": 0.1, "Walker2d/medium-replay": 0.5},
    **{"HalfCheetah/medium-expert": 2.0, "Hopper/medium-expert": 1.5, "Walker2d/medium-expert": 1.5},
    **{"HalfCheetah/random": 0.5, "Hopper/random": 5.0, "Walker2d/random": 2.0},
}


def named(name: str, version: str = "v2") -> Dataset:
    environment, _, kind = name.partition("/")
    return dataset_of([], f"{environment}-{version}", kind)


UNKNOWN = dataset_of([], "Toy-v0", "random")


@pytest.mark.parametrize("version", ["v2", "v5"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_settings_of_micro_are_its_presets(name: str, version: str) -> None:
    found = MicroConfig().for_dataset(named(name, version))
    assert tuple(getattr(found, column) for column in COLUMNS) == PUBLISHED[name]
    assert found.target_floor == 0.0
    assert found.imagined_per_update == 50 * PUBLISHED[name][0]


def test_what_is_published_for_all_datasets_is_the_default_but_for_step_sizes() -> None:
    found = MicroConfig()
    assert (found.samples, found.sample_reduction, found.mask_ends, found.common_noise) == (10, "mean", False, False)
    assert (found.members, found.elites, found.dynamics_hidden) == (7, 5, (200,) * 4)
    assert (found.dynamics_batch, found.dynamics_learning_rate) == (256, 1e-3)
    assert (found.hidden, found.discount, found.polyak_rate, found.updates) == ((256, 256), 0.99, 0.01, 3_000_000)
    rates = (found.actor_learning_rate, found.critic_learning_rate, found.temperature_learning_rate)
    assert rates == (1e-3, 1e-3, 1e-4)
    assert found.retained_updates == 5 * 1000


@pytest.mark.parametrize("name", MOPO)
def test_the_published_settings_of_mopo_are_its_presets(name: str) -> None:
    found = MopoConfig().for_dataset(named(name))
    assert (found.horizon, found.beta) == MOPO[name]
    assert (found.logged_share, found.automatic_temperature, found.target_floor) == (0.05, True, "none")


@pytest.mark.parametrize("name", MOBILE)
def test_the_published_settings_of_mobile_are_its_presets(name: str) -> None:
    found = MobileConfig().for_dataset(named(name))
    assert found.beta == MOBILE[name]
    assert found.horizon == (1 if name in ("Walker2d/medium-replay", "Walker2d/medium-expert") else 5)
    assert found.automatic_temperature is (name != "Hopper/medium")
    assert (found.deterministic_backup, found.target_floor) == (True, 0.0)


@pytest.mark.parametrize("kind", [MicroConfig, MopoConfig, MobileConfig, ModelBasedConfig])
def test_an_unknown_dataset_has_the_defaults_and_no_floor(kind: type[ModelBasedConfig]) -> None:
    for unknown in (UNKNOWN, named("Hopper/expert"), named("Hopper/")):
        found = kind().for_dataset(unknown)
        assert (found.beta, found.horizon, found.logged_share, found.target_floor) == (0.5, 5, 0.05, "none")
        assert (found.automatic_temperature, found.initial_temperature) == (True, 1.0)
        assert found.imagined_per_update == 250


@pytest.mark.parametrize("kind", [MicroConfig, MopoConfig, MobileConfig, ModelBasedConfig])
def test_no_preset_is_left_to_be_chosen(kind: type[ModelBasedConfig]) -> None:
    for dataset in (UNKNOWN, *map(named, PUBLISHED)):
        assert "preset" not in dataclasses.astuple(kind().for_dataset(dataset))


GIVEN: list[dict[str, Any]] = [
    {"beta": 0.7},
    {"horizon": 3},
    {"logged_share": 0.25},
    {"automatic_temperature": True},
    {"initial_temperature": 0.3},
    {"deterministic_backup": True},
    {"target_floor": "none"},
    {"target_floor": -5.0},
    {"imagined_per_update": 17},
    {"dynamics_patience": 2},
    {"dynamics_epochs": 4},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_what_the_user_gives_wins_over_presets_and_leaves_the_others(given: dict[str, Any]) -> None:
    dataset = named("Hopper/medium-replay")
    plain = MicroConfig().for_dataset(dataset)
    changed = dataclasses.replace(plain, **given)
    follow: dict[str, Any] = {}
    if "horizon" in given:
        follow = {"imagined_per_update": 150}
    if "automatic_temperature" in given:
        follow = {"initial_temperature": 1.0}
    assert MicroConfig(**given).for_dataset(dataset) == dataclasses.replace(changed, **follow)


@pytest.mark.parametrize("beta", [-0.1, 1.001, 1.5, float("nan"), float("inf")])
def test_a_beta_outside_the_unit_interval_is_refused_with_the_reason(beta: float) -> None:
    with pytest.raises(UsageError, match=r"outside \[0, 1\].*no contraction beyond 1.*diverge"):
        MicroConfig(beta=beta).for_dataset(UNKNOWN)


@pytest.mark.parametrize("beta", [0.0, 1.0, 1])
def test_both_ends_of_the_interval_are_allowed(beta: float) -> None:
    assert MicroConfig(beta=beta).for_dataset(UNKNOWN).beta == beta


def test_others_may_have_a_larger_beta() -> None:
    assert MopoConfig(beta=5.0).for_dataset(UNKNOWN).beta == 5.0
    assert MobileConfig(beta=2.0).for_dataset(UNKNOWN).beta == 2.0


def test_mobile_needs_elites_that_can_disagree() -> None:
    with pytest.raises(UsageError, match="--elites 1: MOBILE"):
        MobileConfig(elites=1).for_dataset(UNKNOWN)
    assert MicroConfig(elites=1).for_dataset(UNKNOWN).elites == 1


WRONG = [
    ({"elites": 8}, "--elites 8 of --members 7"),
    ({"samples": 0}, "--samples 0"),
    ({"rollout_batch": 0}, "--rollout-batch 0"),
    ({"updates": 0}, "--updates 0"),
    ({"elites": 0}, "--elites 0"),
    ({"horizon": 0}, "--horizon 0"),
    ({"imagined_per_update": 0}, "--imagined-per-update 0"),
    ({"dynamics_patience": 0}, "--dynamics-patience 0"),
    ({"dynamics_epochs": 0}, "--dynamics-epochs 0"),
    ({"initial_temperature": 0.0}, "--initial-temperature 0"),
    ({"logged_share": 1.0}, "--logged-share 1.0"),
    ({"logged_share": -0.1}, "--logged-share -0.1"),
]


@pytest.mark.parametrize(("given", "complaint"), WRONG, ids=[complaint for _, complaint in WRONG])
def test_an_option_that_makes_no_sense_is_named(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        MicroConfig(**given).for_dataset(UNKNOWN)


@pytest.mark.parametrize("algo", ["micro", "mopo", "mobile", "offline_sac"])
def test_options_survive_their_way_through_a_file(algo: str) -> None:
    kind = registry.algorithm(algo).config
    for made in (kind(), kind(beta=0.25, target_floor=-1.0, horizon=2, deterministic_backup=True)):
        plain = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
        assert from_plain(kind, listed) == made

"""The stages of the family: what they need, what they store and draw, and at what pace."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from spreeze import registry
from spreeze.algorithms.micro import DynamicsPart, MicroConfig, OfflinePolicy
from spreeze.algorithms.micro.learner import CriticPart
from spreeze.contract import Dataset, EnvironmentSpec, EvaluationSetup, Reference, Stage
from spreeze.envs.vector import SyncVector
from spreeze.errors import UnsupportedSpace, UsageError
from spreeze.stages import build_modules, build_policy
from tests.algorithms.micro.toys import ACTIONS, OBSERVATIONS, batch_of, dataset_of, episodes_of, setup_of
from tests.contract.environments import EPISODE, Line

FAMILY = ("micro", "mopo", "mobile", "offline_sac")
IMAGINING = FAMILY[:3]
SEEN, ACTED = spaces.Box(-np.inf, np.inf, (OBSERVATIONS,)), spaces.Box(-1.0, 1.0, (ACTIONS,))
TINY: dict[str, Any] = {"hidden": (8,), "dynamics_hidden": (8,), "members": 3, "elites": 2}


def falling(seen: Any) -> Any:
    return seen[..., 0] > 2


def spec_of(dataset: Dataset | None = None, termination: Callable[[Any], Any] | None = falling) -> EnvironmentSpec:
    return EnvironmentSpec(SEEN, ACTED, termination, dataset or dataset_of(episodes_of([30, 40])))


def stages_of(algo: str = "micro", spec: EnvironmentSpec | None = None, **options: Any) -> Sequence[Stage]:
    algorithm = registry.algorithm(algo)
    return algorithm.stages(spec or spec_of(), algorithm.config(**{**TINY, **options}), 100)


def dynamics_of(**options: Any) -> DynamicsPart:
    """The part of stage 1."""
    part = stages_of(**{"dynamics_epochs": 1, **options})[0].make_learner(setup_of())["dynamics"]
    assert isinstance(part, DynamicsPart)
    return part


@pytest.mark.parametrize("algo", IMAGINING)
def test_there_is_a_stage_for_the_model_and_one_for_the_policy(algo: str) -> None:
    first, second = stages_of(algo)
    assert (first.name, second.name) == ("dynamics", "policy")
    assert (first.make_source, first.evaluate, first.make_policy) == (None, None, None)
    assert second.make_source is not None
    assert {name: store.kind for name, store in second.stores.items()} == {"dataset": "dataset", "imagined": "replay"}


def test_without_a_model_there_is_the_dataset_alone() -> None:
    [stage] = stages_of("offline_sac")
    assert stage.make_source is None
    assert set(stage.stores) == {"dataset"}
    critic = stage.make_learner(setup_of())["critic"]
    assert {name: draw.rows for name, draw in critic.draws.items()} == {"logged": 100}


@pytest.mark.parametrize("algo", FAMILY)
def test_an_environment_without_a_dataset_is_refused(algo: str) -> None:
    with pytest.raises(UsageError, match=f"{algo} learns from logged data.*--dataset"):
        stages_of(algo, EnvironmentSpec(SEEN, ACTED, falling))


@pytest.mark.parametrize("algo", IMAGINING)
def test_to_imagine_one_must_know_what_ends_an_episode(algo: str) -> None:
    with pytest.raises(UsageError, match=r"Environment\.termination"):
        stages_of(algo, spec_of(termination=None))


def test_who_does_not_imagine_needs_no_termination() -> None:
    assert stages_of("offline_sac", spec_of(termination=None))


@pytest.mark.parametrize("algo", FAMILY)
def test_spaces_that_are_not_flat_and_bounded_are_refused(algo: str) -> None:
    spec = dataclasses.replace(spec_of(), action=spaces.Discrete(3))
    with pytest.raises(UnsupportedSpace):
        stages_of(algo, spec)


@pytest.mark.parametrize(("share", "logged"), [(0.05, 5), (0.5, 50), (0.0, 0)])
def test_a_batch_holds_the_asked_share_of_logged_rows(share: float, logged: int) -> None:
    stage = stages_of(logged_share=share)[1]
    draws = stage.make_learner(setup_of())["actor"].draws
    rows = {name: draw.rows for name, draw in draws.items()}
    assert rows == {"imagined": 100 - logged} | ({"logged": logged} if logged else {})


@pytest.mark.parametrize("per_update", [10, 250])
def test_the_pace_gives_the_asked_number_of_imagined_rows_per_update(per_update: int) -> None:
    stage = stages_of(imagined_per_update=per_update, retained_updates=5000, logged_share=0.05)[1]
    assert stage.pace.ratio is not None
    assert stage.pace.ratio.default == pytest.approx(95 / per_update)
    assert stage.stores["imagined"].capacity >= per_update * 5000


def test_every_elite_gets_the_same_number_of_rollouts() -> None:
    for batch, expected in ((1000, 1000), (7, 6), (1, 2)):
        assert stages_of(rollout_batch=batch)[1].stores["imagined"].streams == expected


def test_the_policy_stage_ends_with_its_updates() -> None:
    assert stages_of(updates=77)[1].until.updates == 77


def finish(part: DynamicsPart) -> None:
    """Fit to the end."""
    while not part.finished:
        part.update({})


def test_what_is_cached_depends_on_data_options_and_seed_and_on_nothing_else() -> None:
    finish(dynamics_of())
    assert dynamics_of().finished
    assert dynamics_of(algo="mobile", beta=0.3, updates=5, hidden=(9,)).finished
    other_data = spec_of(dataset_of(episodes_of([30, 40]), digest="1" * 64))
    assert not dynamics_of(spec=other_data).finished
    others: list[dict[str, Any]] = [
        *({"dynamics_epochs": 2}, {"dynamics_patience": 3}, {"dynamics_batch": 32}, {"dynamics_hidden": (8, 8)}),
        *({"dynamics_learning_rate": 2e-3}, {"members": 4}, {"elites": 3}, {"cache": False}),
    ]
    assert [options for options in others if dynamics_of(**options).finished] == []
    seeded = stages_of(dynamics_epochs=1)[0].make_learner(setup_of(seed=1))["dynamics"]
    assert not seeded.finished


def test_without_the_cache_nothing_is_kept(own_cache: Path) -> None:
    finish(dynamics_of(cache=False))
    assert not own_cache.exists()


@pytest.mark.parametrize("algo", IMAGINING)
def test_the_policy_stage_uses_the_model_that_the_first_published(algo: str) -> None:
    part = dynamics_of(algo=algo)
    finish(part)
    inherited = {name: dict(tensors) for name, tensors in part.publish().items()}
    setup = setup_of()._replace(inherited=inherited)
    critic = stages_of(algo)[1].make_learner(setup)["critic"]
    assert isinstance(critic, CriticPart)
    if algo == "mopo":
        assert critic.model is None
    else:
        assert critic.model is not None
        assert torch.equal(critic.model.ensemble.weights[0], part.ensemble.weights[0])
        assert torch.equal(critic.model.ensemble.elites, part.ensemble.elites)


def test_the_policy_knows_the_values_of_actions() -> None:
    stage, batch = stages_of()[1], batch_of()
    modules = build_modules(stage)
    policy, _ = build_policy(stage, modules, seed=0)
    assert isinstance(policy, OfflinePolicy)
    values: Tensor = policy.value(batch["observation"], batch["action"])
    assert torch.equal(values, modules["critic"](batch["observation"], batch["action"]))
    assert values.shape == (2, len(batch["reward"]))


@pytest.mark.parametrize("reference", [None, Reference(-10.0, 0.0, "a toy")])
def test_an_evaluation_is_scored_by_the_reference_of_the_dataset(reference: Reference | None) -> None:
    logged = dataclasses.replace(dataset_of([]), reference=reference)
    line = EnvironmentSpec(Line.observation_space, Line.action_space, falling, logged)
    stage = registry.algorithm("micro").stages(line, MicroConfig(**TINY), 100)[1]
    modules = build_modules(stage)
    policy, _ = build_policy(stage, modules, seed=0)
    assert stage.evaluate is not None
    found = stage.evaluate(EvaluationSetup(policy, modules, _lines, "exploit", 4, 0))
    assert list(found.lengths) == [EPISODE] * 4
    mean = sum(found.returns) / 4
    assert dict(found.metrics) == ({} if reference is None else {"score": pytest.approx(100 * (mean + 10) / 10)})


def _lines(count: int, seed: int) -> SyncVector:
    return SyncVector("line", Line, count, seed)

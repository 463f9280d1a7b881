"""Behaviour cloning: what it imitates, how it normalises, and that it finds an expert."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from spreeze.algorithms import bc
from spreeze.algorithms._networks import DeterministicActor
from spreeze.algorithms._training import best_episodes, observation_spread
from spreeze.algorithms.bc import BCConfig, DeterministicPolicy, ImitationPart, imitation_loss, stages
from spreeze.contract import EnvironmentSpec, Episode, Step
from spreeze.errors import UnsupportedSpace, UsageError
from spreeze.stages import build_policy
from tests.algorithms.logged import ACTION, OBSERVATION, episode_of, learn, setup_of, spec_of

SMALL = BCConfig(hidden=(32,), learning_rate=3e-3)
GAIN = np.array([0.03, -0.02], np.float32)


def by_returns(*returns: float) -> list[Episode]:
    """Episodes of two steps with these returns; the place of an episode is its action."""
    return [episode_of([index / 100, 0.0], [0.25 * r, 0.75 * r]) for index, r in enumerate(returns)]


def places(episodes: list[Episode]) -> list[int]:
    return [round(100 * float(episode.action[0, 0])) for episode in episodes]


@pytest.mark.parametrize(
    ("fraction", "kept"),
    [(1.0, [0, 1, 2, 3]), (0.5, [1, 3]), (0.25, [3]), (0.75, [0, 1, 3]), (0.01, [3])],
)
def test_the_best_share_of_the_episodes_is_kept_in_logged_order_and_at_least_one(
    fraction: float, kept: list[int]
) -> None:
    assert places(best_episodes(by_returns(-1.0, 5.0, -2.0, 9.0), fraction)) == kept


def test_of_equal_returns_the_earlier_episode_is_kept() -> None:
    assert places(best_episodes(by_returns(1.0, 2.0, 2.0, 2.0), 0.5)) == [1, 2]


def test_a_tenth_of_thirty_episodes_is_three() -> None:
    assert len(best_episodes(by_returns(*map(float, range(30))), 0.1)) == 3


def test_final_observations_do_not_count_in_the_spread() -> None:
    mean, std = observation_spread([episode_of([0.0, 0.0], [0.0, 0.0]), episode_of([0.0], [0.0])])
    np.testing.assert_allclose(mean, [1 / 3, 10 / 3])  # steps 0, 1 and 0
    np.testing.assert_allclose(std, [np.sqrt(2 / 9), 10 * np.sqrt(2 / 9)])


def test_only_the_best_episodes_are_stored_and_set_the_normalisation() -> None:
    episodes = [episode_of([0.1] * 3, [5.0] * 3), episode_of([0.2] * 5, [0.0] * 5)]
    spec, config = spec_of(lambda: episodes), BCConfig(best_fraction=0.5)
    [stage] = stages(spec, config, 8)
    load = stage.stores["dataset"].load
    assert load is not None
    [stored] = load()
    np.testing.assert_array_equal(stored["action"], episodes[0].action)
    state = stage.make_learner(setup_of())["actor"].owns["actor"].state_dict()
    np.testing.assert_allclose(state["mean"], [1.0, 10.0])  # steps 0, 1, 2
    np.testing.assert_allclose(state["std"], np.sqrt(2 / 3) * np.array([1, 10]) + 1e-3, rtol=1e-6)


def test_making_stages_reads_no_rows() -> None:
    def read() -> Iterator[Episode]:
        raise AssertionError("rows were read")

    assert stages(spec_of(read), BCConfig(), 8)


def test_the_actor_normalises_what_it_observes() -> None:
    actor = DeterministicActor(2, 1, ())
    actor.mean.copy_(torch.tensor([1.0, 2.0]))
    actor.std.copy_(torch.tensor([2.0, 4.0]))
    with torch.no_grad():
        for parameter, value in zip(actor.net.parameters(), ([[1.0, 1.0]], [0.5]), strict=True):
            parameter.copy_(torch.tensor(value))
        acted = actor(torch.tensor([[3.0, 0.0], [1.0, 2.0]]))
    torch.testing.assert_close(acted, torch.tanh(torch.tensor([[1.0 - 0.5 + 0.5], [0.5]])))


def test_a_published_actor_acts_on_raw_observations_in_every_mode() -> None:
    [stage] = stages(spec_of(lambda: expert_episodes(0)), SMALL, 8)
    part = stage.make_learner(setup_of())["actor"]
    module = stage.bundles["policy"]()
    module.load_state_dict(dict(part.publish()["policy"]))
    policy, _ = build_policy(stage, {"policy": module}, seed=0)
    seen = torch.tensor([[3.0, 30.0], [-7.0, 2.0]])
    step = Step(seen, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, dtype=torch.bool))
    for mode in ("random", "explore", "exploit"):
        torch.testing.assert_close(policy.act(step, (), mode)[0], part.owns["actor"](seen))


def test_the_loss_is_the_mean_squared_distance_over_rows_and_dimensions() -> None:
    action, logged = torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([[1.0, 1.0], [0.5, -0.5]])
    assert imitation_loss(action, logged).item() == pytest.approx(0.5)


def expert_episodes(seed: int) -> list[Episode]:
    """Observations far from zero and of unequal spread, and the actions tanh(gain o) of an expert."""
    random = np.random.default_rng(seed)
    seen = (np.array([30.0, 0.0]) + np.array([20.0, 40.0]) * random.normal(size=(8, 51, 2))).astype(np.float32)
    ends = np.arange(50) == 49
    return [Episode(o, np.tanh(o[:-1] @ GAIN)[:, None], np.zeros(50, np.float32), ends) for o in seen]


def test_a_linear_expert_is_learned() -> None:
    [stage] = stages(spec_of(lambda: expert_episodes(0)), SMALL, 64)
    actor = learn(stage, 1500).parts["actor"].owns["actor"]
    [*_, held_out] = expert_episodes(1)
    with torch.no_grad():
        distance = actor(torch.from_numpy(held_out.observation[:-1])).numpy() - held_out.action
    assert np.abs(held_out.action).mean() > 0.4
    assert np.sqrt(np.square(distance).mean()) < 0.05


def test_equal_seeds_learn_alike_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    [stage] = stages(spec_of(lambda: expert_episodes(0)), SMALL, 16)
    one, same, other = (learn(stage, 5, seed).parts["actor"].state() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["actor/net.0.weight"], other["actor/net.0.weight"])


def test_the_loop_without_the_orchestrator_learns() -> None:
    """The loop of the module's docstring."""
    episodes = expert_episodes(0)
    parts = bc.learner(spec_of(lambda: episodes), SMALL, setup_of(), 50)
    assert isinstance(parts["actor"], ImitationPart)
    losses = [
        float(
            parts["actor"].update({"logged": {n: torch.from_numpy(a[:50]) for n, a in e._asdict().items()}})[
                "loss/actor"
            ]
        )
        for e in episodes * 20
    ]
    assert np.mean(losses[-8:]) < 0.1 * np.mean(losses[:8])
    shown = " ".join((bc.__doc__ or "").split())
    assert 'learner(spec, BCConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))' in shown
    assert 'parts["actor"].update({"logged": batch})' in shown


def test_a_policy_without_memory_begins_with_none() -> None:
    assert DeterministicPolicy(DeterministicActor(2, 1, ())).initial_state(3) == ()


def test_an_environment_without_a_dataset_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"BC learns from logged data.*give --dataset with a name"):
        stages(EnvironmentSpec(OBSERVATION, ACTION), BCConfig(), 8)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5])
def test_a_fraction_that_is_no_share_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match=f"--best-fraction {fraction:g}"):
        stages(spec_of(lambda: ()), BCConfig(best_fraction=fraction), 8)


def test_a_space_that_bc_cannot_serve_is_named() -> None:
    with pytest.raises(UnsupportedSpace, match=r"BC needs actions in a one-dimensional Box.*Discrete\(3\)"):
        stages(EnvironmentSpec(Box(-1.0, 1.0, (2,)), Discrete(3)), BCConfig(), 8)

"""TD3+BC's equations on cases computed by hand, its delay, its split, and that it improves on what it imitates."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from spreeze.algorithms import bc, td3_bc
from spreeze.algorithms._delayed import CriticPart
from spreeze.algorithms._networks import TwinCritic
from spreeze.algorithms.bc import BCConfig
from spreeze.algorithms.td3_bc import ActorPart, TD3BCConfig, learner, stages
from spreeze.contract import EnvironmentSpec, Episode, LearnerSetup, Stage
from spreeze.errors import UnsupportedSpace, UsageError
from tests.algorithms.logged import ACTION, CPU, OBSERVATION, episode_of, learn, setup_of, spec_of

ROWS = 6
Batch = Mapping[str, Tensor]


def small(**options: float) -> TD3BCConfig:
    return TD3BCConfig(hidden=(16,), **options)  # type: ignore[arg-type]


def spec() -> EnvironmentSpec:
    return spec_of(lambda: [episode_of([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0])])


def parts_of(config: TD3BCConfig, seed: int = 0) -> tuple[CriticPart, ActorPart]:
    parts = learner(spec(), config, setup_of(seed), ROWS)
    critic, actor = parts["critic"], parts["actor"]
    assert isinstance(critic, CriticPart)
    assert isinstance(actor, ActorPart)
    return critic, actor


def batch_of(seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    return {
        "observation": torch.randn(ROWS, 2, generator=draw),
        "action": torch.rand(ROWS, 1, generator=draw) * 2 - 1,
        "reward": torch.randn(ROWS, generator=draw),
        "terminated": (torch.arange(ROWS) % 3 == 0).float(),
        "next_observation": torch.randn(ROWS, 2, generator=draw),
    }


def make_constant(critic: TwinCritic, values: tuple[float, float]) -> None:
    """Have the members of a critic return these values whatever they are asked."""
    with torch.no_grad():
        list(critic.weights)[-1].zero_()
        list(critic.biases)[-1].copy_(torch.tensor(values).view(2, 1, 1))


def copies(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def unchanged(module: nn.Module, before: list[Tensor]) -> bool:
    return all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_the_target_values_normalised_observations_and_smoothed_actions() -> None:
    critic, _ = parts_of(small())
    nets, batch = critic.networks, batch_of()
    with torch.no_grad():
        draw = torch.Generator().set_state(critic.generator.get_state())
        seen = (batch["next_observation"] - torch.tensor([1.5, 15.0])) / (np.sqrt(1.25) * torch.tensor([1, 10]) + 1e-3)
        noise = (0.2 * torch.randn(ROWS, 1, generator=draw)).clamp(-0.5, 0.5)
        action = (nets.target_actor(batch["next_observation"]) + noise).clamp(-1, 1)
        values = nets.target(seen.float(), action).amin(0)
    torch.testing.assert_close(critic.target(batch), batch["reward"] + 0.99 * (1 - batch["terminated"]) * values)


@pytest.mark.parametrize("value", [4.0, -4.0])
def test_lambda_is_alpha_over_the_mean_absolute_value_of_the_first_critic(value: float) -> None:
    _, actor = parts_of(small(alpha=3.0))
    make_constant(actor.networks.critic, (value, 100.0))
    batch = batch_of()
    loss, metrics = actor.loss(batch)
    distance = (actor.networks.actor(batch["observation"]) - batch["action"]).square().mean().item()
    assert float(metrics["policy/weight"]) == pytest.approx(0.75)
    assert float(metrics["policy/distance"]) == pytest.approx(distance)
    assert loss.item() == pytest.approx(distance - 0.75 * value)


def test_lambda_passes_no_gradient() -> None:
    """With Q > 0 everywhere, lambda times the mean of Q is alpha: only a constant lambda leaves a slope."""
    _, actor = parts_of(small())
    nets, batch = actor.networks, batch_of()
    with torch.no_grad():
        list(nets.critic.biases)[-1].add_(5.0)
    loss, metrics = actor.loss(batch)
    assert float(metrics["loss/actor"]) == pytest.approx(float(metrics["policy/distance"]) - 2.5, rel=1e-5)
    action = nets.actor(batch["observation"])
    value = nets.critic(nets.actor.normalised(batch["observation"]), action)[0].mean()
    slope = float(metrics["policy/weight"]) * gradient(value, nets.actor)
    assert float(slope.norm()) > 0.01
    imitation = gradient((nets.actor(batch["observation"]) - batch["action"]).square().mean(), nets.actor)
    torch.testing.assert_close(gradient(loss, nets.actor), imitation - slope)


def gradient(loss: Tensor, module: nn.Module) -> Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(module.parameters()))])


def test_with_alpha_zero_the_loss_is_that_of_behaviour_cloning() -> None:
    _, actor = parts_of(small(alpha=0.0))
    loss, metrics = actor.loss(batch_of())
    assert loss.item() == pytest.approx(float(metrics["policy/distance"]))


def test_a_critic_asked_for_one_member_gives_the_first() -> None:
    critic, batch = TwinCritic(2, 1, (8,)), batch_of()
    torch.testing.assert_close(
        critic(batch["observation"], batch["action"], members=1), critic(batch["observation"], batch["action"])[:1]
    )


def test_an_update_of_the_actor_leaves_the_critic_without_a_gradient() -> None:
    _, actor = parts_of(small(policy_delay=1))
    actor.update({"logged": batch_of()})
    assert all(parameter.grad is None for parameter in actor.networks.critic.parameters())


def test_policy_and_targets_move_at_every_second_update_only() -> None:
    critic, actor = parts_of(small(polyak_rate=0.25))
    nets, batch = critic.networks, {"logged": batch_of()}
    waiting = {module: copies(module) for module in (nets.actor, nets.target_actor, nets.target)}
    assert critic.update(batch)
    assert actor.update(batch) == {}
    assert [unchanged(module, before) for module, before in waiting.items()] == [True, True, True]
    critic.update(batch)
    assert {"loss/actor", "policy/distance", "policy/weight"} == set(actor.update(batch))
    assert not unchanged(nets.actor, waiting[nets.actor])
    for target, source in ((nets.target_actor, nets.actor), (nets.target, nets.critic)):
        for old, new, followed in zip(waiting[target], target.parameters(), source.parameters(), strict=True):
            torch.testing.assert_close(new, 0.75 * old + 0.25 * followed.detach())


@pytest.mark.parametrize("first", [1, 2])
def test_a_restored_learner_keeps_its_place_in_the_delay(first: int) -> None:
    saved, restored = parts_of(small(), seed=1), parts_of(small(), seed=2)
    for seed in range(first):
        update(saved, seed)
    for index in range(2):
        restored[index].load_state({name: t.clone() for name, t in saved[index].state().items()})
    assert update(saved, 9) == update(restored, 9) == [True, first == 1]
    for index in range(2):
        state = restored[index].state()
        assert all(torch.equal(tensor, state[name]) for name, tensor in saved[index].state().items())


def update(parts: tuple[CriticPart, ActorPart], seed: int) -> list[bool]:
    """Update both parts once; return which of them reported metrics."""
    return [bool(part.update({"logged": batch_of(seed)})) for part in parts]


def test_parts_on_one_device_share_their_networks() -> None:
    critic, actor = parts_of(small())
    assert critic.reads["target_actor"] is actor.owns["target_actor"]
    assert actor.reads["critic"] is critic.owns["critic"]


def test_parts_on_two_devices_have_networks_of_their_own() -> None:
    setup = LearnerSetup({"*": CPU, "actor": torch.device("cpu", 0)}, 0, {})
    parts = learner(spec(), small(), setup, ROWS)
    assert parts["critic"].reads["target_actor"] is not parts["actor"].owns["target_actor"]
    own, read = parts["actor"].owns["target_actor"].state_dict(), parts["critic"].reads["target_actor"].state_dict()
    assert all(torch.equal(own[name], read[name]) for name in own)


def test_equal_seeds_learn_alike_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    [stage] = stages(spec(), small(), 16)
    one, same, other = (learn(stage, 6, seed).parts for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for name in ("critic", "actor"):
        first, second, third = (parts[name].state() for parts in (one, same, other))
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert any(not torch.equal(first[key], third[key]) for key in first)


def one_step_episodes() -> list[Episode]:
    """400 episodes of one step: uniform actions a, reward 1 - (a - 0.6)^2."""
    random = np.random.default_rng(0)
    seen = random.normal(size=(400, 2, 2)).astype(np.float32)
    actions = random.uniform(-1, 1, (400, 1, 1)).astype(np.float32)
    return [Episode(o, a, 1 - (a[:, 0] - 0.6) ** 2, np.ones(1, bool)) for o, a in zip(seen, actions, strict=True)]


def mean_reward(stage: Stage, updates: int) -> float:
    """Of the policy that the stage learns, over observations it has not seen."""
    actor = learn(stage, updates).parts["actor"].owns["actor"]
    seen = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return float((1 - (actor(seen) - 0.6).square()).mean())


def test_td3_bc_improves_on_the_actions_that_bc_imitates() -> None:
    logged = spec_of(one_step_episodes)
    [imitating] = bc.stages(logged, BCConfig(hidden=(32,), learning_rate=3e-3), 64)
    [improving] = stages(logged, TD3BCConfig(hidden=(32,), learning_rate=3e-3), 64)
    assert mean_reward(imitating, 400) < 0.75  # The mean logged action is 0, whose reward is 0.64.
    assert mean_reward(improving, 400) > 0.95


def test_the_loop_without_the_orchestrator_runs_as_the_docstring_shows() -> None:
    config = small()
    parts = td3_bc.learner(spec(), config, setup_of(), ROWS)
    metrics: dict[str, Tensor | float] = {}
    for seed in range(4):
        for part in parts.values():
            metrics |= part.update({"logged": batch_of(seed)})
    assert np.isfinite([float(value) for value in metrics.values()]).all()
    shown = " ".join((td3_bc.__doc__ or "").split())
    assert 'learner(spec, TD3BCConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))' in shown
    assert 'for part in parts.values(): part.update({"logged": batch})' in shown
    assert all(name in shown for name in batch_of())


def test_an_environment_without_a_dataset_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"TD3\+BC learns from logged data.*--dataset"):
        stages(EnvironmentSpec(OBSERVATION, ACTION), TD3BCConfig(), 8)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (TD3BCConfig(policy_delay=0), "--policy-delay 0"),
        (TD3BCConfig(alpha=-1.0), "--alpha -1"),
        (TD3BCConfig(noise_clip=-0.5), "--noise-clip -0.5"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(config: TD3BCConfig, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        stages(spec(), config, 8)


def test_a_space_that_td3_bc_cannot_serve_is_named() -> None:
    with pytest.raises(UnsupportedSpace, match=r"TD3\+BC needs bounded actions"):
        stages(EnvironmentSpec(OBSERVATION, Box(-np.inf, np.inf, (1,))), TD3BCConfig(), 8)

"""TD3's equations on cases computed by hand, its written-out gradients against autograd, and that it learns."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from spreeze.algorithms import td3
from spreeze.algorithms._delayed import CriticPart
from spreeze.algorithms._deterministic import PolicyGradients, SmoothedValues
from spreeze.algorithms._networks import DeterministicActor, TwinCritic
from spreeze.algorithms.td3 import ActorPart, TD3Config, TD3Policy, learner, stages
from spreeze.contract import EnvironmentSpec, LearnerSetup, Step
from spreeze.errors import UnsupportedSpace, UsageError

CPU = torch.device("cpu")
ROWS, OBSERVATIONS, ACTIONS = 96, 3, 2
SPEC = EnvironmentSpec(Box(-1.0, 1.0, (OBSERVATIONS,), np.float32), Box(-1.0, 1.0, (ACTIONS,), np.float32))
Batch = Mapping[str, Tensor]


def small(**options: float) -> TD3Config:
    return TD3Config(hidden=(16,), precision="float32", **options)  # type: ignore[arg-type]


def parts_of(config: TD3Config, seed: int = 0) -> tuple[CriticPart, ActorPart]:
    parts = learner(SPEC, config, LearnerSetup({"*": CPU}, seed, {}), ROWS)
    critic, actor = parts["critic"], parts["actor"]
    assert isinstance(critic, CriticPart)
    assert isinstance(actor, ActorPart)
    return critic, actor


def batch_of(seed: int = 0, rows: int = ROWS) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    return {
        "observation": torch.randn(rows, OBSERVATIONS, generator=draw),
        "action": torch.rand(rows, ACTIONS, generator=draw) * 2 - 1,
        "reward": torch.randn(rows, generator=draw),
        "terminated": (torch.arange(rows) % 3 == 0).float(),
        "next_observation": torch.randn(rows, OBSERVATIONS, generator=draw),
    }


def networks() -> tuple[DeterministicActor, TwinCritic]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DeterministicActor(OBSERVATIONS, ACTIONS, (64, 64)), TwinCritic(OBSERVATIONS, ACTIONS, (64, 64))


def make_constant(critic: TwinCritic, values: tuple[float, float]) -> None:
    """Have the members of a critic return these values whatever they are asked."""
    with torch.no_grad():
        list(critic.weights)[-1].zero_()
        list(critic.biases)[-1].copy_(torch.tensor(values).view(2, 1, 1))


def gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]


def test_the_target_is_the_reward_and_the_discounted_value_of_the_smaller_critic() -> None:
    critic, _ = parts_of(small(discount=0.9))
    make_constant(critic.networks.target, (3.0, 2.0))
    batch = batch_of()
    torch.testing.assert_close(critic.target(batch), batch["reward"] + 0.9 * (1 - batch["terminated"]) * 2.0)


def test_the_target_is_that_of_target_actions_moved_by_noise_within_the_space() -> None:
    critic, _ = parts_of(small())
    nets, batch = critic.networks, batch_of()
    draw = torch.Generator()
    draw.set_state(critic.generator.get_state())
    with torch.no_grad():
        noise = (0.2 * torch.randn(ROWS, ACTIONS, generator=draw)).clamp(-0.5, 0.5)
        action = (nets.target_actor(batch["next_observation"]) + noise).clamp(-1, 1)
        values = nets.target(batch["next_observation"], action).amin(0)
    torch.testing.assert_close(critic.target(batch), batch["reward"] + 0.99 * (1 - batch["terminated"]) * values)


def test_noise_on_target_actions_is_clipped() -> None:
    critic, _ = parts_of(small(policy_noise=0.4, noise_clip=0.5))
    noise = critic.noise(torch.zeros(10_000, 1))
    assert float(noise.abs().max()) == 0.5
    assert float((noise.abs() == 0.5).float().mean()) == pytest.approx(0.211, abs=0.02)  # P(|z| > 1.25)
    assert float(noise[noise.abs() < 0.25].std()) == pytest.approx(0.14, abs=0.02)


@pytest.mark.parametrize("rows", [1, 7, 600])
def test_written_out_values_and_gradients_are_those_of_autograd(rows: int) -> None:
    actor, critic = networks()
    actor.mean.fill_(0.1)
    actor.std.fill_(2.0)
    batch = batch_of(rows=rows)
    seen, noise = batch["observation"], 0.3 * batch["action"]
    with torch.no_grad():
        expected = critic(actor.normalised(seen), (actor(seen) + noise).clamp(-1, 1)).amin(0)
    torch.testing.assert_close(SmoothedValues(actor, critic)(seen, noise), expected)
    loss = PolicyGradients(actor, critic)(seen)
    written = gradients(actor)
    plain = -critic(actor.normalised(seen), actor(seen))[0].mean()
    actor.zero_grad(set_to_none=True)
    plain.backward()
    torch.testing.assert_close(loss, plain.detach())
    for own, reference in zip(written, gradients(actor), strict=True):
        torch.testing.assert_close(own, reference, atol=1e-6, rtol=1e-4)


def test_in_bfloat16_the_gradient_keeps_its_direction() -> None:
    actor, critic = networks()
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        PolicyGradients(actor, critic, dtype)(batch_of()["observation"])
        found.append(torch.cat([gradient.flatten() for gradient in gradients(actor)]))
    exact, rounded = found
    assert float(torch.cosine_similarity(exact, rounded, dim=0)) > 0.999


def test_policy_and_targets_move_at_every_second_update_only() -> None:
    critic, actor = parts_of(small(polyak_rate=0.25))
    nets, batch = critic.networks, {"replay": batch_of()}
    waiting = {module: copies(module) for module in (nets.actor, nets.target_actor, nets.target)}
    assert critic.update(batch)
    assert actor.update(batch) == {}
    assert all(unchanged(module, before) for module, before in waiting.items())
    critic.update(batch)
    assert set(actor.update(batch)) == {"loss/actor"}
    assert not unchanged(nets.actor, waiting[nets.actor])
    for target, source in ((nets.target_actor, nets.actor), (nets.target, nets.critic)):
        for old, new, followed in zip(waiting[target], target.parameters(), source.parameters(), strict=True):
            torch.testing.assert_close(new, 0.75 * old + 0.25 * followed.detach())


def copies(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def unchanged(module: nn.Module, before: list[Tensor]) -> bool:
    return all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def step_of(rows: int) -> Step:
    return Step(torch.randn(rows, OBSERVATIONS), torch.zeros(rows, ACTIONS), torch.zeros(rows), torch.ones(rows) > 0)


def test_the_policy_adds_noise_while_exploring_alone() -> None:
    actor = DeterministicActor(OBSERVATIONS, ACTIONS, (16,)).requires_grad_(False)
    with torch.no_grad():
        list(actor.net.parameters())[-2].mul_(0.1)  # Away from the bounds, where noise is cut.
    policy, step = TD3Policy(actor, torch.Generator().manual_seed(0), 0.2), step_of(20_000)
    meant, _, _ = policy.act(step, (), "exploit")
    tried, _, _ = policy.act(step, (), "explore")
    assert torch.equal(meant, actor(step.observation))
    assert float((tried - meant).std()) == pytest.approx(0.2, rel=0.03)
    assert float(tried.abs().max()) <= 1
    drawn, _, _ = policy.act(step, (), "random")
    assert float(drawn.std()) == pytest.approx(3**-0.5, rel=0.02)


def test_it_finds_the_best_action_of_a_task_of_one_step() -> None:
    config = TD3Config(hidden=(64, 64), precision="float32", learning_rate=1e-3)
    parts = learner(SPEC, config, LearnerSetup({"*": CPU}, 0, {}), ROWS)
    for number in range(1500):
        batch = dict(batch_of(number))
        batch["reward"] = 1 - (batch["action"] - 0.6).square().sum(-1)
        batch["terminated"] = torch.ones(ROWS)
        for part in parts.values():
            part.update({"replay": batch})
    actor = parts["actor"].owns["actor"]
    with torch.no_grad():
        assert float((actor(batch_of(9999)["observation"]) - 0.6).abs().mean()) < 0.1


def test_parts_on_two_devices_have_networks_of_their_own() -> None:
    setup = LearnerSetup({"*": CPU, "actor": torch.device("cpu", 0)}, 0, {})
    parts = learner(SPEC, small(), setup, ROWS)
    assert parts["critic"].reads["target_actor"] is not parts["actor"].owns["target_actor"]
    own, read = parts["actor"].owns["target_actor"].state_dict(), parts["critic"].reads["target_actor"].state_dict()
    assert all(torch.equal(own[name], read[name]) for name in own)


def test_the_loop_without_the_orchestrator_runs_as_the_docstring_shows() -> None:
    shown = " ".join((td3.__doc__ or "").split())
    assert 'learner(spec, TD3Config(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))' in shown
    assert 'for part in parts.values(): part.update({"replay": batch})' in shown
    assert all(name in shown for name in batch_of())


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (TD3Config(policy_delay=0), "--policy-delay 0"),
        (TD3Config(exploration_noise=-1.0), "--exploration-noise -1"),
        (TD3Config(noise_clip=-0.5), "--noise-clip -0.5"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(config: TD3Config, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        stages(SPEC, config, 8)


def test_a_space_that_td3_cannot_serve_is_named() -> None:
    with pytest.raises(UnsupportedSpace, match=r"TD3 needs bounded actions"):
        stages(EnvironmentSpec(SPEC.observation, Box(-np.inf, np.inf, (1,))), TD3Config(), 8)

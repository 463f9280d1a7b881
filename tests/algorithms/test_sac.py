"""SAC's equations on cases computed by hand, its policy, and its loop without the orchestrator."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from spreeze.algorithms import sac
from spreeze.algorithms.sac import ActorPart, CriticPart, SACConfig, SACPolicy, learner, stages
from spreeze.contract import EnvironmentSpec, LearnerSetup, Part, Step
from spreeze.errors import UnsupportedSpace

CPU = torch.device("cpu")
SPACES = EnvironmentSpec(spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-2.0, 2.0, (2,)))
SMALL = SACConfig(hidden=(16,))
ROWS = 6
Batch = Mapping[str, Tensor]


def setup(seed: int = 0) -> LearnerSetup:
    return LearnerSetup({"*": CPU}, seed, {})


def parts_of(config: SACConfig = SMALL, seed: int = 0) -> tuple[CriticPart, ActorPart]:
    parts = learner(SPACES, config, setup(seed), ROWS)
    critic, actor = parts["critic"], parts["actor"]
    assert isinstance(critic, CriticPart)
    assert isinstance(actor, ActorPart)
    return critic, actor


def batch_of(seed: int = 0, rows: int = ROWS) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    return {
        "observation": torch.randn(rows, 3, generator=draw),
        "action": torch.rand(rows, 2, generator=draw) * 2 - 1,
        "reward": torch.randn(rows, generator=draw),
        "terminated": (torch.arange(rows) % 3 == 0).float(),
        "next_observation": torch.randn(rows, 3, generator=draw),
    }


def make_constant(critic: nn.Module, values: tuple[float, float]) -> None:
    """Have the members of a critic return these values whatever they are asked."""
    *_, weight = critic.get_submodule("weights").parameters()
    *_, bias = critic.get_submodule("biases").parameters()
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor(values).view(2, 1, 1))


def copy_of(generator: torch.Generator) -> torch.Generator:
    return torch.Generator().set_state(generator.get_state())


def test_the_target_is_the_reward_and_the_soft_value_of_the_smaller_critic() -> None:
    critic, actor = parts_of(SACConfig(hidden=(16,), discount=0.9, initial_temperature=0.5))
    make_constant(critic.networks.target, (3.0, 2.0))
    batch = batch_of()
    with torch.no_grad():
        _, density = actor.networks.actor.sample(batch["next_observation"], copy_of(critic.generator))
    expected = batch["reward"] + 0.9 * (1 - batch["terminated"]) * (2.0 - 0.5 * density)
    torch.testing.assert_close(critic.target(batch), expected)
    torch.testing.assert_close(expected[0], batch["reward"][0])  # row 0 terminated


def test_the_distribution_of_the_policy_is_the_one_that_it_acts_by() -> None:
    _, actor = parts_of()
    policy, seen = SACPolicy(actor.networks.actor, torch.Generator().manual_seed(3)), batch_of()["observation"]
    step = Step(seen, torch.zeros(ROWS, 2), torch.zeros(ROWS), torch.zeros(ROWS, dtype=torch.bool))
    mean, log_std = policy.distribution(seen)
    noise = torch.randn(mean.shape, generator=copy_of(policy.generator))
    torch.testing.assert_close(policy.act(step, (), "exploit")[0], torch.tanh(mean))
    torch.testing.assert_close(policy.act(step, (), "explore")[0], torch.tanh(mean + log_std.exp() * noise))


def test_a_truncated_step_keeps_its_future() -> None:
    """The store keeps no truncations, so the target cannot see them: only `terminated` cuts the future off."""
    [stage] = stages(SPACES, SMALL, ROWS)
    assert "truncated" not in stage.stores["replay"].fields
    critic, _ = parts_of()
    make_constant(critic.networks.target, (5.0, 5.0))
    batch = {**batch_of(), "terminated": torch.zeros(ROWS), "truncated": torch.ones(ROWS)}
    assert (critic.target(batch) - batch["reward"]).abs().min() > 1


def test_the_critics_loss_is_half_the_squared_distance_of_each_to_the_target() -> None:
    critic, _ = parts_of()
    make_constant(critic.networks.critic, (1.0, 4.0))
    batch = batch_of()
    values, loss = critic.gradients(batch["observation"], batch["action"], torch.full((ROWS,), 2.0))
    assert loss.item() == pytest.approx(0.5 * (1.0 + 4.0))
    assert values.mean().item() == pytest.approx(2.5)


def test_an_update_of_the_critic_moves_its_target_by_the_polyak_rate() -> None:
    critic, _ = parts_of(SACConfig(hidden=(16,), polyak_rate=0.25))
    before = [p.clone() for p in critic.networks.target.parameters()]
    critic.update({"replay": batch_of()})
    now = zip(before, critic.networks.target.parameters(), critic.networks.critic.parameters(), strict=True)
    for old, target, source in now:
        torch.testing.assert_close(target, 0.75 * old + 0.25 * source.detach())


def test_the_actors_loss_is_the_entropy_term_less_the_smaller_value() -> None:
    _, actor = parts_of(SACConfig(hidden=(16,), initial_temperature=0.5, target_entropy=-3.0))
    make_constant(actor.networks.critic, (3.0, 2.0))
    batch = batch_of()
    with torch.no_grad():
        _, density = actor.networks.actor.sample(batch["observation"], copy_of(actor.generator))
    metrics = actor.update({"replay": batch})
    assert float(metrics["loss/actor"]) == pytest.approx(float((0.5 * density - 2.0).mean()), rel=1e-5)
    assert float(metrics["policy/entropy"]) == pytest.approx(float(-density.mean()), rel=1e-5)
    assert float(metrics["policy/temperature"]) == pytest.approx(0.5)


def test_the_temperatures_gradient_is_the_entropy_above_its_target() -> None:
    """The loss is log alpha (entropy - target), with the entropy held fixed."""
    _, actor = parts_of(SACConfig(hidden=(16,), target_entropy=-3.0))
    entropy = float(actor.update({"replay": batch_of()})["policy/entropy"])
    gradient = actor.networks.temperature.log_alpha.grad
    assert gradient is not None
    assert gradient.item() == pytest.approx(entropy + 3.0, rel=1e-5)


def test_an_update_of_the_actor_leaves_the_critic_without_a_gradient() -> None:
    _, actor = parts_of()
    actor.update({"replay": batch_of()})
    assert all(parameter.grad is None for parameter in actor.networks.critic.parameters())


@pytest.mark.parametrize(("target_entropy", "direction"), [(-50.0, -1), (50.0, 1)])
def test_the_temperature_falls_while_the_policy_is_too_random_and_rises_while_it_is_too_sure(
    target_entropy: float, direction: int
) -> None:
    _, actor = parts_of(SACConfig(hidden=(16,), target_entropy=target_entropy))
    before = float(actor.networks.temperature())
    actor.update({"replay": batch_of()})
    assert direction * (float(actor.networks.temperature()) - before) > 0


def test_the_target_entropy_is_minus_the_number_of_actions() -> None:
    assert parts_of()[1].target_entropy == -2.0


def test_equal_seeds_give_equal_learners_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    (one, _), (same, _), (other, _) = parts_of(seed=1), parts_of(seed=1), parts_of(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    first, second, third = (next(part.networks.critic.parameters()) for part in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def policy_and_step(rows: int = 400) -> tuple[SACPolicy, Step]:
    actor = parts_of()[1].networks.actor
    seen = torch.randn(rows, 3, generator=torch.Generator().manual_seed(5))
    step = Step(seen, torch.zeros(rows, 2), torch.zeros(rows), torch.ones(rows, dtype=torch.bool))
    return SACPolicy(actor, torch.Generator().manual_seed(6)), step


def test_exploiting_is_the_tanh_of_the_mean() -> None:
    policy, step = policy_and_step()
    action, _, _ = policy.act(step, (), "exploit")
    torch.testing.assert_close(action, torch.tanh(policy.actor(step.observation)[0]))


def test_exploring_samples_the_policy() -> None:
    policy, step = policy_and_step()
    expected, _ = policy.actor.sample(step.observation, copy_of(policy.generator))
    torch.testing.assert_close(policy.act(step, (), "explore")[0], expected)


def test_exploring_in_bfloat16_samples_nearly_the_same_and_follows_the_weights() -> None:
    _, actor = parts_of(SACConfig(hidden=(64, 64)))
    policy = SACPolicy(actor.networks.actor, torch.Generator().manual_seed(6), torch.bfloat16)
    for rows in (1, 7, 1100):
        seen = torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows))
        step = Step(seen, torch.zeros(rows, 2), torch.zeros(rows), torch.ones(rows, dtype=torch.bool))
        expected, _ = policy.actor.sample(seen, copy_of(policy.generator))
        torch.testing.assert_close(policy.act(step, (), "explore")[0], expected, rtol=0, atol=0.02)
        with torch.no_grad():
            for parameter in policy.actor.parameters():
                parameter.mul_(1.2)


def test_random_actions_are_uniform() -> None:
    policy, step = policy_and_step()
    action, _, _ = policy.act(step, (), "random")
    assert -1 <= float(action.min()) < -0.95
    assert 0.95 < float(action.max()) <= 1
    assert abs(float(action.mean())) < 0.1


def one_step_problem(count: int) -> Iterator[Batch]:
    """Batches of a problem of single steps: the reward of action a is -(a - 0.5)^2, summed over its dimensions."""
    for seed in range(count):
        batch = batch_of(seed, rows=64)
        yield {**batch, "reward": -(batch["action"] - 0.5).square().sum(-1), "terminated": torch.ones(64)}


def test_the_loop_without_the_orchestrator_learns() -> None:
    """The loop of the module's docstring."""
    config = SACConfig(hidden=(32, 32), learning_rate=1e-2, initial_temperature=0.01, target_entropy=-6.0)
    parts: Mapping[str, Part] = learner(SPACES, config, setup(seed=0))
    before = distance(parts["actor"])
    for batch in one_step_problem(300):
        for part in parts.values():
            part.update({"replay": batch})
    assert before > 0.4
    assert distance(parts["actor"]) < 0.1


def distance(actor: Part) -> float:
    """Mean distance of the exploiting action from the best one."""
    policy, rows = SACPolicy(actor.owns["actor"], torch.Generator()), batch_of(1000, rows=200)  # type: ignore[arg-type]
    step = Step(rows["observation"], rows["action"], rows["reward"], torch.zeros(200, dtype=torch.bool))
    with torch.no_grad():
        return float((policy.act(step, (), "exploit")[0] - 0.5).abs().mean())


def test_the_docstring_shows_the_loop() -> None:
    shown = " ".join((sac.__doc__ or "").split())
    for line in (
        'learner(spec, SACConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))',
        "for batch in batches:",
        "for part in parts.values():",
        'part.update({"replay": batch})',
    ):
        assert line in shown
    assert all(name in shown for name in batch_of())


BOX = spaces.Box(-1.0, 1.0, (2,))


@pytest.mark.parametrize(
    ("observation", "action", "complaint"),
    [
        (BOX, spaces.Discrete(3), r"actions in a one-dimensional Box.*Discrete\(3\)"),
        (spaces.Discrete(4), BOX, r"observations in a one-dimensional Box.*Discrete\(4\)"),
        (spaces.Box(0, 255, (4, 4, 3), np.uint8), BOX, "observations in a one-dimensional Box"),
        (spaces.Dict(a=BOX), BOX, "observations in a one-dimensional Box.*Dict"),
        (BOX, spaces.Box(-np.inf, np.inf, (2,)), "bounded actions"),
    ],
)
def test_a_space_that_sac_cannot_serve_is_named(
    observation: spaces.Space[object], action: spaces.Space[object], complaint: str
) -> None:
    with pytest.raises(UnsupportedSpace, match=complaint):
        stages(EnvironmentSpec(observation, action), SACConfig(), 256)

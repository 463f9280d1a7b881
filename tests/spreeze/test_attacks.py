"""Attacks on policies of one dimension, where the worst observation is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from spreeze.attacks import ATTACKS, Perturbed, check_served, symmetric_kl
from spreeze.contract import Recurrent, Step
from spreeze.errors import UnknownName, UsageError

RADIUS = 0.1
STD = torch.tensor([2.0])
REACH = RADIUS * STD
ROWS = 200


@dataclass
class OneDimension:
    """a = memory * s before the tanh, with a spread that grows with |s|; what an action is worth is given."""

    worth: Callable[[Tensor, Tensor], Tensor]
    """(s, a), each (B,), -> (E, B)."""
    memory: float = 1.0
    rows_seen: int = 0

    def initial_state(self, batch: int) -> Recurrent:
        return (torch.full((batch,), self.memory),)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        assert mode == "exploit"
        assert len(step.observation) == len(step.is_first) == len(step.previous_reward) == len(state[0])
        self.rows_seen += len(step.observation)
        return state[0][:, None] * step.observation + step.previous_action, (state[0] + 1,), {}

    def distribution(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        return self.memory * observation, -1 + 0.1 * observation.abs()

    def value(self, observation: Tensor, action: Tensor) -> Tensor:
        return self.worth(observation[:, 0], action[:, 0])


class Acting:
    """A policy that can only act."""

    def initial_state(self, batch: int) -> Recurrent:
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        return step.observation, state, {}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def step_of(observation: Tensor) -> Step:
    rows = len(observation)
    return Step(observation, torch.zeros(rows, 1), torch.zeros(rows), torch.zeros(rows, dtype=torch.bool))


def truth() -> Tensor:
    return torch.linspace(1.0, 2.0, ROWS)[:, None]


def shifts(samples: int) -> Tensor:
    """The shifts (S, N, 1) that an attack with `samples` tries."""
    return (2 * torch.rand((samples, ROWS, 1), generator=generator()) - 1) * REACH


def rising(observation: Tensor, action: Tensor) -> Tensor:
    """Two critics that grow with the action, of which the second is the smaller."""
    return torch.stack((5 + action, action))


def seen_by(policy: OneDimension, attack: str, observation: Tensor, radius: float = RADIUS) -> Tensor:
    attacked = Perturbed(policy, attack, radius, STD, generator())
    return attacked.seen(step_of(observation), policy.initial_state(len(observation)), "exploit")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_reaches_beyond_its_radius(attack: str) -> None:
    shift = seen_by(OneDimension(rising), attack, truth()) - truth()
    assert shift.shape == (ROWS, 1)
    assert 0.5 * REACH < shift.abs().max() <= REACH + 1e-6


@pytest.mark.parametrize("attack", ATTACKS)
def test_at_radius_zero_the_policy_sees_the_truth(attack: str) -> None:
    assert torch.equal(seen_by(OneDimension(rising), attack, truth(), radius=0.0), truth())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_dimension_without_spread_is_never_moved(attack: str) -> None:
    observation = torch.ones(ROWS, 2)
    attacked = Perturbed(OneDimension(rising), attack, RADIUS, torch.tensor([1.0, 0.0]), generator())
    step = step_of(observation)._replace(previous_action=torch.zeros(ROWS, 2))
    seen = attacked.seen(step, (torch.ones(ROWS),), "exploit")
    assert (seen[:, 0] != observation[:, 0]).all()
    assert torch.equal(seen[:, 1], observation[:, 1])


def test_random_is_uniform_over_the_box() -> None:
    shift = (seen_by(OneDimension(rising), "random", torch.zeros(20_000, 1)) / REACH).flatten().sort().values
    expected = torch.linspace(-1, 1, 20_000)
    assert (shift - expected).abs().max() < 0.03  # Kolmogorov's distance, twice over


def test_min_q_finds_the_lowest_action_where_value_grows_with_it() -> None:
    seen = seen_by(OneDimension(rising), "min-q", truth())
    torch.testing.assert_close(seen, truth() + shifts(50).amin(0))
    assert (seen - truth()).mean() < -0.9 * REACH


def test_min_q_judges_by_the_smaller_critic() -> None:
    def crossed(observation: Tensor, action: Tensor) -> Tensor:
        return torch.stack((100 + action, -action))

    torch.testing.assert_close(seen_by(OneDimension(crossed), "min-q", truth()), truth() + shifts(50).amax(0))


def test_min_q_judges_at_the_true_state_and_may_leave_it() -> None:
    """(a - s)^2 is least where the policy sees s itself, whatever its action is worth elsewhere."""

    def harmless(observation: Tensor, action: Tensor) -> Tensor:
        return (action - observation).square()[None]

    assert torch.equal(seen_by(OneDimension(harmless), "min-q", truth()), truth())


def test_min_q_gives_each_environment_its_own_memory_and_previous_action() -> None:
    policy = OneDimension(rising)
    attacked = Perturbed(policy, "min-q", RADIUS, STD, generator())
    memory = torch.where(torch.arange(ROWS) % 2 == 0, 1.0, -1.0)
    shift = attacked.seen(step_of(truth()), (memory,), "exploit") - truth()
    assert (shift[::2] < 0).all() and (shift[1::2] > 0).all()
    assert policy.rows_seen == 51 * ROWS  # fifty samples and the truth, in one forward


def test_action_diff_finds_the_largest_symmetric_divergence() -> None:
    policy = OneDimension(rising)
    tried = truth() + shifts(50)  # (S, N, 1)
    mean, log_std = policy.distribution(truth())
    moved_mean, moved_log_std = policy.distribution(tried)
    p, q = (Independent(Normal(m, s.exp()), 1) for m, s in ((mean, log_std), (moved_mean, moved_log_std)))
    worst = (kl_divergence(p, q) + kl_divergence(q, p)).argmax(0)
    assert torch.equal(seen_by(policy, "action-diff", truth()), tried[worst, torch.arange(ROWS)])


def test_symmetric_divergence_by_hand() -> None:
    unit, far = (torch.zeros(1, 2), torch.zeros(1, 2)), (torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2))
    wide = (torch.zeros(1, 1), torch.log(torch.tensor([[2.0]])))
    assert symmetric_kl(unit, unit).item() == 0
    assert symmetric_kl(unit, far).item() == pytest.approx(4.0)  # 2^2 / 2 twice
    assert symmetric_kl(unit, wide).sum().item() == pytest.approx(2 * (4 + 0.25 - 2) / 2)


def test_symmetric_divergence_is_that_of_torch_and_symmetric() -> None:
    draw = generator()
    p, q = ((torch.randn(9, 3, generator=draw), torch.randn(9, 3, generator=draw)) for _ in range(2))
    normal_p, normal_q = (Independent(Normal(mean, log_std.exp()), 1) for mean, log_std in (p, q))
    expected = kl_divergence(normal_p, normal_q) + kl_divergence(normal_q, normal_p)
    torch.testing.assert_close(symmetric_kl(p, q), expected)
    torch.testing.assert_close(symmetric_kl(q, p), expected)


def test_the_attacked_policy_acts_on_what_it_sees_and_keeps_its_own_memory() -> None:
    attacked = Perturbed(OneDimension(rising), "min-q", RADIUS, STD, generator())
    state = attacked.initial_state(ROWS)
    action, after, extras = attacked.act(step_of(truth()), state, "exploit")
    torch.testing.assert_close(action, truth() + shifts(50).amin(0))
    assert torch.equal(after[0], state[0] + 1) and extras == {}
    assert attacked.acts == 1


def test_an_attack_repeats_for_its_generator() -> None:
    first, second = (seen_by(OneDimension(rising), "action-diff", truth()) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("attack", "method"), [("action-diff", "distribution"), ("min-q", "value")])
def test_a_policy_that_lacks_a_method_is_refused_with_what_it_can_serve(attack: str, method: str) -> None:
    with pytest.raises(
        UsageError, match=f"--attack {attack} needs .*`{method}`.*that of toy lacks; toy serves: random"
    ):
        check_served(Acting(), attack, "toy")
    check_served(Acting(), "random", "toy")
    check_served(OneDimension(rising), attack, "toy")


def test_an_unknown_attack_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'min-q'"):
        check_served(Acting(), "min-Q", "toy")

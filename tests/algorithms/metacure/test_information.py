"""What the intrinsic reward is worth."""

from itertools import product

import pytest
import torch
from torch import nn

from spreeze.algorithms._meta.batches import Rows
from spreeze.algorithms.metacure.predictors import Predictors

STEPS = 6


def coins(edge: float) -> Predictors:
    """Predictors that are right of two coins: rewards are 1 with probability 1/2 - edge in task 0, + edge in task 1.

    The first number of the belief is the posterior mean of +-1, which says all there is to know.
    """
    predictors = Predictors(observations=1, actions=1, latent=1, tasks=2, width=4, dynamics=False)
    context, identity = nn.Linear(4, 1), nn.Linear(4, 1)
    with torch.no_grad():
        for layer, weights, bias in ((context, [0, 0, edge, 0], 0.5), (identity, [0, 0, -edge, edge], 0.5)):
            layer.weight.copy_(torch.tensor([weights]))
            layer.bias.fill_(bias)
    predictors.context.net, predictors.identity.net = nn.Sequential(context), nn.Sequential(identity)
    return predictors.double()


def rows(reward: torch.Tensor, task: torch.Tensor, belief: torch.Tensor) -> Rows:
    nothing = torch.zeros(len(reward), 1, dtype=reward.dtype)
    known = torch.stack((belief, torch.ones_like(belief)), -1)
    return Rows(nothing, nothing, reward, nothing, task, known, known)


@pytest.mark.parametrize("edge", [0.02, 0.1])
def test_the_intrinsic_reward_sums_to_the_mutual_information(edge: float) -> None:
    """Over all sequences of both coins; a squared error is a log-likelihood, up to 2 x variance, of small edges."""
    tosses = torch.tensor(list(product((0.0, 1.0), repeat=STEPS)), dtype=torch.float64)
    heads = torch.tensor([0.5 - edge, 0.5 + edge], dtype=torch.float64)
    likelihood = torch.stack([(tosses * p + (1 - tosses) * (1 - p)).cumprod(-1) for p in heads])  # (2, S, T)
    whole = likelihood[..., -1]
    information = float((0.5 * whole * (whole / whole.mean(0)).log()).sum())
    before = torch.cat((torch.ones_like(likelihood[..., :1]), likelihood[..., :-1]), -1)
    belief = (before[1] - before[0]) / before.sum(0)  # (S, T)
    predictors, total = coins(edge), 0.0
    for task in range(2):
        given = rows(tosses.flatten(), torch.full((tosses.numel(),), task), belief.flatten())
        earned = predictors.intrinsic(given).reshape(tosses.shape).sum(-1)
        total += float((0.5 * whole[task] * earned).sum())
    assert total / (2 * 0.25) == pytest.approx(information, rel=20 * edge**2)


def trained(reward_of_task: torch.Tensor, noise: float, steps: int = 400) -> tuple[Predictors, Rows]:
    """Predictors after so many updates with rewards of a mean by task and noise, and rows that they have not seen."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictors = Predictors(observations=1, actions=1, latent=2, tasks=len(reward_of_task), width=32, dynamics=True)
        optimizer = torch.optim.Adam(predictors.parameters(), 3e-3)

        def fresh() -> Rows:
            task = torch.randint(len(reward_of_task), (256,))
            seen, action, following = torch.randn(3, 256, 1).unbind()
            reward = reward_of_task[task] + noise * torch.randn(256)
            known = torch.cat((torch.randn(256, 2), torch.ones(256, 2)), -1)
            return Rows(seen, action, reward, noise * following, task, known, known)

        for _ in range(steps):
            context, identity = predictors.errors(fresh())
            optimizer.zero_grad()
            (context.mean() + identity.mean()).backward()
            optimizer.step()
        many = [fresh() for _ in range(40)]
        return predictors, Rows(*(torch.cat(column) for column in zip(*many, strict=True)))


def test_pure_noise_is_worth_nothing_once_both_predictors_have_converged() -> None:
    predictors, unseen = trained(torch.zeros(3), noise=1.0)
    context, _ = predictors.errors(unseen)
    assert context.mean() > 1.8, "both miss: noise of the reward and of the observation"
    assert predictors.intrinsic(unseen).mean().abs() < 0.05 * context.mean()


def test_what_depends_on_the_task_is_worth_its_variance_while_the_belief_knows_nothing() -> None:
    means = torch.tensor([-1.0, 0.0, 1.0])
    predictors, unseen = trained(means, noise=0.1)
    assert predictors.intrinsic(unseen).mean() == pytest.approx(float(means.var(correction=0)), rel=0.1)


def test_the_error_is_by_hand_that_of_the_reward_and_the_mean_over_observations() -> None:
    predictors = Predictors(observations=2, actions=1, latent=1, tasks=2, width=4, dynamics=True)
    layer = nn.Linear(5, 3)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([1.0, 0.5, -0.5]))
    predictors.context.net = nn.Sequential(layer)
    one = torch.ones(1, 2)
    given = Rows(one, one[:, :1], torch.tensor([3.0]), 2 * one, torch.tensor([0]), one, one)
    assert float(predictors.errors(given)[0].detach()) == 4 + (0.5**2 + 1.5**2) / 2


def test_the_foil_is_the_context_predictor_s_error_alone() -> None:
    predictors = coins(0.1)
    known = torch.tensor([0.0, 1.0], dtype=torch.float64)
    given = rows(torch.ones(2, dtype=torch.float64), torch.tensor([1, 1]), known)
    foil, information = predictors.intrinsic(given, "prediction-error"), predictors.intrinsic(given)
    torch.testing.assert_close(foil, torch.tensor([0.5**2, 0.4**2], dtype=torch.float64))
    torch.testing.assert_close(information, torch.tensor([0.5**2 - 0.4**2, 0.0], dtype=torch.float64))


def test_the_foil_is_attracted_by_pure_noise() -> None:
    predictors, unseen = trained(torch.zeros(3), noise=1.0)
    assert predictors.intrinsic(unseen, "prediction-error").mean() > 1.8

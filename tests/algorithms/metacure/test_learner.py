"""Who learns from whom in one update."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pytest
import torch
from torch import Tensor

from spreeze.algorithms._meta.batches import Rows
from spreeze.algorithms.metacure import MetaCUREConfig, MetaCUREPart
from tests.algorithms.metacure.scene import SMALL, labelled, part

BackedUp = Callable[[Tensor, Tensor, Tensor], Tensor]


def weights(learner: MetaCUREPart) -> Mapping[str, Tensor]:
    return {
        name: torch.cat([p.detach().flatten() for p in module.parameters()]) for name, module in learner.owns.items()
    }


def batch() -> Mapping[str, Tensor]:
    found = dict(labelled())
    scales = {"reward": 1000, "observation": 10, "next_observation": 10}
    return found | {name: found[name] / scale for name, scale in scales.items()}


def paired(learner: MetaCUREPart) -> Rows:
    return learner.pairing.rows(batch(), learner.exploit.encoder)[0]  # type: ignore[arg-type]


CHANGES: dict[str, tuple[Callable[[MetaCUREPart], object], set[str]]] = {
    "exploiting": (
        lambda learner: learner.exploit.update(paired(learner)),
        {"encoder", "exploiter", "exploiter_critic", "exploiter_target"},
    ),
    "predicting": (lambda learner: learner.predict(paired(learner)), {"predictors"}),
    "exploring": (
        lambda learner: learner.learn_to_explore(paired(learner)),
        {"explorer", "explorer_critic", "explorer_target"},
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_step_changes_its_own_networks_alone(kind: str) -> None:
    step, expected = CHANGES[kind]
    learner = part()
    before = {name: one.clone() for name, one in weights(learner).items()}
    step(learner)
    after = weights(learner)
    assert {name for name, one in before.items() if not torch.equal(one, after[name])} == expected


def test_the_encoder_s_gradient_comes_from_the_critics_error_and_the_divergence_alone() -> None:
    learner = part()
    encoder = learner.exploit.encoder
    rows = paired(learner)
    predicted = torch.stack([error.mean() for error in learner.predictors.errors(rows)]).sum()
    first = next(encoder.parameters())
    found: Sequence[Tensor | None] = torch.autograd.grad(predicted, first, allow_unused=True)
    assert found[0] is None
    loss, latent, _ = learner.exploit.loss(rows)
    [gradient] = torch.autograd.grad(loss, first)
    assert gradient.abs().sum() > 0
    assert not latent.requires_grad, "the policy is told z without its graph"


def test_the_divergence_alone_moves_the_encoder_by_its_weight() -> None:
    def gradient(weight: float) -> Tensor:
        learner = part(MetaCUREConfig(**{**vars(SMALL), "kl_weight": weight}))
        loss, _, _ = learner.exploit.loss(paired(learner))
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(learner.exploit.encoder.parameters()))])

    none, some, more = gradient(0.0), gradient(0.5), gradient(1.0)
    torch.testing.assert_close(more - none, 2 * (some - none), rtol=1e-3, atol=1e-6)
    assert (some - none).abs().sum() > 0


def test_the_identity_predictor_never_leaves_the_learner() -> None:
    learner = part()
    assert learner.publish().keys() == {"encoder", "exploiter", "explorer"}
    told = {id(tensor) for bundle in learner.publish().values() for tensor in bundle.values()}
    assert not told & {id(parameter) for parameter in learner.predictors.parameters()}


@pytest.mark.parametrize("kind", ["information", "prediction-error"])
def test_the_explorer_is_paid_the_reward_and_lambda_times_the_intrinsic_one(
    kind: Literal["information", "prediction-error"], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewards: list[Tensor] = []
    for weight in (0.0, 3.0):
        learner = part(MetaCUREConfig(**{**vars(SMALL), "intrinsic_weight": weight, "intrinsic": kind}))
        kept = learner.explore.backed_up

        def noting(reward: Tensor, following: Tensor, action: Tensor, kept: BackedUp = kept) -> Tensor:
            rewards.append(reward)
            return kept(reward, following, action)

        monkeypatch.setattr(learner.explore, "backed_up", noting)
        rows = paired(learner)
        intrinsic = learner.predictors.intrinsic(rows, kind)
        learner.learn_to_explore(rows)
        torch.testing.assert_close(rewards[-1], rows.reward + weight * intrinsic)


def test_half_the_precision_moves_the_policies_alike() -> None:
    moved: list[Mapping[str, Tensor]] = []
    for precision in ("float32", "bfloat16"):
        learner = part(MetaCUREConfig(**{**vars(SMALL), "hidden": (64, 64), "precision": precision}))
        before = {name: one.clone() for name, one in weights(learner).items()}
        learner.update({"episodes": batch()})
        moved.append({name: one - before[name] for name, one in weights(learner).items()})
    for name in ("exploiter", "explorer", "explorer_critic"):
        wanted, found = (one[name] for one in moved)
        assert torch.nn.functional.cosine_similarity(wanted, found, dim=0) > 0.9
        assert not torch.equal(wanted, found)


def test_on_a_constant_reward_the_value_becomes_its_discounted_sum() -> None:
    config = MetaCUREConfig(**{**vars(SMALL), "temperature": 1e-6, "discount": 0.5, "polyak_rate": 0.2})
    learner, given = part(config, rows=96), dict(batch())
    given["reward"] = torch.full_like(given["reward"], 0.5)
    random = torch.Generator().manual_seed(0)
    for _ in range(300):
        given["action"] = 2 * torch.rand(given["action"].shape, generator=random) - 1
        told = learner.update({"episodes": given})
    assert float(told["exploit/value"]) == pytest.approx(1.0, abs=0.05)
    assert float(told["explore/value"]) == pytest.approx(1.0, abs=0.1)
    assert float(told["predictor/context"]) < 0.01

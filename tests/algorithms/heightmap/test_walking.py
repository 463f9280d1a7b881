"""What a walking policy learns from: PPO's loss, charged collisions, and the mirror."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from spreeze.algorithms.heightmap.policy import SAMPLE
from spreeze.algorithms.heightmap.walking import WalkingPart, collided, mirror_loss
from spreeze.contract import LearnerSetup
from tests.algorithms.heightmap.scene import NOBODY, SMALL, first_step, modules, observations, senses, stages

LENGTH, STREAMS = SMALL.horizon, SMALL.environments


def part_of(index: int, env_steps: int | None = None, **changes: Any) -> WalkingPart:
    inherited = {"blind": modules("blind", seed=3)[0].state_dict()}
    part = stages(**changes)[index].make_learner(LearnerSetup(NOBODY.devices, 0, inherited, env_steps))["walk"]
    assert isinstance(part, WalkingPart)
    return part


@torch.no_grad()
def played(part: WalkingPart, index: int) -> dict[str, Tensor]:
    """A segment that the part's own policy plays at random observations; stream 1 begins an episode in row 3."""
    bundles = {"blind": part.actor} if index == 0 else {"modulator": part.actor, **part.frozen}
    policy: Any = stages()[index].make_policy(bundles, torch.Generator().manual_seed(1))  # type: ignore[misc]
    seen, firsts = observations(LENGTH + 1, STREAMS), torch.zeros(LENGTH, STREAMS, dtype=torch.bool)
    firsts[3, 1] = True
    state, rows = policy.initial_state(STREAMS), []
    state = tuple(memory + 0.1 for memory in state)
    head = {f"state{number}": memory.clone() for number, memory in enumerate(state)}
    for observation, first in zip(seen[:-1], firsts, strict=True):
        _, state, extras = policy.act(first_step(observation)._replace(is_first=first), state, SAMPLE)
        rows.append(extras)
    extras = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    flags = {name: torch.zeros(LENGTH, STREAMS, dtype=torch.bool) for name in ("terminated", "truncated")}
    valid = torch.ones(LENGTH, STREAMS, dtype=torch.uint8)
    own = {"observation": seen[:-1], "next_observation": seen[1:], "is_first": firsts, "valid": valid}
    return own | {"reward": torch.ones(LENGTH, STREAMS)} | flags | extras | head


@pytest.mark.parametrize("index", [0, 1])
def test_the_learner_computes_the_probabilities_that_were_stored(index: int) -> None:
    part = part_of(index)
    rollout, _ = part.rollout(played(part, index))
    _, told = part.loss(rollout)
    assert float(told["policy/divergence"]) == pytest.approx(0, abs=1e-6)


def test_a_collision_is_read_from_the_next_observation() -> None:
    seen = torch.zeros(2, 1, senses().observations)
    batch = {"next_observation": senses().put(seen, "collision", torch.tensor([[[0.0]], [[1.0]]]))}
    assert collided(senses(), batch).tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(("index", "penalty", "charged"), [(0, 5.0, 0.0), (1, 5.0, 5.0), (1, 0.0, 0.0)])
def test_a_collision_costs_the_modulator_its_penalty_and_the_blind_policy_nothing(
    index: int, penalty: float, charged: float
) -> None:
    part = part_of(index, collision_penalty=penalty, discount=0.0, gae_decay=0.0)
    batch = played(part, index)
    free = senses().put(batch["next_observation"], "collision", torch.zeros(LENGTH, STREAMS, 1))
    struck = senses().put(free, "collision", torch.ones(LENGTH, STREAMS, 1))
    targets = []
    for after in (free, struck):
        rollout, told = part_of(index, collision_penalty=penalty, discount=0.0, gae_decay=0.0).rollout(
            {**batch, "next_observation": after}
        )
        targets.append(rollout.advantage)
        assert float(told["walk/foot_collisions"]) == float(after is struck)
    torch.testing.assert_close(targets[0] - targets[1], torch.full((LENGTH, STREAMS), charged))


class Symmetric:
    """An actor made symmetric: its means are those of what is seen, and the mirrored ones of what is seen mirrored."""

    def __init__(self, actor: Any) -> None:
        self.actor, self.memory, self.senses, self.mirrored = actor, actor.memory, actor.senses, actor.mirrored

    def features(self, given: Tensor, is_first: Tensor, state: Any) -> tuple[Tensor, Any]:
        sides = [self.actor.features(side, is_first, state)[0] for side in (given, self.mirrored(given))]
        return torch.cat(sides, -1), state

    def raw(self, features: Tensor) -> Tensor:
        seen, mirrored = (self.actor.raw(side) for side in features.chunk(2, -1))
        total: Tensor = seen + self.senses.mirrored_action(mirrored)
        return total


@pytest.mark.parametrize("name", ["blind", "modulator"])
def test_the_mirror_loss_is_zero_for_a_symmetric_policy_alone(name: str) -> None:
    [actor] = modules(name)
    given, is_first = observations(7, 3), torch.zeros(7, 3, dtype=torch.bool)
    is_first[4, 1] = True
    if name == "modulator":
        given = torch.cat((torch.randn(7, 3, 6), given), -1)
    assert float(mirror_loss(actor, given, is_first).detach()) > 1e-4
    symmetric: Any = Symmetric(actor)
    assert float(mirror_loss(symmetric, given, is_first).detach()) == pytest.approx(0, abs=1e-10)


def test_the_mirror_loss_of_a_policy_that_lifts_its_left_knee_alone() -> None:
    [actor] = modules("blind")
    with torch.no_grad():
        actor.head.linear.weight.zero_()
        actor.head.linear.bias.copy_(torch.tensor([0.0, 0.3, 0.0, 0.0, 0.0, 0.0]))
    loss = mirror_loss(actor, observations(2, 2), torch.zeros(2, 2, dtype=torch.bool))
    assert float(loss.detach()) == pytest.approx(4 * 2 * 0.09 / 6), "two of six motors differ by 0.3"


def test_learning_leaves_what_is_frozen_as_it_was() -> None:
    part = part_of(1)
    before: Mapping[str, Tensor] = {n: t.clone() for n, t in part.publish()["blind"].items()}
    trained = {name: tensor.clone() for name, tensor in part.publish()["modulator"].items()}
    for _ in range(3):
        part.update({"segments": played(part, 1)})
    assert all(torch.equal(tensor, before[name]) for name, tensor in part.publish()["blind"].items())
    after = part.publish()["modulator"]
    assert not torch.equal(after["head.linear.weight"], trained["head.linear.weight"])
    assert torch.equal(after["head.log_std"], trained["head.log_std"])


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(("anneal", "second"), [(1.0, 0.75), (0.5, 0.5), (0.0, 1.0), (48.0, 0.5)])
def test_the_step_size_falls_over_a_share_of_the_stage(index: int, anneal: float, second: float) -> None:
    """An update takes 24 of its 96 steps."""
    part, rates = part_of(index, env_steps=4 * LENGTH * STREAMS, anneal=anneal), []
    for _ in range(2):
        part.update({"segments": played(part, index)})
        rates.append(part.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([5e-4, second * 5e-4])

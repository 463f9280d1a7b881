"""Imagined rollouts: what a block holds, what ends, what MOPO takes off, and how blocks come back from a store."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spreeze.algorithms._networks import SquashedGaussianActor
from spreeze.algorithms.micro.ensemble import EliteModel
from spreeze.algorithms.micro.imagination import ImaginationSource, Penalty, spread_penalty
from spreeze.algorithms.micro.operator import largest_spread
from spreeze.algorithms.sac import SACPolicy
from spreeze.contract import Block, Draw, Field, SourceSetup, Step, Store
from spreeze.transport.lane import LaneWriter, fill
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader
from tests.algorithms.micro.toys import ACTIONS, OBSERVATIONS, ensemble_of, episodes_of

HORIZON, ROLLOUTS = 4, 12
FIELDS = {
    **{"observation": Field((OBSERVATIONS,)), "action": Field((ACTIONS,))},
    **{"reward": Field(), "terminated": Field()},
}
EPISODES = episodes_of([30, 20])


def never(seen: Tensor) -> Tensor:
    return torch.zeros(seen.shape[:-1], dtype=torch.bool)


def far(seen: Tensor) -> Tensor:
    """Ends some rollouts at each step, but not all."""
    return seen[..., 0] > 0.5


def dataset_reader() -> StoreReader:
    rows = sum(len(episode.observation) for episode in EPISODES)
    layout = StoreLayout.of(Store("dataset", FIELDS, capacity=rows), 1, 1)
    memory = StoreMemory.create("dataset", layout)
    fill(memory, [dict(episode._asdict()) for episode in EPISODES])
    return StoreReader(memory)


def source_of(
    termination: Callable[[Any], Any] = far, penalty: Penalty | None = None, seed: int = 7
) -> ImaginationSource:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        actor = SquashedGaussianActor(OBSERVATIONS, ACTIONS, (8,))
    policy = SACPolicy(actor, torch.Generator().manual_seed(11))
    readers: dict[str, Any] = {"dataset": dataset_reader()}
    setup = SourceSetup(policy, {}, _no_envs, {}, readers, {}, streams=1, block_steps=1, seed=seed)
    return ImaginationSource(setup, EliteModel(ensemble_of()), termination, HORIZON, ROLLOUTS, penalty)


def _no_envs(count: int, seed: int) -> Any:
    raise AssertionError("imagination needs no environment")


def block_of(source: ImaginationSource, mode: str = "explore") -> Block:
    [block] = source.collect(mode)
    return block


def assert_same(one: Block, other: Block) -> None:
    assert all(np.array_equal(one.fields[name], other.fields[name]) for name in FIELDS)
    assert np.array_equal(one.valid, other.valid)
    assert np.array_equal(one.next_observation, other.next_observation)


def test_a_block_holds_every_step_of_every_rollout() -> None:
    block = block_of(source_of())
    assert block.store == "imagined"
    assert not block.continues
    assert block.fields.keys() == FIELDS.keys()
    for name, field in FIELDS.items():
        assert block.fields[name].shape == (HORIZON, ROLLOUTS, *field.shape)
        assert block.fields[name].dtype == np.dtype(field.dtype)
    assert block.valid.shape == (HORIZON, ROLLOUTS)
    assert block.next_observation.shape == (ROLLOUTS, OBSERVATIONS)


def test_rollouts_begin_in_states_of_the_dataset_in_which_an_action_was_taken() -> None:
    known = {row.tobytes() for episode in EPISODES for row in episode.observation[:-1]}
    source = source_of()
    begins = [block_of(source).fields["observation"][0] for _ in range(5)]
    assert {row.tobytes() for begin in begins for row in begin} <= known
    assert not np.array_equal(begins[0], begins[1])


@pytest.mark.parametrize("mode", ["exploit", "explore"])
def test_actions_are_the_policys_in_the_given_mode(mode: str) -> None:
    first, count = block_of(source_of(), mode).fields, ROLLOUTS
    seen = torch.from_numpy(first["observation"][0])
    step = Step(seen, torch.zeros(count, ACTIONS), torch.zeros(count), torch.ones(count, dtype=torch.bool))
    action, _, _ = source_of().policy.act(step, (), mode)
    np.testing.assert_array_equal(first["action"][0], action.detach().numpy())


def test_random_actions_warm_up_without_a_policy_being_known() -> None:
    action = block_of(source_of(), "random").fields["action"]
    assert -1 <= action.min() < -0.8
    assert 0.8 < action.max() <= 1


def test_an_end_is_a_valid_row_and_all_rows_after_it_are_not() -> None:
    block = block_of(source_of())
    ended = block.fields["terminated"] == 1
    assert 0 < ended[0].sum() < ROLLOUTS
    assert block.valid[0].all()
    for step in range(1, HORIZON):
        np.testing.assert_array_equal(block.valid[step], block.valid[step - 1] & ~ended[step - 1])


def test_the_row_after_an_end_holds_the_final_observation() -> None:
    block = block_of(source_of())
    after = np.concatenate((block.fields["observation"][1:], block.next_observation[None]))
    ended = (block.fields["terminated"] == 1) & block.valid
    assert far(torch.from_numpy(after[ended])).all()
    assert not far(torch.from_numpy(after[~ended & block.valid])).any()


def test_without_ends_every_row_is_valid() -> None:
    block = block_of(source_of(never))
    assert block.valid.all()
    assert not block.fields["terminated"].any()


def test_every_elite_serves_an_equal_share_of_the_rollouts_drawn_anew_at_each_step() -> None:
    """Elites are told apart by a reward that gives their number, without noise."""
    source, ensemble = source_of(never), ensemble_of()
    with torch.no_grad():
        ensemble.weights[-1].zero_()
        ensemble.biases[-1].zero_()
        ensemble.biases[-1][:, 0, OBSERVATIONS] = torch.arange(4.0)
        ensemble.min_log_variance.fill_(-60.0)
        ensemble.max_log_variance.fill_(-50.0)
    source.model = EliteModel(ensemble)
    served = block_of(source).fields["reward"].round()
    for step in served:
        assert np.unique(step, return_counts=True)[1].tolist() == [4, 4, 4]
        assert set(step) == {1.0, 2.0, 3.0}
    assert all(not np.array_equal(one, other) for one, other in pairwise(served))


def test_equal_seeds_give_equal_blocks_and_others_do_not() -> None:
    one, same, other = source_of(seed=7), source_of(seed=7), source_of(seed=8)
    for _ in range(3):
        first = block_of(one)
        assert_same(first, block_of(same))
        assert not np.array_equal(first.fields["observation"], block_of(other).fields["observation"])


def test_a_restored_source_goes_on_to_the_bit() -> None:
    source = source_of()
    for _ in range(3):
        block_of(source, "exploit")
    restored = source_of(seed=1234)
    restored.load_state({name: array.copy() for name, array in source.state().items()})
    for _ in range(2):
        assert_same(block_of(source, "exploit"), block_of(restored, "exploit"))


@pytest.mark.parametrize("beta", [0.5, 5.0])
def test_mopo_takes_beta_times_the_largest_spread_off_the_reward_and_nothing_else(beta: float) -> None:
    plain, penalised = block_of(source_of()), block_of(source_of(penalty=spread_penalty(beta)))
    for name in ("observation", "action", "terminated"):
        np.testing.assert_array_equal(plain.fields[name], penalised.fields[name])
    seen, action = (torch.from_numpy(plain.fields[name]).flatten(0, 1) for name in ("observation", "action"))
    _, std = ensemble_of().predict(seen, action)  # all four members, not only the elites
    expected = beta * largest_spread(std).view(HORIZON, ROLLOUTS).detach().numpy()
    found = plain.fields["reward"] - penalised.fields["reward"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert expected.min() > 0


def test_what_a_store_gives_back_are_the_imagined_transitions() -> None:
    source, store = source_of(), Store("replay", FIELDS, capacity=400, streams=ROLLOUTS)
    memory = StoreMemory.create("imagined", StoreLayout.of(store, 1, 1))
    writer, known = LaneWriter(memory, 0), set[bytes]()
    for _ in range(5):
        block = block_of(source)
        after = np.concatenate((block.fields["observation"][1:], block.next_observation[None]))
        writer.write(block)
        for step, stream in np.argwhere(block.valid):
            row = [*(block.fields[name][step, stream] for name in FIELDS), after[step, stream]]
            known.add(np.concatenate([np.ravel(value) for value in row]).tobytes())
    drawn = StoreReader(memory).draw(Draw("imagined", rows=2000), np.random.default_rng(0))
    rows = np.concatenate([drawn[name].reshape(2000, -1) for name in (*FIELDS, "next_observation")], 1)
    assert {row.tobytes() for row in rows} == known
    np.testing.assert_array_equal(far(torch.from_numpy(drawn["next_observation"])), drawn["terminated"] == 1)

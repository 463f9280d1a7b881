"""Which transitions are learned from, and which belief each is given."""

import torch

from spreeze.algorithms.metacure import MetaCUREConfig
from tests.algorithms.metacure.scene import SMALL, TASKS, labelled, part, plan


def test_rows_that_carry_a_transition_are_found_and_no_other() -> None:
    batch, shape = labelled(), plan()
    rows = shape.rows(3)
    assert shape.segment == 3 * 5 - 1
    assert rows.tolist() == batch["valid"][:, 0].nonzero()[:, 0].tolist()
    assert shape.rows(2).tolist() == rows[: 2 * TASKS.episode_steps].tolist()


def test_a_row_and_its_belief_are_of_one_task_and_no_transition_crosses_episodes() -> None:
    learner = part(rows=600)
    mixed, own = learner.pairing.rows(labelled(), learner.exploit.encoder)  # type: ignore[arg-type]
    for rows in (mixed, own):
        assert len(rows.task) == 600
        assert (rows.reward // 100 == rows.task).all()
        step, episode = rows.observation.unbind(-1)
        torch.testing.assert_close(rows.next_observation, torch.stack((step + 1, episode), -1))
    assert mixed.observation[:, 1].unique().tolist() == [0, 1, 2], "all episodes are learned from"
    assert own.observation[:, 1].unique().tolist() == [0, 1], "contexts are those that explored"
    column = (10 * mixed.action[:, 0]).round()
    assert (column // SMALL.segments_per_task == mixed.task).all()
    assert len(column.unique()) == 6, "transitions are of both segments of a task"


def test_the_belief_of_a_sequence_is_that_before_its_transition() -> None:
    learner, batch = part(rows=600), labelled()
    encoder = learner.exploit.encoder
    beliefs = encoder.beliefs(learner.pairing.tokens(batch))  # type: ignore[operator]
    _, own = learner.pairing.rows(batch, encoder)  # type: ignore[arg-type]
    step, episode = own.observation.long().unbind(-1)
    prefix, column = episode * TASKS.episode_steps + step, (10 * own.action[:, 0]).round().long()
    assert column.unique().tolist() == [0, 2, 4], "the first segment of each task"
    torch.testing.assert_close(own.belief, beliefs[prefix, own.task])
    torch.testing.assert_close(own.after, beliefs[prefix + 1, own.task])
    assert not own.after.requires_grad
    assert sorted(prefix.unique().tolist()) == list(range(8)), "the empty prefix counts, the whole one comes after"


def test_a_context_can_be_cut_after_its_first_steps_while_every_transition_is_learned_from() -> None:
    learner = part(MetaCUREConfig(**{**vars(SMALL), "context_steps": 6}), rows=600)
    whole, cut = part().pairing.tokens(labelled()), learner.pairing.tokens(labelled())
    torch.testing.assert_close(cut, whole[:6])
    mixed, own = learner.pairing.rows(labelled(), learner.exploit.encoder)  # type: ignore[arg-type]
    step, episode = own.observation.unbind(-1)
    assert (episode * TASKS.episode_steps + step).unique().tolist() == list(range(6))
    assert mixed.observation[:, 1].unique().tolist() == [0, 1, 2]


def test_a_token_is_a_transition() -> None:
    learner = part()
    tokens = learner.pairing.tokens(labelled())
    assert tokens.shape == (8, 3, 7)
    torch.testing.assert_close(tokens[5, 2], torch.tensor([1.0, 1.0, 0.4, 0.0, 206.0, 2.0, 1.0]))

"""Meta-episodes as they are played, stored, and evaluated, and whole runs of MetaCURE and PEARL."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from spreeze import registry
from spreeze.algorithms._meta.episodes import FIELDS, MetaEpisodes, Player, adapt, adapting, evaluate, identified
from spreeze.algorithms._meta.policy import MetaPolicy
from spreeze.algorithms._meta.stage import plan_of
from spreeze.algorithms.metacure import ALGORITHM, MetaCUREConfig
from spreeze.contract import EnvironmentSpec, EvaluationSetup, SourceSetup, Stage, Step, TaskFamily, Tasks
from spreeze.envs.sparse.point import PointVector, tasks
from spreeze.envs.sparse.tasks import FamilyOptions
from spreeze.errors import UnsupportedSpace, UsageError
from spreeze.stages import build_modules, build_policy
from tests.contract.playing import play, tensors

CONFIG = MetaCUREConfig(explore_episodes=2, exploit_episodes=2, hidden=(16,), encoder_width=16, predictor_width=16)
STREAMS = 5


def points(count: int, seed: int) -> TaskFamily:
    return PointVector("points", tasks(False), FamilyOptions(), count, seed, noisy=False)


def spec() -> EnvironmentSpec:
    envs = points(1, 0)
    return EnvironmentSpec(envs.observation_space, envs.action_space, tasks=tasks(False).counts)


def scene(config: MetaCUREConfig = CONFIG) -> tuple[Stage, MetaPolicy]:
    [stage] = ALGORITHM.stages(spec(), config, 64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return stage, cast(MetaPolicy, build_policy(stage, build_modules(stage), 0)[0])


def source() -> MetaEpisodes:
    stage, policy = scene()
    setup = SourceSetup(policy, {}, points, stage.stores, {}, {}, STREAMS, 1, 3)
    return MetaEpisodes(setup, plan_of(spec(), CONFIG, "MetaCURE"), CONFIG.prior_share)


def test_a_block_is_one_meta_episode_of_a_task_in_every_stream() -> None:
    [block] = source().collect("explore")
    steps, episodes = 32, 4
    goals = tasks(False).values[block.head["task"]]
    assert block.head["task"].max() < 40, "tasks that are held out are not learned from"
    assert block.valid.shape == (episodes * (steps + 1) - 1, STREAMS)
    assert block.valid.sum() == episodes * steps * STREAMS
    assert block.valid[steps :: steps + 1].sum() == 0
    seen = np.concatenate([block.fields["observation"], block.next_observation[None]])
    for row in np.flatnonzero(block.valid[:, 0]):
        moved = seen[row] + 0.1 * block.fields["action"][row]
        np.testing.assert_allclose(seen[row + 1], moved, atol=1e-5)
        distance = np.linalg.norm(seen[row + 1] - goals, axis=1)
        near = np.abs(distance - 0.3) > 1e-4
        expected = np.where(distance <= 0.3, 1 - distance, 0)
        np.testing.assert_allclose(block.fields["reward"][row][near], expected[near], atol=1e-5)
    assert (seen[:: steps + 1] == 0).all(), "every episode begins at the origin"
    assert [length for _, length in block.episodes] == [steps] * 2 * STREAMS


def test_a_source_goes_on_to_the_bit() -> None:
    one, other = source(), source()
    list(one.collect("random"))
    torch.manual_seed(0)
    other.load_state(one.state())
    for generator in (cast(Any, one.player.policy), cast(Any, other.player.policy)):
        generator.generator.manual_seed(7)
    [first], [second] = one.collect("explore"), other.collect("explore")
    assert (first.head["task"] == second.head["task"]).all()
    for name in FIELDS:
        np.testing.assert_array_equal(first.fields[name], second.fields[name])


def test_acting_step_by_step_gives_the_beliefs_of_a_meta_episode() -> None:
    _, policy = scene()
    player = Player(points(3, 0), policy, 32)
    player.enter(np.array([1, 2, 3]))
    told = player.play("probe")
    fields = {name: torch.from_numpy(values) for name, values in told.fields.items()}
    state, nothing = policy.initial_state(3), torch.zeros(3)
    for step in range(33):
        before = (torch.zeros(3, 2), nothing) if step == 0 else (fields["action"][step - 1], fields["reward"][step - 1])
        first = torch.full((3,), step == 0)
        action, state, _ = policy.act(Step(fields["observation"][step], *before, first), state, "probe")
        if step < 32:
            torch.testing.assert_close(action, fields["action"][step])
    torch.testing.assert_close(policy.belief(state), told.belief)


def test_an_episode_of_the_exploiter_keeps_its_z_and_one_of_the_explorer_its_belief_fresh() -> None:
    _, policy = scene()
    player = Player(points(3, 0), policy, 32)
    player.enter(np.array([1, 2, 3]))
    player.play("explore")
    belief = policy.belief(player.state)
    told = player.play("exploit", learning=False)
    torch.testing.assert_close(told.state[-1], belief.chunk(2, -1)[0])
    torch.testing.assert_close(told.belief, belief)
    player.play("explore")
    assert (policy.belief(player.state) - belief).abs().max() > 1e-6


def setup(policy: MetaPolicy) -> EvaluationSetup:
    return EvaluationSetup(policy, {}, points, "exploit", 10, 0)


def test_adaptation_is_on_tasks_held_out_and_by_their_experience_alone() -> None:
    stage, policy = scene()
    plan = plan_of(spec(), CONFIG, "MetaCURE")
    found = evaluate(setup(policy), plan)
    assert len(found.returns) == 40 and set(found.lengths) == {32}
    assert {"explored/return_1", "explored/return_2", "belief/identified_2", "belief/deviation_1"} <= set(found.metrics)
    assert found.metrics["adapted/rewarded"] == np.mean(np.array(found.returns) > 0)
    assert stage.bundles.keys() == {"encoder", "exploiter", "explorer"}
    assert not any(
        "predictor" in name for module in build_modules(stage).values() for name, _ in module.named_modules()
    )
    players = [adapting(setup(policy), plan, np.array([task])) for task in (0, 59)]
    first, other = (adapt(player, plan, "exploit")[0].fields for player in players)
    np.testing.assert_array_equal(first["action"][:5], other["action"][:5], "no reward is that near to the origin")


def test_the_ablation_lets_the_explorer_play_the_last_episode() -> None:
    stage, policy = scene(MetaCUREConfig(**{**vars(CONFIG), "last_episode": "explorer"}))
    assert stage.evaluate is not None
    policy.exploiter = None  # type: ignore[assignment]
    assert len(stage.evaluate(setup(policy)).returns) == 40


def test_a_belief_is_identified_by_another_of_its_task() -> None:
    belief = torch.tensor([[0.0, 1], [1, 1], [2, 1], [0.1, 1], [1.2, 1], [0.2, 1]])
    assert identified(belief, 3) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["metacure", "pearl"])
def test_one_task_is_refused(name: str) -> None:
    algorithm = registry.algorithm(name)
    alone = EnvironmentSpec(spec().observation, spec().action)
    with pytest.raises(UnsupportedSpace, match="needs a family of tasks, as point-robot-sparse"):
        algorithm.stages(alone, algorithm.config(), 64)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"latent": 0}, "--latent 0"),
        ({"context_steps": -1}, "--context-steps -1"),
        ({"prior_share": 1.5}, "--prior-share 1.5"),
        ({"temperature": 0.0}, "--temperature"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ALGORITHM.stages(spec(), MetaCUREConfig(**options), 64)


SMALL: dict[str, Any] = {"warmup": 600, "hidden": [16], "encoder_width": 16, "tasks_per_update": 4}


@pytest.mark.parametrize("name", ["metacure", "pearl"])
def test_a_serial_run_is_a_function_of_its_seed(name: str, tmp_path: Path) -> None:
    found = []
    for index in range(2):
        folder = tmp_path / str(index)
        run: dict[str, Any] = {"steps": 3000, "envs_per_sampler": 4, "serial": True, "batch_size": 64}
        summary = play(folder, name, "point-robot-sparse", SMALL, replay_ratio=16, seed=5, **run)
        assert summary["exit_reason"] == "finished" and summary["updates"] > 3
        assert "belief/identified_3" in summary["evaluations"][-1]["metrics"]
        found.append(tensors(folder, "part-*"))
    assert [name for name, array in found[0].items() if not np.array_equal(array, found[1][name])] == []


def test_tasks_tell_which_are_held_out() -> None:
    assert Tasks(3, 2, 10).held_out == range(3, 5)

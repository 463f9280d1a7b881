"""The native engine keeps the contract of `VectorEnv`, with either kind of simulations."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box

from spreeze.environment import Transition, VectorEnv
from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.native import TASKS, load_model, native_vector, simulate
from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.native.loop import LoopSimulations
from spreeze.envs.native.vector import NativeVector
from spreeze.errors import CheckpointError

SEED, COUNT, LIMIT = 7, 3, 25
KINDS = ("Hopper-v5", "Ant-v5", "Reacher-v4")
"""By mjbatch and ended by falls; by the loop, with contact forces; with a reward that remembers."""
every_kind = pytest.mark.parametrize("identifier", KINDS)


def vector(identifier: str, count: int = COUNT, seed: int = SEED, limit: int = LIMIT, threads: int = 1) -> NativeVector:
    return native_vector(identifier, count, seed, limit, threads=threads)


def actions(envs: VectorEnv, steps: int) -> list[np.ndarray]:
    space, generator = envs.action_space, np.random.default_rng(0)
    assert isinstance(space, Box)
    drawn = generator.uniform(space.low, space.high, (steps, envs.count, *space.shape))
    return list(drawn.astype(np.float32))


def run(envs: NativeVector, batches: list[np.ndarray]) -> list[Transition]:
    return [Transition(*(array.copy() for array in envs.step(batch))) for batch in batches]


def assert_same(one: Transition, other: Transition) -> None:
    for name, left, right in zip(Transition._fields, one, other, strict=True):
        assert left.dtype == right.dtype, name
        assert left.tobytes() == right.tobytes(), name


def assert_all_same(one: list[Transition], other: list[Transition]) -> None:
    for left, right in zip(one, other, strict=True):
        assert_same(left, right)


@every_kind
@pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
def test_both_engines_give_the_same_stream(identifier: str) -> None:
    options = (GymnasiumOptions(LIMIT, 0.7, 1.2, "native"), GymnasiumOptions(LIMIT, 0.7, 1.2, "gymnasium"))
    mine, theirs = (environment(identifier).make_vector(chosen, COUNT, SEED) for chosen in options)
    assert isinstance(mine, NativeVector)
    assert not isinstance(theirs, NativeVector)
    assert mine.reset().tobytes() == theirs.reset().tobytes()
    for batch in actions(mine, 120):
        assert_same(mine.step(batch), theirs.step(batch))
    mine.close()
    theirs.close()


def test_an_episode_at_its_limit_is_truncated_and_not_terminated() -> None:
    with closing(vector("HalfCheetah-v5", limit=6)) as envs:
        envs.reset()
        steps = run(envs, actions(envs, 13))
    assert [step.truncated.all() for step in steps] == [False] * 5 + [True] + [False] * 6 + [True]
    assert not any(step.terminated.any() for step in steps)


def test_a_fall_is_terminated_and_one_at_the_limit_is_truncated_too() -> None:
    push = [np.full((1, 1), 3.0)] * 50
    with closing(native_vector("InvertedPendulum-v5", 1, SEED)) as envs:
        envs.reset()
        steps = run(envs, push)
        fall = next(number for number, step in enumerate(steps) if step.terminated[0])
        assert not any(step.truncated[0] for step in steps)
    with closing(native_vector("InvertedPendulum-v5", 1, SEED, limit=fall + 1)) as envs:
        envs.reset()
        last = run(envs, push[: fall + 1])[-1]
        assert last.terminated[0]
        assert last.truncated[0]


def test_gymnasiums_limit_holds_where_none_is_given() -> None:
    with closing(native_vector("Reacher-v5", 1, SEED)) as envs:
        envs.reset()
        assert [step.truncated[0] for step in run(envs, actions(envs, 51))].index(True) == 49


@every_kind
def test_the_step_after_an_end_begins_the_next_episode_and_ignores_its_action(identifier: str) -> None:
    one, other = vector(identifier, limit=4), vector(identifier, limit=4)
    one.reset(), other.reset()
    for step, batch in enumerate(actions(one, 9)):
        mine, theirs = one.step(batch), other.step(-batch if step == 4 else batch)
        assert_same(mine, theirs)
        if step == 4:
            assert (mine.reward == 0).all()
            assert not (mine.terminated | mine.truncated).any()
            np.testing.assert_array_equal(mine.observation, first_observations(identifier, 1))
    one.close()
    other.close()


def first_observations(identifier: str, episode: int) -> np.ndarray:
    """What episode number `episode` of every environment begins with."""
    with closing(vector(identifier)) as envs:
        for _ in range(episode + 1):
            seen = envs.reset().copy()
    return seen


@every_kind
def test_a_transition_stays_as_it_is_during_the_next_step(identifier: str) -> None:
    with closing(vector(identifier)) as envs:
        envs.reset()
        before = envs.step(actions(envs, 1)[0])
        for batch in actions(envs, 40):
            kept = Transition(*(array.copy() for array in before))
            after = envs.step(batch)
            assert_same(before, kept)
            before = after


@every_kind
def test_a_continuation_is_exact_at_any_step(identifier: str) -> None:
    for steps in (0, 24, 25, 26, 61):
        with closing(vector(identifier)) as original, closing(vector(identifier, seed=1234)) as heir:
            seen = original.reset()
            batches = actions(original, steps + 60)
            for transition in run(original, batches[:steps]):
                seen = transition.observation
            heir.reset()
            run(heir, batches[:3])
            np.testing.assert_array_equal(heir.load_state(original.state()), seen)
            for name, value in original.state().items():
                np.testing.assert_array_equal(heir.state()[name], value, err_msg=name)
            assert_all_same(run(heir, batches[steps:]), run(original, batches[steps:]))


def test_a_state_does_not_change_when_the_environments_go_on() -> None:
    with closing(vector("Hopper-v5")) as envs:
        envs.reset()
        state = envs.state()
        kept = {name: value.copy() for name, value in state.items()}
        run(envs, actions(envs, 30))
        for name, value in kept.items():
            np.testing.assert_array_equal(state[name], value)


def test_a_state_that_does_not_fit_is_refused() -> None:
    with closing(vector("Hopper-v5", count=2)) as one, closing(vector("Hopper-v5")) as other:
        one.reset()
        with pytest.raises(CheckpointError, match=r"saved episode \(2,\) does not fit 3 x 'Hopper-v5'"):
            other.load_state(one.state())
    with closing(vector("Walker2d-v5")) as one, closing(vector("Hopper-v5")) as other:
        one.reset()
        with pytest.raises(CheckpointError, match="saved physics"):
            other.load_state(one.state())


def test_a_state_of_the_other_engine_is_refused_with_what_to_do() -> None:
    made = (
        environment("Hopper-v5").make_vector(GymnasiumOptions(sampler_engine=e), 1, 0) for e in ("native", "gymnasium")
    )
    mine, theirs = made
    mine.reset(), theirs.reset()
    with pytest.raises(CheckpointError, match="not of the native engine; resume with sampler_engine: gymnasium"):
        mine.load_state(theirs.state())
    with pytest.raises(CheckpointError, match="not of the gymnasium engine; resume with sampler_engine: native"):
        theirs.load_state(mine.state())


@every_kind
def test_threads_change_nothing(identifier: str) -> None:
    with closing(vector(identifier, count=5)) as one, closing(vector(identifier, count=5, threads=2)) as two:
        assert one.reset().tobytes() == two.reset().tobytes()
        assert_all_same(run(one, actions(one, 40)), run(two, actions(two, 40)))


@pytest.mark.parametrize("kind", [BatchSimulations, LoopSimulations])
def test_both_kinds_of_simulations_compute_the_same(kind: Any) -> None:
    task, seen = TASKS["Humanoid-v5"], []
    for simulations in (simulate(task, load_model(task), 2), kind(load_model(task), 2, task.fields, 1)):
        simulations.ctrl[:] = 0.2
        simulations.step(7)
        simulations.ctrl[:] = -0.1
        simulations.step(3, np.array([1]))
        kept = [field for name, field in simulations.fields.items() if name != "cfrc_ext"]
        seen.append([simulations.state.copy(), *(field.copy() for field in kept)])
        simulations.close()
    for mine, theirs in zip(*seen, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_actions_of_a_wrong_shape_are_refused() -> None:
    with closing(vector("Hopper-v5")) as envs:
        envs.reset()
        with pytest.raises(ValueError, match=r"\(3,\), 'Hopper-v5' takes \(3, 3\)"):
            envs.step(np.zeros(3))

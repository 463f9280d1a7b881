"""Real time, pause and episodes, with a trained policy in its environment."""

from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

from spreeze import registry
from spreeze.run_folder import load_settings
from spreeze.viewer.player import Player
from spreeze.viewer.session import END_S, LATE_S, Session, step_seconds
from spreeze.viewer.weights import Acting, FileWeights, Which

DT = 0.008
"""One step of the hopper: four substeps of 2 ms."""


class Counted:
    """Weights of a run, with a count of how often they were asked for; the best may be missing."""

    def __init__(self, files: FileWeights, missing: Which | None = None) -> None:
        self._files, self._missing, self.asked = files, missing, 0

    def fetch(self, which: Which) -> Acting | None:
        self.asked += 1
        return None if which == self._missing else self._files.fetch(which)


@pytest.fixture
def env(hopper: Path) -> Iterator[gymnasium.Env]:
    settings = load_settings(hopper / "config.yaml")
    made = registry.environment(settings.env).make_rendered(settings.environment)
    yield made
    made.close()


@pytest.fixture
def files(hopper: Path) -> FileWeights:
    return FileWeights.of(hopper, load_settings(hopper / "config.yaml"), 0)


@pytest.fixture
def session(env: gymnasium.Env, files: FileWeights) -> Session:
    """A session whose clock stands still: no step seems to take time."""
    return Session(env, Counted(files), seed=5, clock=lambda: 0.0)


def player(session: Session) -> Player:
    assert session.player is not None
    return session.player


def begun(session: Session) -> Player:
    assert session.advance(0.0)
    return player(session)


def play_out(session: Session) -> None:
    """Go on to the end of the episode."""
    for _ in range(100_000):
        if player(session).done:
            return
        session.advance(DT)
    raise AssertionError("the episode has no end")


def test_steps_are_taken_in_real_time(session: Session) -> None:
    assert session.dt == pytest.approx(DT)
    hopping = begun(session)
    assert session.advance(3.5 * DT) and hopping.length == 3
    assert session.advance(0.6 * DT) and hopping.length == 4
    assert not session.advance(0.5 * DT) and hopping.length == 4
    assert session.seconds == pytest.approx(4 * DT)


def test_twice_the_speed_is_twice_the_steps(session: Session) -> None:
    session.speed = 2.0
    hopping = begun(session)
    session.advance(3.1 * DT)
    assert hopping.length == 6


def test_what_is_later_than_the_limit_is_left_out(session: Session) -> None:
    hopping = begun(session)
    session.advance(60.0)
    assert hopping.length == int(LATE_S / DT)


def test_no_time_passes_while_paused_and_a_step_is_one(session: Session) -> None:
    hopping = begun(session)
    session.paused = True
    assert not session.advance(1.0) and hopping.length == 0
    session.step()
    assert hopping.length == 1 and not session.advance(1.0)


def test_an_end_stands_still_then_the_next_episode_begins_with_the_next_seed(session: Session) -> None:
    first = begun(session)
    play_out(session)
    [end] = session.finished
    assert (end.number, end.total, end.length, end.seed) == (1, first.total, first.length, 5)
    assert not session.advance(END_S / 2) and player(session) is first
    assert session.advance(END_S) and player(session) is not first
    assert (session.episodes, session.seed, player(session).length) == (2, 7, 0)


def test_the_same_seed_and_weights_give_the_same_return(session: Session) -> None:
    begun(session)
    play_out(session)
    session.begin_with(5)
    play_out(session)
    assert session.finished[0][1:] == session.finished[1][1:]


def test_an_episode_keeps_the_weights_that_it_began_with(session: Session) -> None:
    begun(session)
    play_out(session)
    assert isinstance(session.weights, Counted) and session.weights.asked == 1
    session.advance(END_S)
    assert session.weights.asked == 2


def test_other_weights_begin_another_episode(session: Session) -> None:
    begun(session)
    session.advance(3 * DT)
    assert session.choose("best") and player(session).length == 0
    assert session.acting is not None and session.acting.label.startswith("best ")


def test_weights_that_are_not_there_change_nothing(env: gymnasium.Env, files: FileWeights) -> None:
    session = Session(env, Counted(files, missing="best"), clock=lambda: 0.0)
    hopping = begun(session)
    assert not session.choose("best")
    assert session.which == "newest" and player(session) is hopping


def test_without_weights_nothing_begins_yet(env: gymnasium.Env, files: FileWeights) -> None:
    session = Session(env, Counted(files, missing="newest"), clock=lambda: 0.0)
    assert not session.advance(1.0)
    session.step()
    assert session.player is None and session.episodes == 0


def test_an_environment_without_a_step_time_is_played_at_its_frame_rate() -> None:
    env = gymnasium.make("MountainCarContinuous-v0", render_mode="rgb_array")
    assert step_seconds(env) == pytest.approx(1 / 30)
    env.close()


def test_the_reached_speed_is_measured(env: gymnasium.Env, files: FileWeights) -> None:
    now = [0.0]
    session = Session(env, files, clock=lambda: now[0])
    session.speed = 0.5
    begun(session)
    for _ in range(110):
        now[0] += 0.01
        session.advance(0.01)
        if player(session).done:
            session.begin()
    assert session.reached_speed == pytest.approx(0.5, rel=0.1)

"""D4RL's files: where episodes end, which ends are terminations, and what is known of each kind of environment."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest

from spreeze.dataset import Episode
from spreeze.envs.datasets import open_dataset
from spreeze.envs.datasets.d4rl import KNOWN, NAME
from spreeze.errors import DatasetError
from tests.envs.datasets.made_datasets import d4rl_at, rows

FILE = "hopper_medium_replay-v2.hdf5"


def read(path: Path) -> list[Episode]:
    found = open_dataset(str(path), "Hopper-v4")
    assert found is not None
    episodes = list(found.episodes())
    assert sum(len(e.reward) for e in episodes) == found.steps
    return episodes


def test_episodes_end_after_terminals_timeouts_and_the_last_row(tmp_path: Path) -> None:
    episodes = read(d4rl_at(tmp_path / FILE))
    assert [e.reward.tolist() for e in episodes] == [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    assert [e.terminated.tolist() for e in episodes] == [[False] * 3 + [True], [False] * 3, [False] * 2]


def test_the_final_observation_is_the_stored_next_one_not_the_following_row(tmp_path: Path) -> None:
    first, second, third = read(d4rl_at(tmp_path / FILE))
    assert first.observation[:, 0].tolist() == [0, 1, 2, 3, 4.5]
    assert second.observation[:, 0].tolist() == [4, 5, 6, 7.5]
    assert third.observation[:, 0].tolist() == [7, 8, 9]


def test_a_row_that_does_not_follow_begins_an_episode(tmp_path: Path) -> None:
    arrays = rows()
    arrays["next_observations"][1] += 0.01
    episodes = read(d4rl_at(tmp_path / FILE, arrays))
    assert [e.reward.tolist() for e in episodes] == [[0, 1], [2, 3], [4, 5, 6], [7, 8]]
    assert not episodes[0].terminated.any()


def test_noise_of_floats_ends_no_episode(tmp_path: Path) -> None:
    arrays = rows()
    arrays["next_observations"] *= np.float32(1 + 1e-6)
    assert len(read(d4rl_at(tmp_path / FILE, arrays))) == 3


def test_columns_of_one_number_are_columns(tmp_path: Path) -> None:
    arrays = rows()
    for name in ("rewards", "terminals", "timeouts"):
        arrays[name] = arrays[name][:, None]
    assert [e.reward.shape for e in read(d4rl_at(tmp_path / FILE, arrays))] == [(4,), (3,), (2,)]


def test_a_terminal_that_is_also_a_timeout_is_a_termination(tmp_path: Path) -> None:
    arrays = rows()
    arrays["timeouts"][3] = True
    assert read(d4rl_at(tmp_path / FILE, arrays))[0].terminated[-1]


def test_a_file_without_timeouts_ends_where_rows_do_not_follow(tmp_path: Path) -> None:
    arrays = rows()
    del arrays["timeouts"]
    assert [len(e.reward) for e in read(d4rl_at(tmp_path / FILE, arrays))] == [4, 3, 2]


def test_last_steps_whose_next_observation_is_unknown_are_left_out_and_counted(tmp_path: Path) -> None:
    arrays = rows()
    del arrays["next_observations"]
    arrays["terminals"][:] = False
    with pytest.warns(UserWarning, match="2 last steps"):
        episodes = read(d4rl_at(tmp_path / FILE, arrays))
    assert [e.reward.tolist() for e in episodes] == [[0, 1, 2, 3, 4, 5], [7]]
    assert episodes[0].observation[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_terminals_whose_next_observation_is_unknown_are_refused(tmp_path: Path) -> None:
    arrays = rows()
    del arrays["next_observations"]
    with pytest.raises(DatasetError, match="1 terminal rows are unknown"):
        read(d4rl_at(tmp_path / FILE, arrays))


def test_actions_beyond_their_bounds_are_clipped(tmp_path: Path) -> None:
    arrays = rows()
    arrays["actions"][0] = [1.5, -2, 0.25]
    assert read(d4rl_at(tmp_path / FILE, arrays))[0].action[0].tolist() == [1, -1, 0.25]


@pytest.mark.parametrize(
    ("name", "environment", "kind"),
    [
        ("hopper_medium_replay-v2.hdf5", "hopper", "medium-replay"),
        ("hopper-medium-replay-v2.hdf5", "hopper", "medium-replay"),
        ("walker2d_medium_expert-v2.hdf5", "walker2d", "medium-expert"),
        ("halfcheetah_random-v2.hdf5", "halfcheetah", "random"),
        ("ant_full_replay-v2.hdf5", "ant", "full-replay"),
    ],
)
def test_a_name_says_environment_and_kind(name: str, environment: str, kind: str) -> None:
    match = NAME.fullmatch(name)
    assert match is not None
    assert (match["environment"], match["kind"].replace("_", "-")) == (environment, kind)


@pytest.mark.parametrize("name", ["data.hdf5", "hopper_medium-v0.hdf5", "hopper_medium.hdf5", "maze_random-v2.hdf5"])
def test_a_name_of_no_known_dataset_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"hdf5"):
        open_dataset(str(d4rl_at(tmp_path / name)), "Hopper-v4")


def test_a_digest_is_that_of_the_file_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = d4rl_at(tmp_path / FILE)
    found = open_dataset(str(path), "Hopper-v4")
    assert found is not None
    assert (found.kind, found.environment) == ("medium-replay", "Hopper-v2")
    d4rl_at(path, rows(8))
    with pytest.raises(DatasetError, match="was changed"):
        list(found.episodes())


def test_scores_are_those_that_d4rl_publishes() -> None:
    scale = KNOWN["hopper"].reference
    assert scale.score(3234.3) == 100
    assert scale.score(-20.272305) == 0
    assert "D4RL, v2" in scale.source


@pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
@pytest.mark.parametrize("name", KNOWN)
def test_sizes_and_bounds_are_those_of_the_environment(name: str) -> None:
    environment = gymnasium.make(f"{KNOWN[name].identifier}-v4")
    assert environment.observation_space.shape == (KNOWN[name].observation,)
    actions = environment.action_space
    assert isinstance(actions, gymnasium.spaces.Box)
    assert actions.shape == (KNOWN[name].action,)
    assert (actions.low == -1).all()
    assert (actions.high == 1).all()
    environment.close()

"""Folders in Minari's format that lead elsewhere or contradict themselves are refused; nothing they name is made."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from spreeze.envs.datasets import find_dataset, open_dataset
from spreeze.errors import DatasetError
from tests.envs.datasets.hostile import Watched, read_all
from tests.envs.datasets.made_datasets import WIDTH, folder_at, foreign_folder_at


@pytest.mark.parametrize("name", ["data/main_data.hdf5", "data/metadata.json", "card.json", "data"])
def test_a_part_of_a_folder_that_leads_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    other, folder = folder_at(tmp_path / "other"), folder_at(tmp_path / "set")
    target = folder / name
    target.rename(tmp_path / "taken")
    target.symlink_to(other / name)
    with pytest.raises(DatasetError, match="leads out of its folder"):
        read_all(folder, "Hopper-v5")


def test_a_folder_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder_at(tmp_path / "set"))
    read_all(tmp_path / "link", "Hopper-v5")


def test_data_that_are_not_those_of_the_card_are_refused(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "set")
    path = folder / "data/main_data.hdf5"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DatasetError, match="is not the file of its card"):
        read_all(folder, "Hopper-v5")


@pytest.mark.parametrize(
    ("part", "value", "complaint"),
    [
        ("observations", np.zeros((5, WIDTH)), "'episode_0/observations' is .5, 11., expected is .6, 11."),
        ("observations", np.zeros((6, WIDTH - 1)), "expected is .6, 11."),
        ("actions", np.zeros((5, 2), np.float32), "'episode_0/actions' is .5, 2., expected is .5, 3."),
        ("rewards", np.zeros((5, 1)), "expected is"),
        ("terminations", np.zeros(4, bool), "'episode_0/terminations' is .4,., expected is .5,."),
        ("truncations", np.full(5, np.nan), "holds NaN"),
    ],
)
def test_an_episode_of_contradicting_parts_is_refused(
    tmp_path: Path, part: str, value: np.ndarray, complaint: str
) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        del file[f"episode_0/{part}"]
        file[f"episode_0/{part}"] = value
    with pytest.raises(DatasetError, match=complaint):
        read_all(folder, "Hopper-v5")


def test_an_episode_in_another_file_is_refused(tmp_path: Path, watched: Watched, secret: Path) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        del file["episode_1"]
        file["episode_1"] = h5py.ExternalLink(str(secret), "/")
    watched.touched()
    with pytest.raises(DatasetError, match="'/episode_1' is a link"):
        read_all(folder, "Hopper-v5")
    assert not watched.touched()


def test_an_episode_goes_on_after_a_termination_as_another_one(tmp_path: Path) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        file["episode_0/terminations"][1] = True
    found = open_dataset(str(folder), "Hopper-v5")
    assert found is not None
    episodes = list(found.episodes())
    assert [len(e.reward) for e in episodes] == [2, 3, 1, 7]
    assert episodes[0].observation[-1, 0] == episodes[1].observation[0, 0] == 2


METADATA: list[tuple[str, object, str]] = [
    ("total_steps", -1, "`total_steps` is -1"),
    ("total_steps", 12, "holds 13 steps, its description says 12"),
    ("total_episodes", 4, "holds 3 episodes of 4"),
    ("total_episodes", "3", "`total_episodes` is '3'"),
    ("data_format", "arrow", "format 'arrow'; read is hdf5"),
    ("env_spec", None, "does not say in which environment"),
    ("env_spec", "{", "holds no JSON"),
    ("env_spec", '{"id": "Hopper-v5", "kwargs": "abc"}', "are 'abc', not an object"),
    ("env_spec", "[" * 100_000, "holds no JSON"),
    ("action_space", None, "holds no `action_space`"),
    ("action_space", '{"type": "Dict"}', "read are Box"),
    ("action_space", '{"type": "Box", "low": 1, "high": [], "shape": [3], "dtype": "float32"}', "makes no sense"),
    ("observation_space", '{"type": "Discrete", "n": 3, "start": 0}', "read are arrays of floats"),
]


@pytest.mark.parametrize(("key", "value", "complaint"), METADATA)
def test_metadata_that_make_no_sense_are_refused(tmp_path: Path, key: str, value: object, complaint: str) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    path = folder / "data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DatasetError, match=complaint):
        read_all(folder, "Hopper-v5")


def test_scores_that_no_float_holds_are_no_reference(tmp_path: Path) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    path = folder / "data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ref_min_score": 0, "ref_max_score": 10**400}))
    assert find_dataset(str(folder)).reference is None


def test_an_entry_point_in_the_metadata_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = foreign_folder_at(tmp_path / "set")
    path = folder / "data/metadata.json"
    about = json.loads(path.read_text())
    spec = json.dumps(json.loads(about["env_spec"]) | {"entry_point": "trap:Environment"})
    del about["observation_space"]
    path.write_text(json.dumps(about | {"env_spec": spec, "eval_env_spec": spec}))
    with pytest.raises(DatasetError, match="observation_space"):
        read_all(folder, "Hopper-v5")
    assert not (tmp_path / "sprung").exists()
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    ("key", "value"), [("digest", "../x"), ("digest", 5), ("steps", 1.5), ("environment", None), ("episodes", True)]
)
def test_a_card_that_makes_no_sense_is_refused(tmp_path: Path, key: str, value: object) -> None:
    folder = folder_at(tmp_path / "set")
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DatasetError):
        open_dataset(str(folder), "Hopper-v5")


def test_a_description_of_absurd_length_is_refused(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "set")
    with (folder / "card.json").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(DatasetError, match="longer than 16 MiB"):
        open_dataset(str(folder), "Hopper-v5")

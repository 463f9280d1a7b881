"""Datasets by name: what is found, what it says of itself, and what is refused for another environment."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spreeze import registry
from spreeze.dataset import Dataset, Reference
from spreeze.envs import datasets
from spreeze.envs.datasets import download, known_datasets, open_dataset
from spreeze.errors import DatasetError
from tests.envs.datasets.made_datasets import (
    LENGTHS,
    REFERENCE,
    d4rl_at,
    episode,
    folder_at,
    foreign_folder_at,
)


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local folder of Minari, and an empty folder of shipped datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setattr(datasets, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "minari"


def assert_same_episodes(found: Dataset) -> None:
    pieces = list(found.episodes())
    assert [len(piece.reward) for piece in pieces] == list(LENGTHS)
    for index, piece in enumerate(pieces):
        expected = episode(index)
        np.testing.assert_array_equal(piece.observation, expected.observation)
        np.testing.assert_allclose(piece.action, expected.action, atol=1e-6)
        np.testing.assert_array_equal(piece.reward, expected.reward)
        np.testing.assert_array_equal(piece.terminated, expected.terminated)
        assert [part.dtype.name for part in piece] == ["float32", "float32", "float32", "bool"]


def test_a_folder_with_a_card_is_what_its_card_says(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "set")
    found = open_dataset(str(folder), "Hopper-v5")
    assert found is not None
    about = (found.name, found.environment, found.kind, found.steps, found.reference)
    assert about == ("hopper/medium-v0", "Hopper-v5", "medium", sum(LENGTHS), REFERENCE)
    assert found.digest == json.loads((folder / "card.json").read_text())["digest"]
    assert_same_episodes(found)


@pytest.mark.parametrize("inner", ["", "data"])
def test_a_folder_without_a_card_is_what_minari_says(tmp_path: Path, inner: str) -> None:
    folder = foreign_folder_at(tmp_path / "set") / inner
    found = open_dataset(str(folder), "Hopper-v5")
    assert found is not None
    assert (found.name, found.environment, found.kind, found.steps) == (str(folder), "Hopper-v5", "", sum(LENGTHS))
    assert found.reference == Reference(REFERENCE.minimum, REFERENCE.maximum, "Minari dataset hopper/medium-v0")
    assert_same_episodes(found)


def test_a_dataset_of_minari_itself_is_read(local: Path) -> None:
    """Written by Minari's own library, read by ours, and the same to Minari."""
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    episodes = [episode(index) for index in range(len(LENGTHS))]
    buffers = [
        EpisodeBuffer(
            observations=e.observation.astype(np.float64),
            actions=e.action,
            rewards=e.reward,
            terminations=e.terminated,
            truncations=np.arange(len(e.reward)) == (-1 if e.terminated[-1] else len(e.reward) - 1),
        )
        for e in episodes
    ]
    options = {"ref_min_score": -20.0, "ref_max_score": 3000.0}
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers("toy/hop-v0", buffers, env=gymnasium.make("Hopper-v5"), **options)
    found = open_dataset("toy/hop-v0", "Hopper-v5")
    assert found is not None
    assert_same_episodes(found)
    theirs = minari.load_dataset("toy/hop-v0")
    for ours, other in zip(found.episodes(), theirs.iterate_episodes(), strict=True):
        np.testing.assert_array_equal(ours.observation, other.observations)
        np.testing.assert_array_equal(ours.action, other.actions)


def test_without_a_name_the_shipped_one_of_exactly_that_environment_is_given() -> None:
    assert open_dataset(None, "Hopper-v5") is None
    folder_at(datasets.SHIPPED / "hopper/medium-v0")
    replay = "hopper/medium-replay-v0"
    folder_at(datasets.SHIPPED / replay, name=replay, kind="medium-replay")
    found = open_dataset(None, "Hopper-v5")
    assert found is not None
    assert found.name == replay
    assert open_dataset(None, "Hopper-v4") is None
    assert_same_episodes(found)
    assert open_dataset(replay, "Hopper-v5") is not None


def test_an_environment_opens_its_datasets() -> None:
    folder_at(datasets.SHIPPED / "hopper/medium-v0")
    hopper, pendulum = registry.environment("hopper").dataset, registry.environment("pendulum").dataset
    assert hopper is not None
    assert pendulum is not None
    found = hopper(None)
    assert found is not None
    assert found.name == "hopper/medium-v0"
    assert pendulum(None) is None


def test_a_local_name_is_found_where_minari_keeps_it(local: Path) -> None:
    foreign_folder_at(local / "mujoco/hopper/expert-v0")
    found = open_dataset("mujoco/hopper/expert-v0", "Hopper-v5")
    assert found is not None
    assert found.name == "mujoco/hopper/expert-v0"


def test_the_listing_holds_what_is_shipped_what_is_local_and_what_is_broken(local: Path) -> None:
    folder_at(datasets.SHIPPED / "hopper/medium-v0")
    foreign_folder_at(local / "mujoco/hopper/expert-v0")
    broken = foreign_folder_at(local / "broken-v0")
    (broken / "data/metadata.json").write_text("{")
    lines = {listed.name: listed for listed in known_datasets()}
    assert sorted(lines) == ["broken-v0", "hopper/medium-v0", "mujoco/hopper/expert-v0"]
    assert (lines["hopper/medium-v0"].place, lines["hopper/medium-v0"].episodes) == ("shipped", len(LENGTHS))
    assert (lines["mujoco/hopper/expert-v0"].place, lines["mujoco/hopper/expert-v0"].steps) == ("local", sum(LENGTHS))
    assert "holds no JSON" in lines["broken-v0"].problem


def test_an_unknown_name_is_told_what_exists_and_what_to_do(local: Path) -> None:
    foreign_folder_at(local / "toy/hop-v0")
    with pytest.raises(DatasetError) as caught:
        open_dataset("mujoco/hopper/medium-v0", "Hopper-v5")
    for part in ("mujoco/hopper/medium-v0", "spreeze dataset download mujoco/hopper/medium-v0", "toy/hop-v0"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc", "nothing", "", "a/../b-v0", "/nowhere/x.hdf5"])
def test_names_of_nothing_are_refused(name: str) -> None:
    with pytest.raises(DatasetError):
        open_dataset(name, "Hopper-v5")


@pytest.mark.parametrize(("recorded", "run"), [("Hopper-v5", "Hopper-v4"), ("Hopper-v4", "Hopper-v5")])
def test_versions_of_an_environment_are_never_mixed(tmp_path: Path, recorded: str, run: str) -> None:
    folder = folder_at(tmp_path / "set", recorded)
    with pytest.raises(DatasetError, match=rf"{recorded}.*{run}.*--env {recorded}"):
        open_dataset(str(folder), run)


def test_data_of_version_2_are_for_the_environment_of_version_4_alone(tmp_path: Path) -> None:
    path = d4rl_at(tmp_path / "hopper_medium_replay-v2.hdf5")
    assert open_dataset(str(path), "Hopper-v4") is not None
    for run in ("Hopper-v5", "Walker2d-v4", "Hopper-v2"):
        with pytest.raises(DatasetError, match=r"Hopper-v2.*--env Hopper-v4"):
            open_dataset(str(path), run)


def test_an_environment_that_was_changed_by_arguments_is_another(tmp_path: Path) -> None:
    folder = foreign_folder_at(tmp_path / "set")
    path = folder / "data/metadata.json"
    about = json.loads(path.read_text())
    spec = json.loads(about["env_spec"])
    for arguments, fits in (({"render_mode": "rgb_array"}, True), ({"terminate_when_unhealthy": False}, False)):
        path.write_text(json.dumps(about | {"env_spec": json.dumps(spec | {"kwargs": arguments})}))
        if fits:
            assert open_dataset(str(folder), "Hopper-v5") is not None
            continue
        with pytest.raises(DatasetError, match="terminate_when_unhealthy"):
            open_dataset(str(folder), "Hopper-v5")


def test_a_download_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_REMOTE", "nowhere://x")
    with pytest.raises(DatasetError, match=r"cannot download 'mujoco/hopper/medium-v0'.*network"):
        download("mujoco/hopper/medium-v0")
    with pytest.raises(DatasetError, match="no Minari id"):
        download("../hopper")


def test_opening_the_shipped_default_imports_no_library_of_files(root: Path) -> None:
    code = "import sys; from spreeze.envs.datasets import open_dataset; open_dataset(None, 'Hopper-v5')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], cwd=root, capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"h5py", "minari", "gymnasium", "mujoco"}

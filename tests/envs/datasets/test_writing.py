"""Recorded folders are Minari's, to the bit what was played, small, and whole whenever the writer is killed."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest

from spreeze.dataset import Episode, Reference
from spreeze.envs.datasets import find_dataset
from spreeze.envs.datasets.writing import DatasetWriter, minari_metadata, sha256
from spreeze.errors import DatasetError
from tests.envs.datasets.writing_script import ACTION, OBSERVATION, episode, writer

SCRIPT = Path(__file__).with_name("writing_script.py")


def recorded(folder: Path, count: int, batch: int = 1) -> DatasetWriter:
    """A finished recording of the first `count` episodes."""
    recording = writer(folder)
    for begin in range(0, count, batch):
        recording.add([episode(index) for index in range(begin, min(begin + batch, count))])
    recording.finish({"name": "toy/random-v0", "environment": "Pendulum-v1", "kind": "random", "reference": None})
    return recording


def assert_holds(folder: Path, least: int) -> int:
    """Minari and spreeze read at least `least` episodes, each as it was played; return how many."""
    dataset = minari.MinariDataset(folder / "data")
    assert dataset.total_episodes >= least
    for index, found in enumerate(dataset.iterate_episodes()):
        played = episode(index)
        assert found.id == index
        assert found.observations.tobytes() == played.observation.tobytes()
        assert found.rewards.tobytes() == played.reward.tobytes()
        np.testing.assert_allclose(found.actions, played.action * [2, 0.5] + [0, 0.5], atol=1e-6)
        assert (found.terminations == played.terminated).all()
        assert found.truncations.tolist() == [False] * (len(played.reward) - 1) + [not played.terminated[-1]]
    own = list(find_dataset(str(folder)).episodes())
    assert index + 1 == len(own) == dataset.total_episodes
    for index, mine in enumerate(own):
        played = episode(index)
        assert mine.observation.tobytes() == played.observation.tobytes()
        assert mine.reward.tobytes() == played.reward.tobytes()
        assert mine.terminated.tolist() == played.terminated.tolist()
        np.testing.assert_allclose(mine.action, played.action, atol=1e-6)
    return len(own)


def test_minari_reads_what_was_recorded(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "toy", 30)
    assert assert_holds(tmp_path / "toy", 30) == 30
    dataset = minari.MinariDataset(tmp_path / "toy" / "data")
    assert dataset.total_steps == recording.steps == sum(len(episode(k).reward) for k in range(30))
    assert (dataset.observation_space, dataset.action_space) == (OBSERVATION, ACTION)
    assert "rewards=ndarray" in repr(dataset[3])


def test_minari_finds_it_by_name_and_makes_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gymnasium

    env = gymnasium.make("Pendulum-v1")
    spaces, reference = (env.observation_space, env.action_space), Reference(-1000.0, -200.0, "a test")
    about = {"algorithm_name": "none", "description": "a test"}
    metadata = minari_metadata("pendulum/random-v0", "Pendulum-v1", spaces, 50, reference, about)
    recording = DatasetWriter(tmp_path / "pendulum/random-v0", metadata, env.action_space)
    ones = np.ones((5, 1), np.float32)
    recording.add([Episode(np.ones((6, 3), np.float32), ones, ones[:, 0], np.zeros(5, bool))])
    recording.finish({})
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("pendulum/random-v0")
    assert dataset[0].actions.max() == 2.0
    made = dataset.recover_environment()
    assert made.spec is not None and (made.spec.id, made.spec.max_episode_steps) == ("Pendulum-v1", 50)
    assert gymnasium.spec("Pendulum-v1").max_episode_steps == 200
    assert minari.get_normalized_score(dataset, np.array([-200.0, -600.0])).tolist() == [1.0, 0.5]
    assert list(minari.list_local_datasets()) == ["pendulum/random-v0"]


@pytest.mark.parametrize("batch", [1, 7])
def test_a_recording_that_is_killed_keeps_every_episode_it_had_finished(batch: int, tmp_path: Path) -> None:
    random = np.random.default_rng(batch)
    for kill in range(8):
        folder = tmp_path / str(kill)
        command = [sys.executable, str(SCRIPT), str(folder), str(batch)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SCRIPT.parents[3]) as process:
            assert process.stdout is not None
            told = [process.stdout.readline()]
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(random.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        finished = int([line for line in told if line.endswith("\n")][-1])
        assert finished >= batch
        assert assert_holds(folder, finished) <= finished + batch
        assert not (folder / "card.json").exists()


def test_every_moment_between_two_commits_is_readable(tmp_path: Path) -> None:
    recording = writer(tmp_path / "toy")
    for index in range(12):
        recording.add([episode(index)])
        assert assert_holds(tmp_path / "toy", index + 1) == index + 1


def test_a_reader_keeps_what_it_opened_while_recording_goes_on(tmp_path: Path) -> None:
    recording = writer(tmp_path / "toy")
    recording.add([episode(0), episode(1)])
    with h5py.File(tmp_path / "toy/data/main_data.hdf5", "r") as opened:
        for index in range(2, 8):
            recording.add([episode(index)])
        assert sorted(opened) == ["episode_0", "episode_1"]
        assert opened["episode_1/rewards"][()].tobytes() == episode(1).reward.tobytes()
    recording.add([episode(8)])
    assert assert_holds(tmp_path / "toy", 9) == 9


def test_the_same_episodes_have_the_same_digest_however_they_came(tmp_path: Path) -> None:
    for name, batch in (("single", 1), ("by-seven", 7), ("at-once", 40)):
        recorded(tmp_path / name, 40, batch)
    cards = [json.loads((folder / "card.json").read_text()) for folder in sorted(tmp_path.iterdir())]
    assert cards[0] == cards[1] == cards[2]
    assert cards[0]["digest"] == sha256(tmp_path / "single/data/main_data.hdf5")
    assert cards[0]["episodes"] == 40


def test_an_episode_costs_about_two_kilobytes_beside_its_numbers(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "toy", 100)
    numbers = recording.steps * (3 + 2 + 1) * 4 + 100 * 3 * 4
    size = (tmp_path / "toy/data/main_data.hdf5").stat().st_size
    assert (size - numbers) / 100 < 2100
    assert sorted(path.name for path in (tmp_path / "toy/data").iterdir()) == ["main_data.hdf5", "metadata.json"]


def test_a_full_disk_is_told_and_costs_no_finished_episode(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, str(SCRIPT), str(tmp_path / "toy"), "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=SCRIPT.parents[3], preexec_fn=limit, timeout=60, check=False
    )
    finished = int(done.stdout.split()[-1])
    assert done.returncode == 1 and "DatasetError: cannot write an episode" in done.stderr
    assert f"the {finished} episodes before stay readable" in done.stderr
    assert assert_holds(tmp_path / "toy", finished) == finished > 10


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", 2)
    before = sha256(tmp_path / "toy/data/main_data.hdf5")
    with pytest.raises(DatasetError, match="holds something"):
        writer(tmp_path / "toy")
    assert sha256(tmp_path / "toy/data/main_data.hdf5") == before
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write a dataset"):
        writer(tmp_path / "file" / "toy")


def test_an_episode_with_parts_of_different_lengths_is_refused(tmp_path: Path) -> None:
    recording, good = writer(tmp_path / "toy"), episode(5)
    for broken in (good._replace(observation=good.observation[1:]), good._replace(action=good.action[1:]),
                   good._replace(terminated=good.terminated[1:]), good._replace(reward=good.reward[:0])):  # fmt: skip
        with pytest.raises(DatasetError, match="an episode of"):
            recording.add([broken])
    with pytest.raises(DatasetError, match="no whole episode"):
        recording.finish({})

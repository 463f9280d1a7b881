"""Numbers of a dataset are those of its episodes, and every dataset can be drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spreeze import dataset_plot
from spreeze.dataset import Dataset, Episode, Reference
from spreeze.dataset_plot import lines_of, principal, statistics, write_png
from spreeze.errors import DatasetError

REFERENCE = Reference(10.0, 30.0, "a test")


def episode(steps: int, reward: float, terminated: bool = False, size: int = 3) -> Episode:
    """An episode of equal rewards and random states."""
    random = np.random.default_rng(steps)
    flags = np.zeros(steps, bool)
    flags[-1] = terminated
    observation = random.normal(size=(steps + 1, size)).astype(np.float32)
    return Episode(observation, np.full((steps, 2), 0.5, np.float32), np.full(steps, reward, np.float32), flags)


def dataset(episodes: list[Episode], reference: Reference | None = REFERENCE) -> Dataset:
    steps = sum(len(e.reward) for e in episodes)
    return Dataset("toy/random-v0", "Toy-v0", "random", "0" * 64, steps, reference, lambda: iter(episodes))


def test_statistics_are_those_of_the_episodes() -> None:
    found = statistics([episode(4, 2.0), episode(10, 1.0, True), episode(6, 5.0)], 20)
    assert found.returns.tolist() == [8.0, 10.0, 30.0]
    assert found.lengths.tolist() == [4, 10, 6]
    assert found.terminated.tolist() == [False, True, False]
    assert found.states.shape == (23, 3)
    assert (found.steps, found.actions) == (20, (0.5, 0.0))


def test_lines_say_everything_with_its_reference() -> None:
    found = statistics([episode(4, 2.0), episode(10, 1.0, True), episode(6, 5.0)], 20)
    text = "\n".join(lines_of(found, REFERENCE))
    assert "3 episodes, 20 steps: 1 terminated, 2 cut" in text
    assert "score  30.0 in the mean, 100.0 the best episode; 0 is 10.0, 100 is 30.0 (a test)" in text
    assert "score" not in "\n".join(lines_of(found, None))


def test_discrete_actions_have_no_size() -> None:
    found = statistics([episode(4, 2.0)._replace(action=np.array([0, 1, 1, 0]))], 4)
    assert "action" not in "\n".join(lines_of(found, None))


def test_many_states_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_plot, "STATES", 100)
    episodes = [episode(49, 1.0) for _ in range(20)]
    found = statistics(episodes, 20 * 49)
    assert len(found.states) == 20 * 5
    assert found.states[:5].tolist() == episodes[0].observation[::10].tolist()


def test_principal_components_find_the_plane_in_which_states_lie() -> None:
    random = np.random.default_rng(0)
    plane, axes = random.normal(size=(5000, 2)), np.linalg.qr(random.normal(size=(6, 2)))[0]
    points, shares = principal(plane @ axes.T)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] >= shares[1] > 0.1
    assert abs(np.corrcoef(points.T)[0, 1]) < 1e-6


def test_constant_states_and_single_numbers_have_components_too() -> None:
    assert principal(np.ones((10, 4), np.float32))[0].tolist() == [[0.0, 0.0]] * 10
    points, shares = principal(np.arange(10.0)[:, None])
    assert shares.tolist() == [1.0, 0.0] and np.isfinite(points).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: dataset([episode(40, 1.0), episode(60, 0.1, True)]),
        lambda: dataset([episode(1, 0.0)], None),
        lambda: dataset([episode(30, 0.0, size=1)] * 5),
        lambda: dataset([episode(5, 1.0, True)._replace(action=np.zeros(5, np.int64))]),
    ],
    ids=["usual", "one step", "one number", "discrete"],
)
def test_every_dataset_is_drawn(make: Callable[[], Dataset], tmp_path: Path) -> None:
    drawn = make()
    write_png(drawn, statistics(drawn.episodes(), drawn.steps), tmp_path / "new" / "picture.png")
    assert (tmp_path / "new/picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    drawn = dataset([episode(4, 1.0)])
    with pytest.raises(DatasetError, match="cannot write"):
        write_png(drawn, statistics(drawn.episodes(), 4), tmp_path / "file" / "picture.png")


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(DatasetError, match="holds no episode"):
        statistics([], 0)

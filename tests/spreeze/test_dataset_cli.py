"""`spreeze dataset`: help at once, errors that say what to do, every command on real data."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spreeze.cli import main
from spreeze.dataset_cli import COMMANDS, aligned
from tests.spreeze.test_cli import SHOW_HELP, fails_with

RANDOM = ["--kind", "random", "--env", "pendulum", "--steps", "400"]
RECORD = ["dataset", "record", *RANDOM, "--reference-maximum", "-150"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one dataset was recorded by the command line."""
    folder = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, "-m", "spreeze", *RECORD], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    (folder / "said.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder to work in, with a Minari folder of its own that is empty."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path


@pytest.mark.parametrize("words", [["dataset", "--help"], *(["dataset", c, "--help"] for c in COMMANDS)], ids=" ".join)
def test_help_needs_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SHOW_HELP, *words], capture_output=True, text=True, check=True)
    shown, loaded = done.stdout.split("LOADED")
    assert "usage: spreeze dataset" in shown
    assert not {"torch", "numpy", "gymnasium", "mujoco", "h5py", "minari", "matplotlib"} & set(loaded.split())


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n  {command} " not in shown] == []
    assert main(["dataset"]) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("dataset lst", "did you mean 'list'"),
        ("dataset list all", "takes no options, given: all"),
        ("dataset show nowhere", "no dataset 'nowhere'"),
        ("dataset show", "DATASET"),
        ("dataset show mujoco/hopper/nothing-v0", "`spreeze dataset download mujoco/hopper/nothing-v0`"),
        ("dataset record --env pendulum", "--kind"),
        ("dataset record --kind meduim", "meduim"),
        ("dataset record --kind random --env pendulm", "pendulum"),
        ("dataset record --kind random --stps 5", "--steps"),
        ("dataset record --kind expert --from nowhere", "'nowhere' is neither a run folder"),
        ("dataset record --kind medium --env pendulum", "--reference-maximum"),
        ("dataset record --kind random --env cartpole --steps 0", "--steps 0: give at least 1"),
        ("dataset download not-an-id", "no Minari id"),
    ],
)
def test_what_cannot_be_served_is_answered(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    code, error = fails_with(line.split(), capsys)
    assert code == 2
    assert complaint in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_recording_says_what_came_of_it(home: Path) -> None:
    said = (home / "said.txt").read_text()
    assert "pendulum/random-v0: 2,000 steps, 10 episodes, digest " in said
    assert "finished: datasets/pendulum/random-v0" in said


def test_a_dataset_is_never_recorded_over_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = fails_with(RECORD, capsys)
    assert code == 2
    assert "datasets/pendulum/random-v0 holds something; remove it or choose another --out" in error


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The cells of every line of the table, by name."""
    assert main(["dataset", "list"]) == 0
    return {cells[0]: cells[1:] for cells in map(str.split, capsys.readouterr().out.splitlines())}


def test_what_was_recorded_here_is_listed_with_its_numbers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment, kind, episodes, steps, mean, score, _, where = listed(capsys)["datasets/pendulum/random-v0"]
    assert (environment, kind, episodes, steps, where) == ("Pendulum-v1", "random", "10", "2,000", "datasets/")
    assert -1700 < float(mean) < -900 and abs(float(score)) < 20


def test_a_dataset_without_card_is_listed_and_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listed(capsys)["datasets/pendulum/random-v0"]
    Path("datasets/pendulum/random-v0/card.json").unlink()
    environment, kind, *numbers = listed(capsys)["datasets/pendulum/random-v0"]
    assert (environment, kind) == ("Pendulum-v1", "-")
    assert numbers == before[2:]


def test_a_dataset_in_the_folder_of_minari_is_listed_once(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", "datasets")
    names = [name for name in listed(capsys) if "pendulum" in name]
    assert names == ["pendulum/random-v0"]


def test_a_broken_dataset_is_listed_with_its_reason(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("datasets/pendulum/random-v0/card.json").write_text("{")
    assert main(["dataset", "list"]) == 0
    assert "BROKEN datasets/pendulum/random-v0: " in capsys.readouterr().out


def corrupt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-100]), corrupt, Path.unlink])
def test_damaged_data_are_not_shown(
    damage: Callable[[Path], object], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(Path("datasets/pendulum/random-v0/data/main_data.hdf5"))
    code, error = fails_with(["dataset", "show", "datasets/pendulum/random-v0"], capsys)
    assert code == 2
    assert "Traceback" not in error and "main_data.hdf5" in error
    assert not list(Path().glob("*.png"))


def test_a_dataset_is_shown_in_numbers_and_drawn(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "show", "datasets/pendulum/random-v0"]) == 0
    shown = capsys.readouterr().out
    assert "pendulum/random-v0: Pendulum-v1, random, SHA-256 " in shown
    assert "10 episodes, 2,000 steps: 0 terminated, 10 cut" in shown
    assert "minimum: mean return of 100 random episodes; maximum: given" in shown
    assert shown.splitlines()[-1] == "pendulum-random-v0.png"
    assert Path("pendulum-random-v0.png").read_bytes().startswith(b"\x89PNG")
    assert main(["dataset", "show", "datasets/pendulum/random-v0", "--out", "new/other.png"]) == 0
    assert Path("new/other.png").exists()


def test_a_download_without_network_or_package_says_what_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    code, error = fails_with(["dataset", "download", "mujoco/hopper/medium-v0"], capsys)
    assert code == 2
    assert "cannot download 'mujoco/hopper/medium-v0'" in error and "network" in error


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("a", "b", "c", "1"), ("long", "b", "c", "1,000")]
    assert aligned(rows) == ["a     b  c      1", "long  b  c  1,000"]

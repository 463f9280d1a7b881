"""What is left behind is found, whatever process number it bears, and nothing that somebody holds."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spreeze.leftovers import leftovers, remove
from spreeze.run_folder import claim
from spreeze.runtime import YOUNG_S, RuntimeFolder, is_held, left_behind

OLD_S = 2 * YOUNG_S


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only place for sockets and for runs."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def folder_of(base: Path, pid: int, age_s: float) -> Path:
    """A folder of sockets that nobody holds."""
    made = base / f"spreeze-{pid}-abc"
    made.mkdir()
    os.utime(made, (made.stat().st_mtime - age_s,) * 2)
    return made


def dead_pid() -> int:
    done = subprocess.Popen([sys.executable, "-S", "-c", ""])
    done.wait()
    return done.pid


def test_what_a_dead_process_left_is_found_however_young(base: Path) -> None:
    made = folder_of(base, dead_pid(), 0)
    assert list(left_behind(base)) == [made]


def test_a_number_that_another_process_bears_by_now_hides_nothing(base: Path) -> None:
    made = folder_of(base, os.getpid(), OLD_S)
    assert list(left_behind(base)) == [made]


def test_a_young_folder_of_a_living_process_may_not_be_held_yet(base: Path) -> None:
    folder_of(base, os.getpid(), 0)
    assert list(left_behind(base)) == []


def test_a_folder_that_is_held_is_never_left_behind(base: Path) -> None:
    runtime = RuntimeFolder()
    os.utime(runtime.path, (0, 0))
    held = runtime.path.rename(base / f"spreeze-{dead_pid()}-abc")  # As in a container of its own numbers.
    assert is_held(held) and list(left_behind(base)) == []
    runtime.close()
    assert not is_held(held) and list(left_behind(base)) == [held]


def test_twenty_are_removed_by_the_next_run_and_five_that_are_held_stay(base: Path) -> None:
    living = [RuntimeFolder() for _ in range(5)]
    dead = [base / f"spreeze-{dead_pid()}-{index}" for index in range(20)]
    for folder in dead:
        folder.mkdir()
    RuntimeFolder().close()
    assert [folder for folder in dead if folder.exists()] == []
    assert all(runtime.path.exists() for runtime in living)
    for runtime in living:
        runtime.close()
    assert list(base.iterdir()) == []


def test_a_link_to_somewhere_else_is_left_alone(base: Path) -> None:
    precious = base / "precious"
    precious.mkdir()
    (base / f"spreeze-{dead_pid()}-abc").symlink_to(precious)
    remove(leftovers())
    assert precious.exists()


def test_a_file_of_such_a_name_is_somebody_s_and_left_alone(base: Path) -> None:
    file = base / f"spreeze-{dead_pid()}-notes"
    file.write_text("mine")
    assert list(left_behind(base)) == [] and file.exists()


def test_unfinished_things_of_idle_runs_are_found_and_those_of_running_ones_are_not(base: Path) -> None:
    for name in ("idle", "running"):
        with claim(base / "runs" / name, fresh=True) as run:
            (run / "config.yaml").touch()
            (run / "checkpoints" / ".checkpoint-00000003").mkdir(parents=True)
            (run / "checkpoints" / "checkpoint-00000002").mkdir()
    with claim(base / "runs" / "running", fresh=False):
        found = leftovers()
    assert [path.relative_to(base.resolve() if path.is_absolute() else Path()).as_posix() for path in found] == [
        "runs/idle/checkpoints/.checkpoint-00000003"
    ]
    assert remove(found) == []
    assert (base / "runs" / "idle" / "checkpoints" / "checkpoint-00000002").exists()

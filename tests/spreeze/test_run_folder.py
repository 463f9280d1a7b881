"""The run folder: claimed by one process, private, found by name, and read as data."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from spreeze.config import RunOptions, Settings
from spreeze.errors import RunFolderError, UnknownName, UsageError
from spreeze.run_folder import (
    RUNS,
    claim,
    default_folder,
    find_run,
    load_settings,
    read_summary,
    save_settings,
    write_summary,
)


def settings(**options: Any) -> Settings:
    return Settings.from_data({"algo": "sac", "env": "pendulum", "run": options})


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own; returns its `runs`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def begin(folder: Path) -> Path:
    with claim(folder, fresh=True) as claimed:
        save_settings(claimed, settings())
    return folder


def test_a_claimed_folder_is_private_and_names_its_process(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "b", fresh=True) as folder:
        save_settings(folder, settings())
        assert folder == tmp_path / "a" / "b"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.yaml").stat().st_mode) == 0o600
        assert (folder / ".lock").read_text() == str(os.getpid())


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from spreeze.run_folder import claim\n"
        "with claim(Path(sys.argv[1]), True): pass"
    )
    with claim(tmp_path / "run", fresh=True):
        command = [sys.executable, "-c", code, str(tmp_path / "run")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"is in use by process {os.getpid()}; choose another --out, or stop it" in done.stderr


@pytest.mark.parametrize("fresh", [True, False])
def test_a_running_run_is_named_by_its_process_whatever_is_asked_of_it(fresh: bool, tmp_path: Path) -> None:
    with claim(tmp_path / "run", fresh=True) as folder:
        save_settings(folder, settings())
        with pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}"), claim(folder, fresh):
            pass
        assert (folder / ".lock").read_text() == str(os.getpid())


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from spreeze.run_folder import claim\n"
        "with claim(Path(sys.argv[1]), True): print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    with claim(tmp_path / "run", fresh=True) as folder:
        assert folder.is_dir()


def test_a_folder_that_holds_a_run_is_refused_with_the_way_to_go_on(tmp_path: Path) -> None:
    folder = begin(tmp_path / "run")
    with pytest.raises(RunFolderError, match=f"holds a run; `spreeze resume {folder}`"), claim(folder, fresh=True):
        pass
    with claim(folder, fresh=False) as claimed:
        assert claimed == folder


def test_a_folder_in_which_no_run_was_begun_is_removed_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no"), claim(tmp_path / "run", fresh=True):
        raise UsageError("no")
    assert not (tmp_path / "run").exists()


def test_files_of_the_user_are_never_removed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no"), claim(tmp_path / "run", fresh=True):
        raise UsageError("no")
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["file/run", "nul\0l", "x" * 300, "file"])
def test_a_folder_that_cannot_be_made_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write to the run folder"), claim(tmp_path / name, fresh=True):
        pass


def test_a_default_folder_names_algorithm_and_environment_and_is_not_taken(runs: Path) -> None:
    request = Settings("sac", "module.x:Odd Game-v0", RunOptions(), None, None)
    folders = []
    for _ in range(3):
        folders.append(default_folder(request))
        folders[-1].mkdir(parents=True)
    assert len(set(folders)) == 3
    assert all(folder.parent == Path("runs") for folder in folders)
    assert folders[0].name.startswith("sac-module.x-Odd-Game-v0-20")


def test_a_run_is_found_by_folder_checkpoint_or_as_the_latest(runs: Path) -> None:
    for index, name in enumerate(("b", "a")):
        folder = begin(runs / name)
        os.utime(folder / "config.yaml", (time.time() + index, time.time() + index))
    checkpoint = runs / "a" / "checkpoints" / "checkpoint-00000001"
    checkpoint.mkdir(parents=True)
    assert find_run("latest") == Path("runs/a")
    assert find_run("runs/b") == Path("runs/b")
    assert find_run(str(checkpoint)) == runs / "a"
    assert find_run("runs/a/checkpoints") == Path("runs/a")


@pytest.mark.parametrize("given", ["latest", "nowhere", "runs", "/"])
def test_what_is_no_run_is_refused(given: str, runs: Path) -> None:
    runs.mkdir()
    with pytest.raises(RunFolderError, match="run"):
        find_run(given)


def test_settings_survive_their_file(tmp_path: Path) -> None:
    given = settings(seed=3, steps=500, out="somewhere", batch_size=64, replay_ratio=8, devices="cpu")
    save_settings(tmp_path, given)
    assert load_settings(tmp_path / "config.yaml") == given


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("!!python/object/apply:os.mkdir ['harmed']", "cannot read the configuration"),
        ("[1, 2", "cannot read the configuration"),
        ("- a\n- b", "holds no mapping"),
        ("", "holds no mapping"),
        ("run: 5", "needs a mapping of options"),
        ("run: {seed: one}", "option 'seed' cannot be 'one'; expected int"),
        ("run: {samplers: many}", "expected int or auto"),
        ("run: {steps: 1.5}", "expected int or None"),
        ("run: {serial: 1}", "expected bool"),
        ("algorithm: {hidden: [64, big]}", "option 'hidden' cannot be"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_the_reason(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        load_settings(tmp_path / "config.yaml")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("runn: {}", "run"), ("run: {sed: 1}", "seed"), ("algorithm: {hiden: [1]}", "hidden"), ("algo: sak", "sac"),
     ("env: pendulun", "pendulum")],
)  # fmt: skip
def test_a_misspelt_name_in_a_configuration_is_answered_with_the_nearest(
    text: str, nearest: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        load_settings(tmp_path / "config.yaml")


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("config.yaml", "missing.yaml"):
        with pytest.raises(UsageError, match="cannot read the configuration"):
            load_settings(tmp_path / name)


def test_aliases_that_blow_up_and_deep_nesting_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: &a [x]\n" + "b: [" + "*a, " * 50_000 + "*a]")
    with pytest.raises(UsageError, match="too large"):
        load_settings(path)
    path.write_text("[" * 5_000 + "]" * 5_000)
    with pytest.raises(UsageError, match="cannot read"):
        load_settings(path)


def test_a_summary_is_replaced_at_once_and_a_broken_one_is_none(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == {}
    write_summary(tmp_path, {"a": 1})
    write_summary(tmp_path, {"a": 2})
    assert read_summary(tmp_path) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    (tmp_path / "summary.json").write_text('{"a": ')
    assert read_summary(tmp_path) == {}
    (tmp_path / "summary.json").write_text("[]")
    assert read_summary(tmp_path) == {}


def test_a_default_folder_lies_in_runs_however_long_or_strange_the_names(runs: Path) -> None:
    for env in ("x" * 300, "../../elsewhere:ENV", "/etc/passwd", "a\0b", "..", "\u202e" * 90, "module:" + "y" * 400):
        folder = default_folder(Settings("sac", env, RunOptions(), None, None))
        assert folder.parent == RUNS and len(folder.name) < 200 and folder.name[0] != "."
        folder.mkdir(parents=True)
        assert folder.resolve().parent == RUNS.resolve()

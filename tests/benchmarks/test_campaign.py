import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from rich.console import Console

TRAIN = """
import json, os, pathlib, sys
out, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
out.mkdir(parents=True)
evaluations = [
    {"seconds": 10.0 * k, "env_steps": 100 * k, "returns": [k, k + 2.0 * seed]} for k in (1, 3, 2)
]
summary = {
    "format": 1, "wall_seconds": 30.04, "env_steps": 300, "updates": 150, "evaluations": evaluations,
    "versions": {"torch": "2"}, "machine": {"host": "secret"}, "exit_reason": os.environ.get("EXIT_REASON", "finished"),
}
(out / "summary.json").write_text(json.dumps(summary))
print("trained", flush=True)
"""
SLOW = """
import pathlib, subprocess, sys, time
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(out / "pids.partial").write_text(f"{__import__('os').getpid()} {child.pid}")
(out / "pids.partial").rename(out / "pids")
time.sleep(60)
"""
SCRIPT = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import campaign, campaign_rows
signal.signal(signal.SIGTERM, signal.default_int_handler)
row = campaign_rows.Row("slow-0", ("{python}", "-c", sys.argv[3], "{out}"), "Toy-v0", "toy", 0, 1.0)
try:
    campaign.run(campaign.Campaign(Path(sys.argv[2]), [row]))
except KeyboardInterrupt:
    sys.exit(130)
"""
"""A campaign of one slow row, in a process that can be signalled."""


@pytest.fixture
def campaign(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("campaign")


@pytest.fixture
def process_of(campaign: ModuleType) -> ModuleType:
    return importlib.import_module("campaign_process")


@pytest.fixture
def make(campaign: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    """Build a campaign below `tmp_path` whose rows, one for each seed, run a script."""

    def build(*seeds: int, script: str = TRAIN) -> Any:
        command = ("{python}", "-c", script, "{out}", "{seed}")
        return campaign.Campaign(
            tmp_path, [campaign.Row(f"toy-{s}", command, "Toy-v0", "toy learner", s, 0.1) for s in seeds]
        )

    return build


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_finished_row_is_one_line_of_the_ledger(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(5)
    assert campaign.run(toy) == 0
    (entry,) = lines(toy.ledger)
    machine = entry.pop("machine")
    assert set(machine) == {"cpu", "cores", "memory_gib"}
    assert entry == {
        "row": "toy-5",
        "label": "toy learner",
        "environment": "Toy-v0",
        "seed": 5,
        "command": ["{python}", "-c", TRAIN, "{out}", "{seed}"],
        "commit": "unknown",
        "versions": {"torch": "2"},
        "wall_seconds": 30.0,
        "env_steps": 300,
        "updates": 150,
        "last_return": 8.0,
        "best_return": 8.0,
        "exit_reason": "finished",
        "curve": [[10.0, 100, 6.0], [20.0, 200, 7.0], [30.0, 300, 8.0]],
    }
    assert (toy.results / "toy-5.txt").read_text() == "trained\n"


def test_a_row_of_the_ledger_is_not_made_again(campaign: ModuleType, make: Callable[..., Any]) -> None:
    assert campaign.run(make(0)) == 0
    before = (make(0).results / "toy-0" / "summary.json").stat().st_mtime_ns
    assert campaign.run(make(0, 1)) == 0
    assert [entry["row"] for entry in lines(make().ledger)] == ["toy-0", "toy-1"]
    assert (make().results / "toy-0" / "summary.json").stat().st_mtime_ns == before


def test_only_rows_that_match_are_made(campaign: ModuleType, make: Callable[..., Any]) -> None:
    assert [row.name for row in make(0, 1, 2, 12).chosen("toy-0, -2")] == ["toy-0", "toy-2"]
    toy = make(0, 1, 12)
    campaign.run(toy, only="y-1")
    assert [entry["row"] for entry in lines(toy.ledger)] == ["toy-1", "toy-12"]
    assert [row.name for row in toy.chosen("t?y*2")] == ["toy-12"]


def test_no_row_begins_that_exceeds_the_budget(
    campaign: ModuleType, make: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert campaign.run(make(0), budget=5.0) == 0
    assert not make().ledger.exists()
    assert "do not fit" in capsys.readouterr().out


@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(3)", 3), ("print('no summary')", 0)])
def test_a_row_that_fails_is_told_and_stays_open(
    campaign: ModuleType, make: Callable[..., Any], capsys: pytest.CaptureFixture[str], script: str, code: int
) -> None:
    toy = make(0, 1, script=script)
    assert campaign.run(toy) == 2
    assert f"toy-1: FAILED with exit code {code}" in capsys.readouterr().out
    assert [row.name for row in toy.open_rows()] == ["toy-0", "toy-1"]


def test_a_run_that_was_interrupted_stays_open(
    campaign: ModuleType, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXIT_REASON", "interrupted")
    assert campaign.run(make(0)) == 1
    monkeypatch.delenv("EXIT_REASON")
    assert campaign.run(make(0)) == 0


def test_a_row_begins_from_scratch(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(0)
    remains = toy.results / "toy-0" / "checkpoints"
    remains.mkdir(parents=True)
    assert campaign.run(toy) == 0
    assert not remains.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_campaign_stops_its_row_and_leaves_it_open(
    campaign: ModuleType, make: Callable[..., Any], root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(root / "benchmarks"), str(tmp_path), SLOW]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as process:
        pids = tmp_path / "runs" / "campaign" / "slow-0" / "pids"
        wait_for(pids.exists)
        table = Console(width=120)
        slow = campaign.Campaign(tmp_path, [campaign.Row("slow-0", (), "Toy-v0", "toy", 0, 1.0)])
        with table.capture() as capture:
            table.print(campaign.status(slow))
        assert "running" in capture.get()
        with pytest.raises(campaign.CampaignError, match="running in this checkout: slow-0"):
            campaign.run(make(0))
        process.send_signal(number)
        assert process.wait(30) == 130
    assert not any(psutil.pid_exists(int(pid)) and is_running(int(pid)) for pid in pids.read_text().split())
    assert not (tmp_path / "benchmarks" / "ledger.jsonl").exists()
    assert campaign.run(make(0)) == 0


def is_running(pid: int) -> bool:
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def test_a_row_holds_the_lock_of_a_campaign_that_was_killed(
    campaign: ModuleType, make: Callable[..., Any], root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(root / "benchmarks"), str(tmp_path), SLOW]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as process:
        pids = tmp_path / "runs" / "campaign" / "slow-0" / "pids"
        wait_for(pids.exists)
        process.kill()
    with pytest.raises(campaign.CampaignError):
        campaign.run(make(0))
    os.killpg(int(pids.read_text().split()[0]), signal.SIGKILL)
    wait_for(lambda: campaign.running(make(0)) == "")
    assert campaign.run(make(0)) == 0


def test_a_run_without_end_is_stopped(
    campaign: ModuleType, process_of: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process_of, "REPORT_S", 0.05)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    row = campaign.Row("endless", (), "Toy-v0", "toy", 0, minutes=-2.498)
    assert process_of.wait(process, row) == 124
    process_of.stop(process)
    assert process.returncode == -signal.SIGTERM
    assert "no end after 0 s" in capsys.readouterr().out


def test_a_torn_line_is_no_entry_and_is_replaced(campaign: ModuleType, make: Callable[..., Any]) -> None:
    assert campaign.run(make(0, 1)) == 0
    ledger = make().ledger
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-10])
    assert [row.name for row in make(0, 1).open_rows()] == ["toy-1"]
    assert campaign.run(make(0, 1)) == 0
    assert ledger.read_bytes() == whole


def test_returns_that_are_no_numbers_are_kept_as_gaps(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(0, script=TRAIN.replace("[k, k + 2.0 * seed]", "[k] if k < 3 else [float('nan')]"))
    assert campaign.run(toy) == 0
    (entry,) = lines(toy.ledger)
    assert (entry["last_return"], entry["best_return"]) == (None, 2.0)
    (file,) = campaign.plot(toy)
    assert file.stat().st_size > 0


def test_figures_are_drawn_from_the_ledger_alone(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(0, 1)
    assert campaign.plot(toy) == []
    campaign.run(toy)
    for file in toy.results.rglob("summary.json"):
        file.unlink()
    assert campaign.plot(toy) == [toy.figures / "toy-v0.png"]
    assert (toy.figures / "toy-v0.png").read_bytes().startswith(b"\x89PNG")


def test_the_status_shows_what_is_done_and_what_is_open(campaign: ModuleType, make: Callable[..., Any]) -> None:
    campaign.run(make(7))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(campaign.status(make(7, 8)))
    done, still_open = (line for line in capture.get().splitlines() if "toy-" in line)
    assert "done" in done and "10.0" in done
    assert "open" in still_open


def test_an_open_lock_is_no_running_row(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(0)
    assert campaign.running(toy) == ""
    campaign.run(toy)
    assert campaign.running(toy) == ""
    with (toy.results / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert campaign.running(toy) == "toy-0"


def test_every_declared_row_has_a_name_of_its_own_and_its_placeholders(campaign: ModuleType) -> None:
    assert len({row.name for row in campaign.ROWS}) == len(campaign.ROWS)
    for row in campaign.ROWS:
        assert any("{out}" in word for word in row.command)
        assert ("{run}" if row.after else "{seed}") in row.command
        if "--seconds" in row.command:
            assert float(row.command[row.command.index("--seconds") + 1]) == 60 * row.minutes


def test_the_command_line_lists_rows_and_status(root: Path) -> None:
    for command, text in (("list", "sb3-sac-hopper-4: {peers}"), ("status", "Pendulum-v1")):
        words = [sys.executable, str(root / "benchmarks" / "campaign.py"), command]
        environment = {**os.environ, "COLUMNS": "160"}
        done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=True)
        assert text in done.stdout

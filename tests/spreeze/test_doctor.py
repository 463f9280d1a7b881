import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from spreeze import doctor, limits, registry
from spreeze.doctor import CHECKS, Finding, attempt, findings, render


def test_every_check_gives_one_finding_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = findings()
    assert [finding.name for finding in found] == list(CHECKS)
    assert all(finding.status in ("ok", "warn", "bad") and finding.detail for finding in found)
    assert [finding for finding in found if "could not be checked" in finding.detail] == []
    assert [finding for finding in found if finding.status != "ok" and not finding.remedy] == []
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Finding:
        raise RuntimeError("the disk is on fire")

    finding = attempt("disk", broken)
    assert (finding.name, finding.status) == ("disk", "bad")
    assert "RuntimeError: the disk is on fire" in finding.detail


def test_the_table_shows_status_detail_and_remedy_as_they_are() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render([Finding("packages", "warn", "spreeze[dev] missing", "pip install -e .[dev]")]))
    for text in ("warn", "packages", "spreeze[dev] missing", "pip install -e .[dev]"):
        assert text in capture.get()


def test_usable_cores_follow_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CGROUPS", Path("/nonexistent"))
    command = "from spreeze.limits import usable_cores; print(usable_cores())"
    first = min(os.sched_getaffinity(0))
    done = subprocess.run(
        ["taskset", "-c", str(first), sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert 0 < float(done.stdout) <= 1
    assert limits.usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("cpu.max", "50000 100000", 0.5),
        ("cpu.max", "25000 50000", 0.5),
        ("cpu/cpu.cfs_quota_us", "20000", 0.2),
        ("cpu.max", "max 100000", float(len(os.sched_getaffinity(0)))),
        ("cpu/cpu.cfs_quota_us", "-1", float(len(os.sched_getaffinity(0)))),
    ],
)
def test_usable_cores_follow_the_quota_of_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, expected: float
) -> None:
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text + "\n")
    assert limits.usable_cores() == pytest.approx(expected)


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_follows_the_limit_of_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    assert limits.memory_bytes() == psutil.virtual_memory().total
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("1048576\n")
    assert limits.memory_bytes() == 2**20
    assert doctor.memory().status == "warn"


def test_a_runtime_folder_that_is_missing_is_replaced_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    finding = doctor.runtime_folder()
    assert finding.status == "warn"
    assert tempfile.gettempdir() in finding.detail


def test_a_runtime_folder_whose_path_is_too_long_for_sockets_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert attempt("runtime folder", doctor.runtime_folder).status == "bad"


def test_a_current_folder_that_is_gone_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    finding = doctor.current_folder()
    assert (finding.status, finding.remedy) == ("bad", "change folder, or give --out")


def test_a_process_that_waits_to_be_reaped_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert doctor.alive(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not doctor.alive(child.pid)
    assert not doctor.alive(child.pid)


def test_a_broken_plug_in_is_a_warning_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: {"strange": f"no_such_module:{group[-4:]}"})
    finding = doctor.plugins()
    assert finding.status == "warn"
    assert "algorithm strange" in finding.detail
    assert "no_such_module" in finding.detail


def test_importing_the_doctor_loads_no_torch(root: Path) -> None:
    command = "import sys, spreeze.doctor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=True)
    assert not {"torch", "mujoco", "matplotlib"} & set(done.stdout.split())

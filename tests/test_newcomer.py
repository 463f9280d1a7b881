"""The README's five commands, from a clone to a watched robot and two runs compared, as somebody types them."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, words

MARKER = "followed with:"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")
pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is no checkout of git"
)


def path_of_a_newcomer() -> tuple[list[list[str]], list[str]]:
    """The words of the commands, and the options that make the runs of a test short."""
    [block] = [block for block in blocks(ROOT / "README.md") if block.marker.startswith(MARKER)]
    return [words(line) for line in block.text.splitlines()], words(block.marker.removeprefix(MARKER))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `git clone` makes of this checkout, with an environment that has the packages of this one already."""
    folder = tmp_path / "spreeze"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    virtual = folder / ".venv"
    python = virtual / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", virtual], check=True)
    [packages] = virtual.glob("lib/python3*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--ignore-installed",
    ]
    subprocess.run([*install, "--quiet", "-e", str(folder)], check=True)
    stamp = ". tools/_venv; fingerprint >.venv/.installed-run"
    subprocess.run(["sh", "-c", stamp, "tools/run"], cwd=folder, check=True)
    return folder


def follow(command: list[str], folder: Path) -> str:
    """Run a command to its end; return what it says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def look(command: list[str], folder: Path) -> None:
    """Open the page that a command serves, then press Ctrl-C."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said, deadline = "", time.monotonic() + 120
        while not (found := ADDRESS.search(said)) and time.monotonic() < deadline and process.poll() is None:
            said += process.stdout.readline()
        assert found, said
        with urllib.request.urlopen(found[0], timeout=10) as page:
            assert b"<html" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_five_commands_lead_from_a_clone_to_a_watched_robot_and_two_runs_compared(clone: Path) -> None:
    (git, *runs, watch, plot), shortened = path_of_a_newcomer()
    assert git[:2] == ["git", "clone"] and len(runs) == 2
    for command in runs:
        follow([*command, *shortened], clone)
    look(watch, clone)
    said = follow(plot, clone)
    assert "SAC" in said.upper() and "TD3" in said.upper()
    picture = clone / plot[plot.index("--out") + 1]
    assert picture.read_bytes().startswith(b"\x89PNG")

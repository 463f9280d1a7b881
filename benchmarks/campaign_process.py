"""One row of the campaign as a process: its command without placeholders, started, watched and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaign_rows import Row

REPORT_S = 60.0
"""Seconds between two lines of progress."""
STOP_S = 20.0
"""Seconds that a run is given to end after SIGTERM."""
PEERS = {"{peers}": ("peers", "requirements.txt"), "{d3rlpy}": ("d3rlpy", "requirements-d3rlpy.txt")}
"""Of each placeholder of an interpreter: virtual environment (`.venv-NAME`), requirements (in `benchmarks/peers`)."""


class CampaignError(Exception):
    """The campaign, or one of its rows, cannot go on; the message says why."""


def execute(root: Path, row: Row, out: Path, lock: int) -> int:
    """Run the command of a row to its end and return its exit code; stop it if the campaign is stopped.

    The run inherits the lock, so that no second row begins beside one whose campaign was killed.

    Raises:
        CampaignError: the interpreter that it needs cannot be installed.
    """
    command = resolve(root, row, out)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (out.parent / f"{row.name}.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
        try:
            return wait(process, row)
        finally:
            stop(process)


def resolve(root: Path, row: Row, out: Path) -> list[str]:
    """Return the command of a row without placeholders; prepares the environment of the peers that it asks for."""
    words = list(row.command)
    values = {"{out}": str(out), "{seed}": str(row.seed), "{python}": sys.executable}
    if row.after:
        values["{run}"] = str(out.parent / row.after)
    for placeholder, (name, requirements) in PEERS.items():
        if any(placeholder in word for word in words):
            values[placeholder] = str(peers_python(root, name, requirements))
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words


def wait(process: subprocess.Popen[bytes], row: Row) -> int:
    """Wait for a run, with a line of progress now and then; give up when it takes more than twice its time."""
    begin, limit = time.monotonic(), 120.0 * row.minutes + 300.0
    while (elapsed := time.monotonic() - begin) < limit:
        try:
            return process.wait(timeout=REPORT_S)
        except subprocess.TimeoutExpired:
            print(f"{row.name}: {(elapsed + REPORT_S) / 60:.0f} of {row.minutes:g} min", flush=True)
    print(f"{row.name}: no end after {limit:.0f} s, stopped", flush=True)
    return 124


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a run and all that it started; does nothing to one that has ended."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def peers_python(root: Path, name: str, requirements: str) -> Path:
    """Return the interpreter of the virtual environment `.venv-NAME`, made anew whenever its requirements differ.

    Raises:
        CampaignError: they cannot be installed.
    """
    folder, wanted = root / f".venv-{name}", root / "benchmarks" / "peers" / requirements
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        print(f"installing {requirements} into {folder.name}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
        except subprocess.CalledProcessError as error:
            raise CampaignError(f"the peers cannot be installed from {wanted.name}: {error}") from error
        installed.write_bytes(wanted.read_bytes())
    return python

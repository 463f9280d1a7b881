"""TensorBoard's files: complete after every report, and gone on with after the disk took nothing for a while."""

import subprocess
import sys
from pathlib import Path

import pytest

from spreeze.config import Settings
from spreeze.events import read_metric
from spreeze.sinks.tensorboard import TensorBoard

SHORT_OF_ROOM = """
import resource, sys
from pathlib import Path
from spreeze.config import Settings
from spreeze.sinks import tensorboard
tensorboard.RETRY_S = 0.0
sink = tensorboard.TensorBoard(Path(sys.argv[1]), Settings.from_data({"env": "pendulum"}))
for step in range(30):
    room = 0 if 10 <= step < 20 else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    sink.scalars(step, {"progress/updates": step, "loss/critic": 2.0 * step})
sink.close()
"""


def test_what_was_reported_is_read_before_the_file_is_closed(tmp_path: Path) -> None:
    sink = TensorBoard(tmp_path, Settings.from_data({"env": "pendulum"}))
    for step in range(3):
        sink.scalars(step, {"progress/updates": step, "loss/critic": 0.5 * step})
    assert [point.value for point in read_metric(tmp_path, "loss/critic")] == [0.0, 0.5, 1.0]
    sink.close()


def test_reports_are_lost_while_there_is_no_room_and_no_others(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SHORT_OF_ROOM, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    kept = [point.value / 2 for point in read_metric(tmp_path, "loss/critic")]
    assert kept == [*range(10), *range(20, 30)]
    assert [path.stat().st_size for path in tmp_path.iterdir() if not path.stat().st_size] == []


def test_a_full_disk_is_not_tried_at_every_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = TensorBoard(tmp_path, Settings.from_data({"env": "pendulum"}))
    assert sink._file is not None
    sink._file.close()
    sink._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    sink.scalars(1, {"loss/critic": 1.0})
    sink.scalars(2, {"loss/critic": 2.0})
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("time.monotonic", lambda: 1e12)
    sink.scalars(3, {"progress/updates": 3.0})
    assert len(list(tmp_path.iterdir())) == 2
    sink.close()

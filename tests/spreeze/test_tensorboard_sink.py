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
tensorboard.RETRY_S = float(sys.argv[2])
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


@pytest.mark.parametrize(
    ("retry_s", "kept", "files"), [(0.0, [*range(10), *range(20, 30)], 2), (60.0, [*range(10)], 1)]
)
def test_reports_are_lost_while_there_is_no_room_and_until_it_is_tried_again(
    retry_s: float, kept: list[int], files: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SHORT_OF_ROOM, str(tmp_path), str(retry_s)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [point.value / 2 for point in read_metric(tmp_path, "loss/critic")] == kept
    assert len(list(tmp_path.iterdir())) == files

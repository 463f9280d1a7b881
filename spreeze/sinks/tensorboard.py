"""TensorBoard's event files in the run folder."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from spreeze.config import Settings

VERSION = "brain.Event:2"
RETRY_S = 30.0
"""After a disk took nothing, until a next file is tried."""


class TensorBoard:
    """Event files that `tensorboard --logdir runs` draws, written by no thread and complete after every report.

    Where the disk takes nothing, reports are lost until it does; then a new file goes on, for TensorBoard believes
    nothing that follows half a record.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._files, self._retry_s = folder, 0, 0.0
        self._file: IO[bytes] | None = None
        self._write()

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Write an event that holds these values."""
        own = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._write(Event(wall_time=time.time(), step=at, summary=Summary(value=own)))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, *events: Event) -> None:
        if self._file is None and time.monotonic() < self._retry_s:
            return
        try:
            file = self._file or self._open()
            for event in events:
                RecordWriter(file).write(event.SerializeToString())
        except OSError:
            self._give_up()

    def _open(self) -> IO[bytes]:
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}.{self._files}"
        self._files += 1
        self._file = file = (self._folder / name).open("xb", buffering=0)
        RecordWriter(file).write(Event(wall_time=time.time(), file_version=VERSION).SerializeToString())
        return file

    def _give_up(self) -> None:
        self._retry_s = time.monotonic() + RETRY_S
        if self._file is not None:
            self._file.close()
            with suppress(OSError):
                if not os.path.getsize(self._file.name):
                    os.unlink(self._file.name)
            self._file = None

"""Sinks: what is asked for gets every metric, with the real packages; what fails or hangs ends alone."""

import importlib.util
import json
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from spreeze.cli import main
from spreeze.config import Settings
from spreeze.errors import UnknownName, UsageError
from spreeze.sinks import stream as module
from spreeze.sinks.stream import KINDS, Queued, Sink, Stream, flat, names, open_stream

TINY = "run --env pendulum --serial --warmup 64 --hidden 16 --envs-per-sampler 4 --evaluation-episodes 1"

MISSING = [name for name in ("wandb", "mlflow") if importlib.util.find_spec(name) is None]
needs_both = pytest.mark.skipif(bool(MISSING), reason=f"pip install 'spreeze[{','.join(MISSING)}]'")


class List(list[tuple[int, Mapping[str, float]]]):
    """A sink that keeps what it is given."""

    closed = False

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        self.append((at, values))

    def close(self) -> None:
        self.closed = True


class Broken(List):
    """A sink that fails at the third report."""

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        if len(self) == 2:
            raise ConnectionError("nobody answers")
        super().scalars(at, values)


class Stuck(List):
    """A sink that waits for ever."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        self.free.wait(60.0)


def settings_of(log: str) -> Settings:
    return Settings.from_data({"env": "pendulum", "run": {"log": log}})


def test_every_sink_gets_every_value() -> None:
    sinks, said = {"one": List(), "other": List()}, list[str]()
    stream = Stream(sinks, said.append)
    stream.scalars(10, {"loss": 0.5})
    stream.scalars(20, {"return": 3.0})
    stream.close()
    assert sinks["one"] == sinks["other"] == [(10, {"loss": 0.5}), (20, {"return": 3.0})]
    assert sinks["one"].closed and sinks["other"].closed and said == []


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_sink_that_fails_is_told_once_and_the_others_go_on(wrapped: bool) -> None:
    healthy, said = List(), list[str]()
    broken: Sink = Queued(Broken()) if wrapped else Broken()
    stream = Stream({"broken": broken, "healthy": healthy}, said.append)
    for at in range(6):
        stream.scalars(at, {"loss": 0.0})
        time.sleep(0.02)
    stream.close()
    assert [at for at, _ in healthy] == list(range(6)) and healthy.closed
    assert said == ["--log broken: ConnectionError: nobody answers; the run goes on without it"]


@pytest.mark.alone
def test_a_sink_that_hangs_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_LIMIT_S", 0.2)
    monkeypatch.setattr(module, "WAITING", 5)
    stuck, said = Stuck(), list[str]()
    stream = Stream({"stuck": Queued(stuck)}, said.append)
    begun = time.monotonic()
    for at in range(100):
        stream.scalars(at, {"loss": 0.0})
    assert time.monotonic() - begun < 0.1
    stream.close()
    assert time.monotonic() - begun < 1.0
    assert said == ["--log stuck: TimeoutError: it took more than 0.2 s to hand over the last metrics; the run goes on "
                    "without it"]  # fmt: skip
    stuck.free.set()


def test_names_are_checked_before_anything_starts() -> None:
    assert names("tensorboard") == ["tensorboard"] and names("none") == names("") == []
    assert names("tensorboard, tensorboard") == ["tensorboard"]
    with pytest.raises(UnknownName, match="did you mean 'tensorboard'"):
        names("tensorbord")


def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else find(name, *rest))
    assert main([*TINY.split(), "--log", "wandb", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'spreeze[wandb]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_none_writes_no_metrics(tmp_path: Path) -> None:
    stream = open_stream(tmp_path, settings_of("none"), pytest.fail)
    stream.scalars(1, {"loss": 0.5})
    stream.close()
    assert list(tmp_path.iterdir()) == []


def test_options_are_flattened() -> None:
    options = flat(settings_of("none"))
    assert options["algo"] == "sac" and options["run.log"] == "none" and options["algorithm.discount"] == 0.99


def events(folder: Path) -> dict[str, list[int]]:
    """Steps of every tag of TensorBoard's files."""
    found: dict[str, list[int]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def wandb_records(data: bytes) -> Iterator[bytes]:
    """Records of wandb's own file: a header of 7 bytes, then LevelDB's log format in blocks of 32 KiB."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if (left := -at % 32768) < 7 and left:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last piece
            yield record
            record = b""


def offline_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows that wandb has kept."""
    proto: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    rows = []
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    for data in (data for file in files for data in wandb_records(file.read_bytes())):
        record = proto.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items})
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with all sinks, interrupted by its limit and resumed."""
    folder = tmp_path_factory.mktemp("sinks") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        words = [*TINY.split(), "--log", ",".join(KINDS), "--visualize", "none", "--out", str(folder)]
        assert main([*words, "--seconds", "6"]) == 0  # Rates are written once a second.
        assert main(["resume", str(folder), "--seconds", "3"]) == 0
    return folder


@needs_both
@pytest.mark.filterwarnings("default")  # Theirs are not ours.
def test_mlflow_holds_what_tensorboard_holds_in_the_run_folder_also_of_a_resumed_run(run: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run}/mlflow.db")
    kept = client.get_run(json.loads((run / "sinks.json").read_text())["mlflow"])
    assert kept.data.params["run.seed"] == "0" and kept.info.status == "FINISHED"
    written = events(run)
    assert kept.data.metrics.keys() == written.keys() >= {"evaluate/return", "rate/env_steps"}
    for tag, steps in written.items():
        assert sorted(metric.step for metric in client.get_metric_history(kept.info.run_id, tag)) == sorted(steps)
    assert len(client.search_runs([kept.info.experiment_id])) == 1


@needs_both
@pytest.mark.filterwarnings("default")  # Theirs are not ours.
def test_wandb_offline_holds_what_tensorboard_holds_in_the_run_folder_also_of_a_resumed_run(run: Path) -> None:
    rows, written = offline_rows(run), events(run)
    for tag, steps in written.items():
        assert sorted(row["step"] for row in rows if tag in row) == sorted(steps)
    assert len(written) > 5


@needs_both
@pytest.mark.filterwarnings("default")  # Theirs are not ours.
def test_what_sinks_leave_is_private(run: Path) -> None:
    assert [str(path) for path in run.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077] == []


@needs_both
@pytest.mark.filterwarnings("default")  # Theirs are not ours.
def test_wandb_without_a_login_is_refused_before_anything_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="WANDB_MODE=offline"):
        open_stream(tmp_path, settings_of("wandb"), pytest.fail)
    assert os.listdir(tmp_path) == []

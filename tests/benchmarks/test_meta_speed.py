"""The speed of PEARL beside its published code: real processes, ours standing in for the peer, which no test has."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("meta_speed")


@pytest.mark.slow
def test_both_sides_are_timed_in_turn_and_an_iteration_is_made_of_its_pieces(benchmark: ModuleType, root: Path) -> None:
    counts = benchmark.Counts(repetitions=2, updates=1, blocks=1)
    pace = benchmark.measured([str(root / "benchmarks" / "meta_speed_ours.py")], 1, counts)
    for side in (pace.peer, pace.ours):
        assert all(len(values) == 2 and min(values) > 0 for values in side.values())
        pieces = zip(side["step [ms]"], side["update [ms]"], strict=True)
        assert side["iteration [s]"] == pytest.approx([10 * step + update for step, update in pieces])
    console = Console(width=200)
    with console.capture() as capture:
        console.print(benchmark.table([pace]))
    assert "iteration" in capture.get() and " 32 " in capture.get()


def test_both_sides_do_work_of_the_same_size(benchmark: ModuleType) -> None:
    ours, peer = importlib.import_module("meta_speed_ours"), importlib.import_module("peers.oyster")
    side = ours.Ours(1)
    [part] = side.parts.values()
    assert part.pairing.prefixes * part.pairing.keys == peer.META_BATCH * peer.BATCH
    assert side.block == benchmark.STREAMS * 2 * benchmark.EPISODE and ours.STREAMS == benchmark.STREAMS
    shapes = [tuple(layer.shape) for layer in part.owns["encoder"].state_dict().values() if layer.ndim == 2]
    assert shapes == [(200, 7), (200, 200), (200, 200), (10, 200)]
    hidden = [t.shape[0] for name, t in part.owns["exploiter"].state_dict().items() if name.endswith("weight")][:3]
    assert hidden == [300, 300, 300] and peer.STEPS == benchmark.EPISODE
    with pytest.raises(ValueError, match="no whole number of blocks"):
        side.collect(10)


def test_a_folder_that_is_no_checkout_is_refused(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["meta_speed.py", "--oyster", str(tmp_path)])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "no checkout of https://github.com/katerakelly/oyster" in capsys.readouterr().err

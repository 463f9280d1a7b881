"""What is watched for hours, for seconds; and the slope by hand."""

import json
from pathlib import Path

import pytest

from tests.faults.endurance import Sample, growth, main
from tests.faults.scene import TINY


def test_a_slope_is_that_of_what_comes_after_warming_up() -> None:
    """Memory doubles in the first quarter, then grows by 2 MB in an hour."""
    cold = [Sample(hours, 100 + 400 * hours, 7, 3) for hours in (0.0, 0.1, 0.2)]
    warm = [Sample(hours, 200 + 2 * hours, 9, 4) for hours in (0.25, 0.5, 0.75, 1.0)]
    found = growth([*cold, *warm])
    assert found.slope_mb_per_hour == pytest.approx(2)
    assert found.memory_mb == pytest.approx((200.5, 202))
    assert (found.descriptors, found.threads) == ((9, 9), (4, 4))
    assert found.failure == "2.00 MB/h"


def test_a_thread_more_is_a_failure_and_shrinking_memory_is_none() -> None:
    found = growth([Sample(0.0, 90.0, 7, 3), Sample(1.0, 80.0, 7, 3), Sample(2.0, 70.0, 7, 4)])
    assert found.failure == "threads changed"


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_is_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    tiny = [*TINY, "--dawdle-s", "0.02", "--evaluate"]
    main(["--out", str(out), "long", "--hours", "0.001", "--every", "0.5", *tiny])
    processes = json.loads(out.read_text())["processes"]
    assert processes.keys() == {"orchestrator", "sampler-0", "learner", "evaluator"}
    assert all(20 < process["memory_mb"][0] < 2000 for process in processes.values())
    assert "slope [MB/h]" in capsys.readouterr().out


def test_short_runs_take_no_options_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["short", "--algo", "ppo"])
    assert "short takes no --algo ppo" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.alone
def test_runs_in_a_row_leave_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["short", "--runs", "2"]) == 0
    assert "2 runs, nothing left" in capsys.readouterr().out

"""A dataset that holds no step is refused before anything is started."""

import dataclasses
from pathlib import Path

import pytest

from spreeze import registry
from spreeze.cli import main
from spreeze.contract import Dataset

NOTHING = Dataset("empty/nothing-v0", "Pendulum-v1", "random", "0" * 64, 0, None, lambda: iter(()))
ENVIRONMENT = dataclasses.replace(registry.environment("pendulum"), dataset=lambda name: NOTHING)


@pytest.mark.parametrize("algo", ["bc", "td3_bc", "micro"])
def test_a_dataset_without_steps_is_refused(algo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--algo", algo, "--env", "tests.spreeze.test_empty_dataset:ENVIRONMENT"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    output = "".join(capsys.readouterr())
    assert "dataset 'empty/nothing-v0' holds no step to learn from" in output and "Traceback" not in output
    assert not (tmp_path / "run").exists()

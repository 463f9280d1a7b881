"""`spreeze export`: what it writes, what it says, what it refuses; the example of the documentation."""

import importlib.util
import re
import stat
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import onnx
import onnxruntime
import pytest

from spreeze.cli import main
from tests.spreeze.attackable import run_folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a linear policy on Pendulum, all of whose weights are 0.1, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return run_folder(Path("runs/line"), "pendulum")


def pendulum_return(seed: int) -> float:
    """What that policy gets in one episode, computed without torch."""
    environment = gymnasium.make("Pendulum-v1")
    observation, _ = environment.reset(seed=seed)
    total, ended = 0.0, False
    while not ended:
        action = np.clip(2 * 0.1 * np.float32(observation).sum(keepdims=True), -2, 2)
        observation, reward, terminated, truncated, _ = environment.step(action)
        total, ended = total + float(reward), terminated or truncated
    return total


def test_the_file_acts_in_the_units_of_the_environment(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "latest"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "runs/line/policy.onnx"
    assert "inputs: observation; outputs: action" in shown[-3]
    assert re.search(
        r"largest difference from torch over 1,000 observations: \d\S* of the range of an action", shown[-2]
    )
    file = run / "policy.onnx"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    session = onnxruntime.InferenceSession(file)
    (action,) = session.run(["action"], {"observation": np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 99.0]], np.float32)})
    np.testing.assert_allclose(action, [[0.6], [2.0]], rtol=1e-6)


def test_the_file_names_its_run(run: Path) -> None:
    assert main(["export", str(run), "--checkpoint", "latest", "--out", "new/it.onnx"]) == 0
    about = {entry.key: entry.value for entry in onnx.load("new/it.onnx").metadata_props}
    assert (about["run"], about["environment"], about["checkpoint"]) == ("line", "pendulum", "checkpoint-00000001")
    assert about["algorithm"].endswith("ALGORITHM") and about["spreeze"] and '"high": [2.0]' in about["action_space"]
    assert not (run / "policy.onnx").exists() and [path.name for path in Path("new").iterdir()] == ["it.onnx"]


def test_the_example_of_the_documentation_plays_an_episode(run: Path, root: Path) -> None:
    assert main(["export", str(run), "--out", "policy.onnx"]) == 0
    (example,) = re.findall(r"```python\n(.*?)```", (root / "docs" / "export.md").read_text(), re.S)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=120, check=True)
    assert float(done.stdout.split()[-1]) == pytest.approx(pendulum_return(seed=0), rel=1e-4)


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_a_missing_package_is_named_with_the_command(
    missing: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    assert main(["export", str(run)]) == 2
    assert f"spreeze export needs {missing}: pip install 'spreeze[export]'" in capsys.readouterr().err


def test_a_file_that_differs_from_torch_is_not_kept(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spreeze.export.TOLERANCE", -1.0)
    assert main(["export", str(run)]) == 2
    assert "onnxruntime differs from torch by more than -1: action by" in capsys.readouterr().err
    assert not (run / "policy.onnx").exists()


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ("export nowhere", 2, "'nowhere' is neither a run folder"),
        ("export runs/line --out runs/line/config.yaml/x.onnx", 2, "cannot write"),
        ("export runs/bare", 5, "holds no intact best checkpoint"),
    ],
)
def test_what_cannot_be_served_is_named(
    words: str, code: int, complaint: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/bare").mkdir()
    Path("runs/bare/config.yaml").write_bytes((run / "config.yaml").read_bytes())
    assert main(words.split()) == code
    error = capsys.readouterr().err
    assert complaint in error and "Traceback" not in error

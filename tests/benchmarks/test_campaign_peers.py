"""The virtual environments of the peers: real ones, with requirements that need no network."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

TRAIN = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
summary = {"format": 1, "wall_seconds": 1.0, "env_steps": 3, "updates": 1, "evaluations": []}
(out / "summary.json").write_text(json.dumps(summary))
"""


@pytest.fixture
def campaign(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("campaign")


@pytest.fixture
def process_of(campaign: ModuleType) -> ModuleType:
    return importlib.import_module("campaign_process")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "requirements"), [("peers", "requirements.txt"), ("d3rlpy", "requirements-d3rlpy.txt")]
)
def test_peers_are_installed_anew_only_when_their_requirements_change(
    campaign: ModuleType,
    process_of: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    requirements: str,
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wanted, installed = tmp_path / "benchmarks" / "peers" / requirements, tmp_path / f".venv-{name}" / "installed.txt"
    wanted.parent.mkdir(parents=True)
    wanted.write_text("# none\n")
    python = process_of.peers_python(tmp_path, name, requirements)
    first = installed.stat().st_mtime_ns
    row = campaign.Row("peer-0", (f"{{{name}}}", "-c", "pass", "--out={out}"), "Toy-v0", "toy", 0, 1.0)
    assert process_of.resolve(tmp_path, row, Path("there")) == [str(python), "-c", "pass", "--out=there"]
    assert installed.stat().st_mtime_ns == first
    wanted.write_text("spreeze-has-no-such-peer\n")
    with pytest.raises(campaign.CampaignError, match=requirements.replace(".", r"\.")):
        process_of.peers_python(tmp_path, name, requirements)
    assert not installed.exists()


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_harms_no_other_row(
    campaign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wanted = tmp_path / "benchmarks" / "peers" / "requirements-d3rlpy.txt"
    wanted.parent.mkdir(parents=True)
    wanted.write_text("spreeze-has-no-such-peer\n")
    peer = campaign.Row("peer-0", ("{d3rlpy}", "-c", "pass"), "Toy-v0", "toy", 0, 0.1)
    toy = campaign.Row("toy-0", ("{python}", "-c", TRAIN, "{out}"), "Toy-v0", "toy", 0, 0.1)
    both = campaign.Campaign(tmp_path, [peer, toy])
    assert campaign.run(both) == 1
    assert "peer-0: FAILED: the peers cannot be installed from requirements-d3rlpy.txt" in capsys.readouterr().out
    assert [row.name for row in both.open_rows()] == ["peer-0"]

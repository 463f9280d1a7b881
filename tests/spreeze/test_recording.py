"""Recorded datasets: what was played, with references and provenance, from runs that are given or trained."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

from spreeze.cli import main
from spreeze.contract import Episode
from spreeze.episodes import replayed
from spreeze.errors import UsageError
from spreeze.recorded_run import RecordedRun
from spreeze.recording import Recorder, Request, thinned
from spreeze.run_folder import read_summary
from tests.contract.playing import play

ENV, LIMIT = "tests.contract.interrupting:PENDULUM", 45
BARE = Request("random", ENV, None, None, None, None, None, 0, None, None, None)
SAC = {"hidden": [16, 16], "warmup": 100}
SERIAL: dict[str, Any] = {"serial": True, "envs_per_sampler": 4, "batch_size": 16, "replay_ratio": 1}


def test_a_replay_that_a_source_of_its_own_filled_is_no_logged_data(tmp_path: Path) -> None:
    world = "tests.algorithms.micro.line_world:ENVIRONMENT"
    small = {"hidden": [8], "dynamics_hidden": [8], "dynamics_epochs": 1, "updates": 5, "rollout_batch": 10}
    options: dict[str, Any] = {"serial": True, "batch_size": 16, "evaluation_episodes": 1}
    play(tmp_path / "run", "micro", world, small | {"cache": False}, **options)
    with pytest.raises(UsageError, match="a source of micro's own, which may have imagined it"):
        record(tmp_path / "set", kind="medium-replay", env=None, run=str(tmp_path / "run"), minimum=0.0, maximum=1e3)
    assert not (tmp_path / "set").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with replay, evaluations and checkpoints."""
    folder = tmp_path_factory.mktemp("runs") / "own"
    play(folder, "sac", ENV, SAC, steps=700, seed=3, evaluation_episodes=2, evaluate_every_steps=200, **SERIAL)
    return folder


def record(folder: Path, **changes: Any) -> tuple[minari.MinariDataset, dict[str, Any], list[str]]:
    """Record what differs from `BARE`; return the dataset as Minari reads it, its card, and what was said."""
    said: list[str] = []
    assert Recorder(BARE.__class__(**vars(BARE) | {"out": folder} | changes), said.append).record() == folder
    return minari.MinariDataset(folder / "data"), json.loads((folder / "card.json").read_text()), said


def test_a_medium_replay_is_every_whole_episode_of_the_replay(run: Path, tmp_path: Path) -> None:
    dataset, card, _ = record(tmp_path / "set", kind="medium-replay", run=str(run))
    newest = RecordedRun.find(str(run)).newest()
    expected = replayed(newest.checkpoint, newest.stage.stores)
    assert (
        dataset.total_episodes
        == len(expected)
        == card["episodes"]
        == 4 * (read_summary(run)["env_steps"] // 4 // LIMIT)
    )
    for found, episode in zip(dataset.iterate_episodes(), expected, strict=True):
        assert found.observations.tobytes() == episode.observation.tobytes()
        assert found.rewards.tobytes() == episode.reward.tobytes()
        np.testing.assert_allclose(found.actions, 2 * episode.action, atol=1e-6)
        assert found.truncations.tolist() == [False] * (LIMIT - 1) + [True] and not found.terminations.any()


def test_a_card_tells_where_the_data_come_from_and_nothing_of_the_machine(run: Path, tmp_path: Path) -> None:
    dataset, card, _ = record(tmp_path / "set", kind="medium-replay", run=str(run), minimum=-900.0)
    best = max(float(np.mean(entry["returns"])) for entry in read_summary(run)["evaluations"])
    assert card["reference"]["minimum"] == -900.0
    assert card["reference"]["maximum"] == pytest.approx(best)
    assert card["reference"]["source"] == "minimum: given; maximum: best evaluation of a run of sac, seed 3"
    assert (card["environment"], card["kind"], card["steps"]) == (ENV, "medium-replay", dataset.total_steps)
    assert {"mujoco", "gymnasium", "spreeze", "torch", "python"} <= card["versions"].keys()
    source = card["recorded"]["runs"]["medium"]
    assert (source["algorithm"], source["seed"], source["env_steps"]) == ("sac", 3, read_summary(run)["env_steps"])
    assert source["best_evaluation"]["mean_return"] == pytest.approx(best)
    text = (tmp_path / "set/card.json").read_text() + (tmp_path / "set/data/metadata.json").read_text()
    assert str(tmp_path) not in text and str(run) not in text and "/tmp" not in text
    score = minari.get_normalized_score(dataset, np.array([-900.0, best]))
    assert score.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("kind", ["random", "expert", "medium-replay"])
def test_the_same_request_gives_the_same_data_and_another_seed_others(kind: str, run: Path, tmp_path: Path) -> None:
    given = {"kind": kind, "run": None if kind == "random" else str(run), "steps": 150, "maximum": 0.0}
    cards = [record(tmp_path / str(k), seed=seed, **given)[1] for k, seed in enumerate((5, 5, 6))]
    assert cards[0]["digest"] == cards[1]["digest"] != cards[2]["digest"]
    assert cards[0] == cards[1]


def test_random_actions_fill_the_space_and_their_mean_return_counts_as_nothing(tmp_path: Path) -> None:
    dataset, card, _ = record(tmp_path / "set", steps=450, maximum=0.0)
    actions = np.concatenate([episode.actions for episode in dataset.iterate_episodes()])
    assert -2 <= actions.min() < -1.95 and 1.95 < actions.max() <= 2
    returns = [episode.rewards.sum() for episode in dataset.iterate_episodes()]
    assert card["reference"]["minimum"] == pytest.approx(np.mean(returns), rel=0.3)
    assert card["reference"]["source"] == "minimum: mean return of 100 random episodes; maximum: given"


def test_without_a_maximum_there_is_no_reference_and_that_is_said(tmp_path: Path) -> None:
    _, card, said = record(tmp_path / "set", steps=45)
    assert card["reference"] is None
    assert "so no scores" in said[0]


def test_an_expert_explores_with_the_best_policy(run: Path, tmp_path: Path) -> None:
    dataset, _, said = record(tmp_path / "set", kind="expert", run=str(run), steps=450)
    best = RecordedRun.find(str(run))
    assert f"best evaluation {best.best:.1f}" in said[0]
    import torch

    for episode in dataset.iterate_episodes():
        actor = best.trained.modules["policy"]
        mean = torch.tanh(actor(torch.from_numpy(episode.observations[:-1]))[0]).detach().numpy()
        distance = np.abs(episode.actions / 2 - mean)
        assert 0.01 < distance.mean() < 0.8


def test_medium_expert_is_half_of_each(run: Path, tmp_path: Path) -> None:
    dataset, card, said = record(
        tmp_path / "set", kind="medium-expert", run=str(run), expert_run=str(run), steps=900, minimum=-1e5
    )
    assert dataset.total_episodes == 20 and card["recorded"]["runs"].keys() == {"medium", "expert"}
    assert [line.split(" policy")[0] for line in said[:2]] == ["playing the medium", "playing the expert"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "medium"}, "--reference-maximum, or a run that reached it by --expert-from"),
        ({"kind": "medium-replay"}, "--reference-maximum, or a run that reached it by --expert-from"),
        ({"kind": "medium", "run": "RUN", "maximum": 1e6}, "medium begins at"),
        ({"kind": "expert", "run": "RUN", "env": "hopper"}, "--env hopper, but"),
        ({"kind": "expert", "run": "RUN", "minimum": 1e6}, "is above the maximum"),
        ({"kind": "expert", "run": "missing"}, "'missing' is neither a run folder"),
        ({"kind": "random", "run": "RUN"}, "--kind random plays no policy"),
        ({"steps": 0}, "--steps 0"),
        ({"seed": -1}, "--seed -1"),
        ({"kind": "expert", "train_steps": 0}, "--train-steps 0"),
        ({"maximum": float("nan")}, "--reference-maximum nan"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_before_anything_is_written(
    changes: dict[str, Any], complaint: str, run: Path, tmp_path: Path
) -> None:
    given = {name: str(run) if value == "RUN" else value for name, value in changes.items()}
    with pytest.raises(UsageError, match=re.escape(complaint)):
        record(tmp_path / "set", **given)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    _, card, _ = record(tmp_path / "set", steps=45)
    with pytest.raises(UsageError, match="holds something; remove it or choose another --out"):
        record(tmp_path / "set", steps=45)
    assert json.loads((tmp_path / "set/card.json").read_text()) == card


def episodes_of(lengths: list[int]) -> list[Episode]:
    return [
        Episode(np.zeros((n + 1, 1)), np.zeros((n, 1)), np.full(n, float(k)), np.zeros(n, bool))
        for k, n in enumerate(lengths)
    ]


def test_thinning_takes_whole_episodes_uniformly_in_their_order() -> None:
    episodes = episodes_of([10] * 50)
    counts = np.zeros(50)
    for seed in range(300):
        kept = [int(e.reward[0]) for e in thinned(episodes, 95, np.random.default_rng(seed))]
        assert len(kept) == 10 and kept == sorted(set(kept))
        counts[kept] += 1
    assert counts.min() > 30 and counts.max() < 95  # 60 +- 7 of each
    assert thinned(episodes, None, np.random.default_rng(0)) == episodes
    assert len(thinned(episodes, 10_000, np.random.default_rng(0))) == 50


def test_a_run_ends_at_the_return_that_is_asked_for(tmp_path: Path) -> None:
    options = {"steps": 2000, "evaluate_every_steps": 200, "evaluation_episodes": 1, **SERIAL}
    summary = play(tmp_path / "soon", "sac", ENV, SAC, until_return=-1e6, **options)
    assert summary["exit_reason"] == "finished" and summary["env_steps"] < 400
    assert "an evaluation reached --until-return -1e+06" in (tmp_path / "soon/log.txt").read_text()
    summary = play(tmp_path / "never", "sac", ENV, SAC, until_return=1e6, **options)
    assert summary["env_steps"] >= 2000


def test_a_recording_that_is_killed_is_readable(tmp_path: Path, root: Path) -> None:
    words = ["dataset", "record", "--kind", "random", "--env", ENV, "--out", str(tmp_path / "set")]
    with subprocess.Popen(
        [sys.executable, "-m", "spreeze", *words], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("recorded "))
        process.send_signal(signal.SIGKILL)
    told = int(line.split()[-2].replace(",", ""))
    dataset = minari.MinariDataset(tmp_path / "set/data")
    assert dataset.total_episodes >= told > 0
    assert {len(episode) for episode in dataset.iterate_episodes()} == {LIMIT}


@pytest.mark.slow
def test_a_run_that_is_missing_is_trained_until_it_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(root))
    words = ["--kind", "medium", "--env", ENV, "--steps", "90", "--train-steps", "20000"]
    assert main(["dataset", "record", *words, "--reference-minimum", "-9000", "--reference-maximum", "-200"]) == 0
    folder = Path("datasets/tests-contract-interrupting-PENDULUM")
    assert read_summary(folder / "medium-v0-medium-run")["env_steps"] < 20_000
    assert minari.MinariDataset(folder / "medium-v0/data").total_episodes == 10
    assert "training the medium policy in" in capsys.readouterr().out

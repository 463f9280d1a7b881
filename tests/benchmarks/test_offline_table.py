"""The tables of the offline comparison: a ledger written by hand, numbers computed by hand."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REFERENCE = {"minimum": 100.0, "maximum": 300.0, "source": "by hand"}
"""Half a point of score for each unit of return."""


@pytest.fixture
def table(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("offline_table")


def trained(label: str, seed: int, last: float | None, best: float | None, **changes: Any) -> dict[str, Any]:
    """A line of the ledger: two evaluations, the last after 500 updates."""
    digest, reference = changes.get("digest", "ab" * 32), changes.get("reference", REFERENCE)
    dataset = {"name": f"toy/{digest[:2]}-v0", "environment": "Toy-v0", "digest": digest, "reference": reference}
    return {
        "row": f"offline-{label}-{digest[:2]}-{seed}",
        "label": label,
        "environment": "Toy-v0",
        "seed": seed,
        "dataset": dataset,
        "last_return": last,
        "best_return": best,
        "curve": [[60.0, 0, best, 250], [120.0, 0, last, 500]],
    }


def robust(label: str, seed: int, areas: dict[str, float], grid: float, episodes: int = 10) -> dict[str, Any]:
    found = {"checkpoint": "checkpoint-1", "episodes": episodes, "seed": 1, "spread": "the data", "areas": areas}
    found |= {"reference": REFERENCE, "grid_mean": grid, "attacked": [["none", 0.0, 1.0]], "grid": [[1.0, 1.0, grid]]}
    return {"row": f"robust-{label}-{seed}", "label": label, "environment": "Toy-v0", "seed": seed, "robustness": found}


def cells(text: str, first: str) -> list[str]:
    """The row of the table that begins with `first`; of several, the last."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith(f"| {first} |")][-1]


def test_last_and_best_are_normalised_means_over_seeds(table: ModuleType) -> None:
    (text,) = table.training_tables(
        [trained("MICRO", 0, 200.0, 300.0), trained("MICRO", 1, 260.0, 320.0), trained("BC", 0, 150.0, 160.0)]
    )
    assert text.startswith("### toy/ab-v0 (Toy-v0, SHA-256 abababababab)")
    assert "0 is a return of 100.0, 100 of 300.0 (by hand)" in text
    means = text.split("\n\n")[2]
    assert cells(means, "MICRO") == ["MICRO", "2", "65.0 (50.0 to 80.0)", "105.0 (100.0 to 110.0)", "500", "2"]
    assert cells(means, "BC") == ["BC", "1", "25.0", "30.0", "500", "2"]


def test_differences_are_paired_by_seed(table: ModuleType) -> None:
    ours = [trained("MICRO", seed, 200.0 + 20 * seed, 300.0) for seed in (0, 1, 2)]
    other = [trained("MOPO", seed, 190.0 + 20 * seed, 280.0 + 20 * (seed % 2)) for seed in (1, 2, 3)]
    (text,) = table.training_tables(ours + other)
    assert cells(text, "MOPO") == ["MOPO", "2", "+5.0 (-)", "+5.0 (-)"]


def test_the_interval_is_that_of_the_resampled_means(table: ModuleType) -> None:
    ours = [trained("MICRO", seed, 200.0, 300.0) for seed in (0, 1, 2)]
    other = [trained("MOPO", seed, 200.0 - 2 * seed, 290.0) for seed in (0, 1, 2)]
    (text,) = table.training_tables(ours + other)
    # Differences 0, 1, 2: one of 27 resamples has the mean 0 and one the mean 2, each 3.7 % > 2.5 %.
    assert cells(text, "MOPO") == ["MOPO", "3", "+1.0 (+0.0 to +2.0)", "+5.0 (+5.0 to +5.0)"]


def test_other_data_of_the_same_name_are_another_table(table: ModuleType) -> None:
    texts = list(table.training_tables([trained("MICRO", 0, 1.0, 2.0), trained("BC", 0, 1.0, 2.0, digest="cd" * 32)]))
    assert len(texts) == 2
    assert not any("MICRO minus" in text for text in texts)


def test_what_was_not_measured_is_left_out(table: ModuleType) -> None:
    (text,) = table.training_tables([trained("MICRO", 0, None, None), trained("BC", 0, 150.0, None, reference=None)])
    assert cells(text, "MICRO")[:4] == ["MICRO", "1", "-", "500"]
    assert cells(text.split("\n\n")[-1], "BC") == ["BC", "1", "-"]


def test_without_a_reference_returns_are_shown(table: ModuleType) -> None:
    (text,) = table.training_tables([trained("BC", 0, 150.0, 160.0, reference=None)])
    assert "no reference scores" in text
    assert cells(text, "BC")[2:4] == ["150.0", "160.0"]


def test_zero_has_no_sign_but_in_a_difference(table: ModuleType) -> None:
    assert (table.tenths(-0.04), table.tenths(-0.04, "+"), table.tenths(-0.06)) == ("0.0", "+0.0", "-0.1")


def test_algorithms_stand_in_the_order_of_the_campaign(table: ModuleType) -> None:
    labels = ["other", "d3rlpy 2 TD3+BC", "BC of the best tenth", "BC", "TD3+BC", "MOBILE", "MOPO", "MICRO"]
    (text,) = table.training_tables([trained(label, 0, 1.0, 2.0) for label in labels])
    shown = [line.split(" | ")[0].strip("| ") for line in text.split("\n\n")[2].splitlines()[2:]]
    assert shown == ["MICRO", "MOPO", "MOBILE", "TD3+BC", "BC", "BC of the best tenth", "other", "d3rlpy 2 TD3+BC"]


def test_robustness_is_one_table_of_areas_and_means(table: ModuleType) -> None:
    entries = [robust("MICRO", s, {"random": 200.0, "min-q": 150.0 + 2 * s}, 300.0) for s in range(3)]
    entries += [robust("MOPO", s, {"random": 180.0, "min-q": 150.0}, 320.0) for s in range(3)]
    (text,) = table.robustness_tables([*entries, trained("MICRO", 0, 1.0, 2.0)])
    _, _, means, differences = text.split("\n\n")
    assert means.splitlines()[0] == "| algorithm | seeds | random | min-q | friction and gravity |"
    assert cells(means, "MICRO")[2:] == ["50.0 (50.0 to 50.0)", "26.0 (25.0 to 27.0)", "100.0 (100.0 to 100.0)"]
    assert cells(differences, "MOPO") == [
        "MOPO", "3", "+10.0 (+10.0 to +10.0)", "+1.0 (+0.0 to +2.0)", "-10.0 (-10.0 to -10.0)",
    ]  # fmt: skip


def test_evaluations_that_were_made_differently_share_no_table(table: ModuleType) -> None:
    pair = [robust("MICRO", 0, {"random": 1.0}, 1.0), robust("MOPO", 0, {"random": 1.0}, 1.0, episodes=3)]
    assert len(list(table.robustness_tables(pair))) == 2


def test_the_command_prints_markdown_of_the_ledger(root: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    said = printed(root, "--ledger", str(ledger))
    assert "no offline run yet" in said
    ledger.write_text("".join(json.dumps(trained("MICRO", seed, 200.0, 300.0)) + "\n" for seed in range(2)))
    assert "| MICRO | 2 | 50.0 (50.0 to 50.0) |" in printed(root, "--ledger", str(ledger))


def test_files_of_robustness_are_gathered_and_the_ledger_comes_first(root: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    words = ("--ledger", str(ledger), "--results", str(tmp_path), "--robustness")
    assert "no robustness yet" in printed(root, *words)
    for name, area in (("micro", 200.0), ("mopo", 180.0)):
        run = {
            **{"mujoco": "3", "checkpoint": "checkpoint-1", "episodes": 10, "seed": 1, "spread": "the data"},
            **{"reference": REFERENCE, "areas": {"random": {"return": area, "score": 0.0}}},
            "cells": [
                {"attack": "random", "radius": 0.1, "friction": None, "gravity": None, "mean": area},
                {"attack": "none", "radius": 0.0, "friction": 0.5, "gravity": 1.0, "mean": 2 * area},
            ],
        }
        folder = tmp_path / f"robust-{name}-hopper-3"
        folder.mkdir()
        (folder / "robustness.json").write_text(json.dumps({"format": 1, "runs": [run]}))
    said = printed(root, *words)
    assert cells(said, "MICRO") == ["MICRO", "1", "50.0", "150.0"]
    assert cells(said, "MOPO") == ["MOPO", "1", "+10.0 (-)", "+20.0 (-)"]
    entry = robust("MICRO", 3, {"random": 240.0}, 300.0) | {"row": "robust-micro-hopper-3"}
    ledger.write_text(json.dumps(entry) + "\n")
    assert cells(printed(root, *words), "MICRO")[2] == "70.0"


def printed(root: Path, *words: str) -> str:
    command = [sys.executable, str(root / "benchmarks" / "offline_table.py"), *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout

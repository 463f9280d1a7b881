"""The rows that learn to adapt: their commands are understood, and comparisons are fair."""

import importlib
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from spreeze import registry
from spreeze.cli import read_settings
from spreeze.stages import build_stages, environment_spec


@pytest.fixture
def rows(root: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("campaign_meta_rows")


def test_every_family_has_as_many_steps_for_every_method_and_seed(rows: ModuleType) -> None:
    off_policy = [row for row in rows.ROWS if row.algorithm != "RL2"]
    steps = {(row.environment, row.command[row.command.index("--steps") + 1]) for row in off_policy}
    assert len(steps) == len({row.environment for row in off_policy}) == 10
    counts = Counter(row.environment for row in off_policy)
    assert (counts.pop("point-robot-sparse"), counts.pop("point-robot-noise")) == (20, 15)
    assert set(counts.values()) == {10}


def test_the_command_line_and_the_algorithm_take_every_row(rows: ModuleType) -> None:
    for row in rows.ROWS:
        if row.seed:
            continue
        words = [word.format(seed=row.seed, out="runs/x", python="python") for word in row.command]
        settings = read_settings(words[words.index("run") + 1 :])
        if row.environment.startswith("ml1"):
            continue
        spaces = registry.environment(settings.env).make_vector(settings.environment, 1, 0)
        spec = environment_spec(settings, spaces.observation_space, spaces.action_space)
        [stage] = build_stages(settings, spec)
        assert stage.until.env_steps == int(words[words.index("--steps") + 1])

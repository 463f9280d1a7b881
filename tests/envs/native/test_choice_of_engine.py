"""Which engine steps an environment: the native one where there is one, unless the user says otherwise."""

import ast
import sys
from pathlib import Path

import gymnasium
import gymnasium.envs.mujoco.hopper_v5
import pytest

from spreeze import registry
from spreeze.cli import main, read_settings
from spreeze.envs import SHORT_NAMES, environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.native import TASKS, refusal
from spreeze.envs.native.vector import NativeVector
from spreeze.envs.vector import SyncVector
from spreeze.errors import UsageError


def made(name: str, engine: str = "auto") -> object:
    options = GymnasiumOptions(sampler_engine=engine)  # type: ignore[arg-type]
    return environment(name).make_vector(options, 1, 0)


@pytest.mark.parametrize("identifier", TASKS)
def test_environments_that_have_a_native_engine_get_it(identifier: str) -> None:
    assert isinstance(made(identifier), NativeVector)


def test_every_short_name_of_mujoco_has_a_native_engine() -> None:
    assert {i for i in SHORT_NAMES.values() if i.endswith("-v5")} <= set(TASKS)


def test_the_others_get_gymnasiums() -> None:
    assert isinstance(made("pendulum"), SyncVector)


def test_gymnasiums_can_be_forced() -> None:
    assert isinstance(made("hopper", "gymnasium"), SyncVector)


def test_the_native_engine_forced_where_there_is_none_names_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"'Pendulum-v1' has no native engine; there is one for Ant-v4, .*Walker2d-v5"):
        made("pendulum", "native")


@pytest.mark.parametrize(
    "change",
    [
        {"kwargs": {"reset_noise_scale": 0.2}},
        {"entry_point": "gymnasium.envs.mujoco.hopper_v4:HopperEnv"},
        {"entry_point": gymnasium.envs.mujoco.hopper_v5.HopperEnv},
    ],
)
def test_an_id_that_is_registered_otherwise_is_not_native(
    change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = gymnasium.registry["Hopper-v5"]
    settings = {"entry_point": own.entry_point, "max_episode_steps": own.max_episode_steps} | change
    monkeypatch.setitem(gymnasium.registry, "Hopper-v5", gymnasium.envs.registration.EnvSpec("Hopper-v5", **settings))  # type: ignore[arg-type]
    assert isinstance(made("Hopper-v5"), SyncVector)
    with pytest.raises(UsageError, match="'Hopper-v5' is registered otherwise than Gymnasium registers it"):
        made("Hopper-v5", "native")


def test_without_mjbatch_there_is_no_native_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mjbatch", None)
    assert refusal("Hopper-v5") == "the package mjbatch is not installed"
    assert isinstance(made("Hopper-v5"), SyncVector)


def test_the_command_line_chooses_the_engine() -> None:
    given = read_settings(["--env", "hopper", "--sampler-engine", "gymnasium"])
    assert given.environment.sampler_engine == "gymnasium"
    assert read_settings(["--env", "hopper"]).environment.sampler_engine == "auto"


def test_a_run_that_cannot_be_native_ends_before_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--env", "pendulum", "--sampler-engine", "native", "--serial", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert "'Pendulum-v1' has no native engine" in capsys.readouterr().err


def test_one_module_alone_imports_mjbatch(root: Path) -> None:
    importing = [
        path.relative_to(root).as_posix()
        for folder in ("spreeze", "algorithms", "envs")
        for path in sorted((root / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mjbatch"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("mjbatch") for alias in node.names))
    ]
    assert importing == ["envs/native/batch.py"]


def test_options_of_every_environment_of_gymnasium_offer_the_engine() -> None:
    assert registry.environment("hopper").options is GymnasiumOptions

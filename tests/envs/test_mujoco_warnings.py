"""MuJoCo's warnings go to the log of a run, and not into a file of the working folder."""

from pathlib import Path

import gymnasium
import mujoco
import pytest

from spreeze import registry
from spreeze.envs._warnings import keep_no_log

BALL = '<mujoco><worldbody><body><freejoint/><geom size="1" mass="1"/></body></worldbody></mujoco>'


def test_a_simulation_that_diverges_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    keep_no_log()
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    data.qpos[0] = float("nan")
    mujoco.mj_step(model, data)
    assert "MuJoCo: Nan, Inf or huge value in QPOS" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["gymnasium", "native"])
def test_environments_of_both_engines_see_to_that(engine: str) -> None:
    mujoco.set_mju_user_warning(None)
    hopper = registry.environment("hopper")
    envs = hopper.make_vector(hopper.options(sampler_engine=engine), 1, 0)
    assert mujoco.get_mju_user_warning() is not None
    envs.close()
    assert "mujoco" in str(gymnasium.spec("Hopper-v5").entry_point)

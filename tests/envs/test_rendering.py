"""Frames of environments that are watched."""

import numpy as np
import pytest

from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.errors import EnvironmentFault, UsageError


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """No screen, and no choice of OpenGL made beforehand."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def frame(name: str) -> np.ndarray:
    env = environment(name).make_rendered(GymnasiumOptions())
    try:
        env.reset(seed=0)
        drawn = env.render()
        assert isinstance(drawn, np.ndarray)
        return drawn
    finally:
        env.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_classic_environment_is_drawn_without_a_screen() -> None:
    drawn = frame("pendulum")
    assert (drawn.ndim, drawn.shape[2], str(drawn.dtype)) == (3, 3, "uint8")
    assert drawn.std() > 0


def test_a_mujoco_environment_is_drawn_without_a_screen_or_says_which_opengl_it_needs() -> None:
    try:
        drawn = frame("hopper")
    except Exception as error:
        assert any("EGL" in note for note in error.__notes__)
    else:
        assert (drawn.ndim, drawn.shape[2], str(drawn.dtype)) == (3, 3, "uint8")
        assert drawn.std() > 0


def test_a_package_missing_for_drawing_is_named_with_its_remedy() -> None:
    with pytest.raises(UsageError, match=r"cannot render environment 'test/undrawable-v0'.*pip install brush"):
        frame("tests.envs.faulty:test/undrawable-v0")


def test_a_frame_of_another_kind_is_a_fault() -> None:
    with pytest.raises(EnvironmentFault, match="not \\(H, W, 3\\) uint8"):
        frame("tests.envs.faulty:test/raises-v0")


@pytest.mark.filterwarnings("ignore:.*render_mode")
def test_an_environment_that_cannot_be_drawn_says_so() -> None:
    with pytest.raises(UsageError, match=r"'tests\.envs\.faulty:test/choices-v0' cannot be rendered"):
        environment("tests.envs.faulty:test/choices-v0").make_rendered(GymnasiumOptions())

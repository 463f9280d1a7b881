"""Where MuJoCo's warnings go."""

import sys

import mujoco


def keep_no_log() -> None:
    """Have MuJoCo warn on standard error, which is the log of a run, and not in a file of the working folder."""
    mujoco.set_mju_user_warning(_tell)


def _tell(text: str) -> None:
    sys.stderr.write(f"MuJoCo: {text}\n")

"""Weights & Biases."""

import os
from collections.abc import Mapping
from pathlib import Path

from spreeze.config import Settings
from spreeze.errors import UsageError
from spreeze.sinks.stream import keep_id, kept_id

STEP = "step"
OFFLINE = "WANDB_MODE=offline keeps everything on this machine, `wandb sync` sends it later"


class WeightsAndBiases:
    """A run of the project `spreeze` (WANDB_PROJECT names another), its files in the run folder.

    Neither code, git state, what the run prints nor anything about the machine is sent.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        offline = os.environ.get("WANDB_MODE", "online") != "online"
        if not offline and not wandb.api.api_key:
            raise UsageError(f"--log wandb: not logged in. `wandb login` does that; {OFFLINE}")
        own = wandb.Settings(
            console="off", disable_git=True, disable_code=True, save_code=False, silent=True,
            x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        )  # fmt: skip
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "spreeze"), name=folder.name, dir=str(folder),
                id=kept_id(folder, "wandb"), resume="allow", config=settings.to_data(), settings=own,
            )  # fmt: skip
        except wandb.Error as error:
            raise UsageError(f"--log wandb: {error}. {OFFLINE}") from error
        keep_id(folder, "wandb", self._run.id)
        # Evaluations are dated back to their weights; wandb's own steps must rise.
        self._run.define_metric("*", step_metric=STEP)

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Log these values together."""
        self._run.log({**values, STEP: at})

    def close(self) -> None:
        """Finish the run there."""
        self._run.finish()

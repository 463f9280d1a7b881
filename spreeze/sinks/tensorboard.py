"""TensorBoard's event files in the run folder."""

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from spreeze.config import Settings


class TensorBoard:
    """Event files that `tensorboard --logdir runs` draws."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._writer = SummaryWriter(str(folder))

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Write an event for each value."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, at)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

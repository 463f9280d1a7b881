"""The user's cache folder, readable by the user alone."""

import os
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """$SPREEZE_CACHE, or `spreeze` in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("SPREEZE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spreeze"


def made(kind: str) -> Path:
    """The folder for one kind of file in it, which is there then.

    Raises:
        OSError: it cannot be.
    """
    for folder in (cache_folder(), cache_folder() / kind):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return cache_folder() / kind


def keep_compiled() -> None:
    """Have PyTorch keep there what it compiles: else it leaves a folder among the temporary files, even if empty."""
    with suppress(OSError):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(made("torchinductor")))

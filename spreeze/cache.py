"""What is worth keeping between runs: tensors by key, in the user's cache folder, readable by the user alone."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def cache_folder() -> Path:
    """$SPREEZE_CACHE, or `spreeze` in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("SPREEZE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spreeze"


def cache_key(**parts: Any) -> str:
    """A name that is a function of `parts`, plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def keep(kind: str, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Keep `tensors`; a full or read-only disk is no reason to fail."""
    file = cache_folder() / kind / f"{key}.safetensors"
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        for folder in (cache_folder(), file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.touch(mode=0o600)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)
        part.replace(file)
    except (OSError, SafetensorError):
        with suppress(OSError):
            part.unlink()


def kept(kind: str, key: str) -> dict[str, Tensor] | None:
    """What was kept; None if there is nothing that can be read."""
    try:
        return load_file(cache_folder() / kind / f"{key}.safetensors")
    except (OSError, SafetensorError):
        return None

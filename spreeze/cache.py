"""What is worth keeping between runs: tensors or plain data by key, in the cache folder, readable by the user alone."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from spreeze.folders import cache_folder, made


def cache_key(**parts: Any) -> str:
    """A name that is a function of `parts`, plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def keep(kind: str, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Keep `tensors`; a full or read-only disk is no reason to fail."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _put(kind, f"{key}.safetensors", lambda file: save_file(own, file))


def kept(kind: str, key: str) -> dict[str, Tensor] | None:
    """What was kept; None if there is nothing that can be read."""
    try:
        return load_file(cache_folder() / kind / f"{key}.safetensors")
    except (OSError, SafetensorError):
        return None


def keep_data(kind: str, key: str, data: Mapping[str, Any]) -> None:
    """Keep plain data; a full or read-only disk is no reason to fail."""
    _put(kind, f"{key}.json", lambda file: file.write_text(json.dumps(data, indent=1)))


def kept_data(kind: str, key: str) -> dict[str, Any] | None:
    """The plain data that were kept; None if there is nothing that can be read."""
    try:
        data = json.loads((cache_folder() / kind / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _put(kind: str, name: str, write: Callable[[Path], object]) -> None:
    """Have a file written under another name, and put it into its place at once."""
    file = cache_folder() / kind / name
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        made(kind)
        part.touch(mode=0o600)
        write(part)
        part.replace(file)
    except (OSError, SafetensorError):
        with suppress(OSError):
            part.unlink()

"""What earlier stages leave to later ones: the bundles that they published last, in one file beside the checkpoints."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from torch import Tensor

from spreeze.checkpoint import sync
from spreeze.errors import CheckpointError

DIGEST = "sha256"
"""The name under which the file keeps the digest of its arrays."""


def inherited_file(folder: Path) -> Path:
    """Where a run folder keeps them."""
    return folder / "checkpoints" / "inherited.safetensors"


def keep_inherited(file: Path, bundles: Mapping[str, np.ndarray]) -> None:
    """Add a stage's last bundles, {bundle/name: array}, to those of the stages before it, in one step.

    Raises:
        CheckpointError: they cannot be written.
    """
    if not bundles:
        return
    part = file.with_suffix(".part")
    try:
        arrays = (load_file(file) if file.exists() else {}) | dict(bundles)
        save_file(arrays, part, metadata={DIGEST: digest_of(arrays)})
        sync(part)
        part.replace(file)
        sync(file.parent)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(f"what the stage leaves to the next could not be written: {error}") from error


def check_inherited(file: Path) -> None:
    """Raise CheckpointError unless the file is there and as it was written."""
    try:
        with safe_open(file, framework="np") as opened:
            kept = (opened.metadata() or {}).get(DIGEST)
        if kept is not None and kept != digest_of(load_file(file)):
            raise ValueError("differs from its digest")
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is gone, which holds what earlier stages left") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{file} is damaged, which holds what earlier stages left: {error}") from error


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and numbers."""
    sha = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        sha.update(f"{name} {array.dtype} {array.shape};".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def inherited_bundles(file: str) -> dict[str, dict[str, Tensor]]:
    """The bundles in a file of inherited ones; {} of none."""
    bundles: dict[str, dict[str, Tensor]] = {}
    for key, tensor in (load_tensors(file) if file else {}).items():
        bundle, _, name = key.partition("/")
        bundles.setdefault(bundle, {})[name] = tensor
    return bundles

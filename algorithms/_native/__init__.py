"""Passes of MLPs in C, for processors that multiply bfloat16 with AVX-512: `mlp.c` and `sac.c`, compiled on first use.

Between products, PyTorch writes and reads whole layers for each bias, ReLU, mask and conversion; here all of it happens
while the product's tile is still in registers. Without a C compiler, and on other processors, everything works through
`_passes` alone.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from spreeze.cache import cache_folder

SOURCES = [Path(__file__).with_name(name) for name in ("mlp.c", "sac.c")]
FLAGS = ("-O3", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 120
DISABLE = "SPREEZE_NO_NATIVE"
"""Environment variable: if set, nothing is compiled or loaded."""


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library; None where it is of no use or cannot be made. `why_not` tells which."""
    if why_not():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        loaded = ctypes.CDLL(str(_compiled()))
        if loaded.supported():
            return loaded
    return None


def why_not() -> str:
    """Why PyTorch's products are used instead; empty if they are not."""
    if os.environ.get(DISABLE):
        return f"{DISABLE} is set"
    if not torch.cpu._is_avx512_bf16_supported():
        return "the processor has no AVX-512 BF16"
    if torch.cpu._is_amx_tile_supported():
        return "the processor has AMX, which PyTorch uses"
    return "" if compiler() else "no C compiler (cc, gcc or clang) in PATH"


def compiler() -> str | None:
    """The first C compiler in PATH."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def _compiled() -> Path:
    """The library's file in the cache, compiled if it is not there; readable and writable by the user alone."""
    program = compiler()
    assert program is not None, "`why_not` was asked"
    texts = [path.read_bytes() for path in sorted(SOURCES[0].parent.glob("*.[ch]"))]
    name = hashlib.sha256(b"".join(texts) + repr(FLAGS).encode()).hexdigest()[:32]
    file = cache_folder() / "native" / f"{name}.so"
    if not _own(file):
        for folder in (cache_folder(), file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(f".{os.getpid()}.part")
        command = [program, *FLAGS, "-o", str(part), *map(str, SOURCES)]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_TIMEOUT_S)
        part.chmod(0o700)
        part.replace(file)
    return file


def _own(file: Path) -> bool:
    """Whether the file is there, and nobody else may have written it."""
    try:
        found = file.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022

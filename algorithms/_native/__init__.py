"""Passes of MLPs in C, for processors that multiply bfloat16 with AVX-512: `mlp.c` and `sac.c`, compiled on first use.

Between products, PyTorch writes and reads whole layers for each bias, ReLU, mask and conversion; here all of it happens
while the product's tile is still in registers. Without a C compiler, and on other processors, everything works through
`_passes` alone.
"""

import ctypes
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from spreeze.compiling import DISABLE, compiled, compiler

SOURCES = [Path(__file__).with_name(name) for name in ("mlp.c", "sac.c")]


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library; None where it is of no use or cannot be made. `why_not` tells which."""
    if why_not():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        loaded = ctypes.CDLL(str(compiled(SOURCES, ["-O3"])))
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

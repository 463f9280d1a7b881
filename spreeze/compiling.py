"""C that is compiled on first use, and kept in the cache for the user alone."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from spreeze.folders import made

TIMEOUT_S = 120
DISABLE = "SPREEZE_NO_NATIVE"
"""Environment variable: if set, nothing is compiled or loaded."""


def compiler() -> str | None:
    """The first C compiler in PATH."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def compiled(sources: Sequence[Path], flags: Sequence[str], key: str = "") -> Path:
    """The shared library made of C `sources`, compiled if it is not in the cache; there must be a `compiler`.

    Args:
        sources: Files; what they include lies beside the first one, or among the `flags`.
        flags: Of the compiler, libraries included.
        key: What else the library depends on.

    Raises:
        OSError: the cache cannot be written.
        subprocess.SubprocessError: the compiler failed.
    """
    program = compiler()
    assert program is not None, "`compiler` was asked"
    texts = [path.read_bytes() for path in sorted(sources[0].parent.glob("*.[ch]"))]
    name = hashlib.sha256(b"".join(texts) + repr((*flags, key)).encode()).hexdigest()[:32]
    file = made("native") / f"{name}.so"
    if not _own(file):
        part = file.with_suffix(f".{os.getpid()}.part")
        command = [program, "-shared", "-fPIC", "-o", str(part), *map(str, sources), *flags]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
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

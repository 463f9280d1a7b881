"""Damage done to files at random."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

Harm = Callable[[Path, random.Random], None]


def flip(path: Path, rng: random.Random) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(path: Path, rng: random.Random) -> None:
    """Cut the file off."""
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def blank(path: Path, rng: random.Random) -> None:
    """Make up to a kilobyte zero, as a disk does that lost a block."""
    data = bytearray(path.read_bytes())
    begin = rng.randrange(len(data))
    end = min(begin + rng.randrange(1, 1024), len(data))
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)


def lose(path: Path, rng: random.Random) -> None:
    """Remove the file."""
    path.unlink()


def grow(path: Path, rng: random.Random) -> None:
    """Append some bytes."""
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 64)))


HARMS: Sequence[Harm] = (flip, flip, flip, truncate, blank, lose, grow)


def harm_one(files: Sequence[Path], rng: random.Random) -> tuple[Path, bytes, str]:
    """Harm one of the files, chosen by size so that every byte is as likely; return it, what it held, and how.

    Every fourth time the file is chosen without regard to size, so that the small ones are not forgotten.
    """
    weights = [path.stat().st_size if rng.randrange(4) else 1 for path in files]
    [path] = rng.choices(files, weights) if any(weights) else [files[0]]
    held, harm = path.read_bytes(), rng.choice(HARMS)
    harm(path, rng)
    if path.exists() and path.read_bytes() == held:
        flip(path, rng)
        harm = flip
    return path, held, harm.__name__

"""Curves, bars and sparklines drawn with characters; plain ASCII where a terminal has no others."""

from collections.abc import Sequence

import numpy as np

SPARKS, ASCII_SPARKS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
BRAILLE = 0x2800
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Bit of each of the 4 x 2 dots of a Braille character, from the top."""


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A bar of `width` characters of which `share`, in [0, 1], are filled."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    if ascii_only:
        return ("#" * (halves // 2)).ljust(width, ".")
    return ("━" * (halves // 2) + "╸" * (halves % 2)).ljust(width, "─")


def spark(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """A curve one line high: means of up to `width` stretches of `values`, from the least to the greatest."""
    if not len(values) or width < 1:
        return ""
    parts = np.array_split(np.asarray(values, float), min(width, len(values)))
    means = np.array([np.mean(part) for part in parts])
    signs, spread = (ASCII_SPARKS if ascii_only else SPARKS), np.ptp(means)
    levels = np.zeros(len(means), int) if spread == 0 else np.round((means - means.min()) / spread * 7).astype(int)
    return "".join(signs[level] for level in levels)


def curve(x: Sequence[float], y: Sequence[float], width: int, height: int, ascii_only: bool = False) -> list[str]:
    """Lines of a curve through the points (x rising), `width` x `height` characters, without axes."""
    columns, rows = 2 * width, 4 * height
    dots = np.zeros((rows, columns), bool)
    spread = float(np.ptp(y)) or 1.0
    at = np.interp(np.linspace(x[0], x[-1], columns), x, y)
    level = np.round((rows - 1) * (1 - (at - min(y)) / spread)).astype(int)
    for column, (before, now) in enumerate(zip([level[0], *level[:-1]], level, strict=True)):
        dots[min(before, now) : max(before, now) + 1, column] = True
    cells = np.sum(dots.reshape(height, 4, width, 2) * DOTS[:, None, :], axis=(1, 3)).tolist()
    return ["".join(sign(cell, ascii_only) for cell in line) for line in cells]


def sign(cell: int, ascii_only: bool) -> str:
    """The character with these dots."""
    if not cell:
        return " "
    return "*" if ascii_only else chr(BRAILLE + cell)


def in_words(seconds: float) -> str:
    """A duration: 42 s, 3 min 24 s, 2 h 05 min, 3 d 04 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def number(value: float) -> str:
    """Four digits that count, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

"""Code blocks of README and documentation, and what the comment before one says of running it.

    <!-- runs with: OPTIONS -->   a console block that is run, `spreeze run` and `resume` with these options too
    <!-- not run: REASON -->      a Python block that is not run

Console blocks without a comment are read by the real command line and not run. Python blocks are run; one with a
title is written to the file of that name first, for those after it.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = ("console", "sh", "bash", "")
COMMAND = re.compile(r"^(spreeze|tools/\w+|python3? benchmarks/\S+)(\s|$)")
FENCE = re.compile(r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\s*$')
MARKER = re.compile(r"^<!-- (?P<marker>.*) -->$")


class Block(NamedTuple):
    """One block of code; `line` is that of its fence."""

    page: Path
    line: int
    language: str
    title: str
    marker: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begun: tuple[int, re.Match[str]] | None = None
    for index, line in enumerate(lines):
        found = FENCE.match(line)
        if begun is not None and line.startswith("```"):
            at, fence = begun
            marker = MARKER.match(lines[at - 1]) if at else None
            text = "\n".join(lines[at + 1 : index]) + "\n"
            yield Block(page, at + 1, fence["language"], fence["title"] or "", marker["marker"] if marker else "", text)
            begun = None
        elif begun is None and line.startswith("```"):
            assert found, f"{page.name}:{index + 1}: the fence {line!r} cannot be read"
            begun = index, found
    assert begun is None, f"{page.name}: a block has no end"


def commands_in(text: str) -> list[str]:
    """The commands of ours in a shell text, lines that end with a backslash joined."""
    lines = (line.strip().removeprefix("$ ") for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if COMMAND.match(line)]


def commands(page: Path) -> list[str]:
    """Every command of ours on a page, in fenced and in indented blocks."""
    fenced = [command for block in blocks(page) if block.language in SHELL for command in commands_in(block.text)]
    bare = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return fenced + commands_in("\n".join(line for line in bare.splitlines() if line.startswith("    ")))


def words(command: str) -> list[str]:
    """The arguments of a command, up to a comment or another command."""
    return shlex.split(command.split("; ")[0], comments=True)

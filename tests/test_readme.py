"""What README and docs say works: code blocks run, named files exist, named commands are commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spreeze.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks() -> list[tuple[str, str]]:
    """Page and text of every fenced Python block."""
    fence = re.compile(r"```python\n(.*?)```", re.S)
    return [(page.name, block) for page in PAGES for block in fence.findall(page.read_text())]


@pytest.mark.parametrize(("page", "block"), python_blocks())
def test_every_python_block_runs(page: str, block: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, f"{page}: {done.stderr}"


def test_readme_has_a_python_block() -> None:
    assert python_blocks()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_that_the_readme_names_is_one() -> None:
    named = set(re.findall(r"`spreeze (\w+)", (ROOT / "README.md").read_text()))
    assert named >= set(COMMANDS)
    assert named <= set(COMMANDS)


def test_the_first_two_commands_are_run_and_test() -> None:
    lines = [line.split() for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("    tools/")]
    assert [line[0] for line in lines[:2]] == ["tools/run", "tools/test"]
    assert all((ROOT / line[0]).stat().st_mode & 0o100 for line in lines)

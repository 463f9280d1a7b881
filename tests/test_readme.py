"""The README: named files exist, named commands are commands. What its blocks do: tests/test_docs.py."""

import re
from pathlib import Path

import pytest

from spreeze.cli import COMMANDS
from tests.pages import PAGES, ROOT


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

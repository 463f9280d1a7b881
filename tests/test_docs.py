"""The documentation is true: blocks run, commands are understood, options are named, links lead somewhere."""

import dataclasses
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tyro

from spreeze import registry
from spreeze.cli import COMMANDS, main
from tests.pages import PAGES, ROOT, SHELL, Block, blocks, commands, commands_in, words

RUN, UNRUN = "runs with:", "not run:"
KNOWN = {*SHELL, "python", "toml", "yaml", "json", "text"}
WITH_EXTRA = ("run", "resume")


def to_run(page: Path) -> list[Block]:
    """The blocks of a page that are run, in their order."""
    python = [b for b in blocks(page) if b.language == "python" and not b.marker.startswith(UNRUN)]
    return [b for b in blocks(page) if b in python or b.marker.startswith(RUN)]


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=lambda page: page.name)
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for block in to_run(page):
        if block.language == "python":
            run_python(block, tmp_path)
        else:
            extra = words(block.marker.removeprefix(RUN))
            for command in commands_in(block.text):
                argv = words(command)[1:]
                assert main([*argv, *(extra if argv[0] in WITH_EXTRA else ())]) == 0, f"{block.place}: {command}"


def run_python(block: Block, folder: Path) -> None:
    """Run a block in a process of its own, from the file that it is called by."""
    script = folder / (block.title or "block.py")
    script.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )
    assert done.returncode == 0, f"{block.place}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_language_that_is_looked_after_and_a_reason_if_it_is_not_run(page: Path) -> None:
    for block in blocks(page):
        assert block.language in KNOWN, f"{block.place}: ```{block.language}"
        if block.marker.startswith(UNRUN):
            assert len(block.marker) > len(UNRUN) + 10, f"{block.place} is not run without a reason"


class Understood(Exception):
    """The command line has read its options without an error."""


@pytest.fixture
def only_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line as it is, up to where it would act."""
    real = tyro.cli

    def read(*arguments: Any, **options: Any) -> Any:
        real(*arguments, **options)
        raise Understood

    monkeypatch.setattr(tyro, "cli", read)


@pytest.mark.usefixtures("only_reading")
@pytest.mark.parametrize(
    ("page", "command"),
    [(page.name, command) for page in PAGES for command in dict.fromkeys(commands(page))],
)
def test_every_command_is_understood(page: str, command: str) -> None:
    program, *argv = words(command)
    if program.startswith("python"):
        return understood_by_benchmark(ROOT / argv[0], argv[1:])
    if program == "tools/run":
        argv = ["run", *argv]
    elif program.startswith("tools/"):
        assert (ROOT / program).stat().st_mode & 0o100
        return None
    assert argv[0] in COMMANDS, f"{page}: {command}"
    if argv[0] in ("run", "tune") and any(":" in word for word in argv):
        argv = argv[:1]  # The options of a plug-in of the page: it is run there.
    if argv[1:] or argv[0] == "run":
        try:
            main(argv)
        except Understood:
            return None
    assert argv in (["list"], ["doctor"], ["dataset", "list"]), f"{page}: '{command}' was not read to its end"


def understood_by_benchmark(script: Path, argv: list[str]) -> None:
    """The script exists, and every flag is named in it or in what it shares with others."""
    assert script.exists(), f"{script} does not exist"
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "benchmarks").glob("*.py"))
    for flag in (word for word in argv if word.startswith("--")):
        assert f'"{flag}"' in sources, f"{script.name} has no option {flag}"


@pytest.mark.parametrize("algorithm", registry.builtin_algorithms())
def test_every_algorithm_has_a_page_that_names_its_options_or_links_to_one_that_does(algorithm: str) -> None:
    page = ROOT / "docs" / f"{algorithm}.md"
    text = page.read_text(encoding="utf-8")
    linked = [page.parent / name for name in re.findall(r"\]\(([\w-]+\.md)", text)]
    everything = text + "".join(other.read_text(encoding="utf-8") for other in linked)
    for field in dataclasses.fields(registry.algorithm(algorithm).config):
        assert f"`--{field.name.replace('_', '-')}`" in everything, f"{page.name} does not name {field.name}"
    assert f"({algorithm}.md)" in (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")


def test_every_test_that_holds_a_promise_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"))
    assert len(named) > 5 and [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="pip install 'spreeze[docs]'")
def test_the_site_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|<link[^>]+rel=\"?(?:stylesheet|preconnect)"
                         r"\"?[^>]+href=\"?(?:https?:)?//")  # fmt: skip
    pages = list(tmp_path.rglob("*.html"))
    assert {"index.html", "plugins.html", "sac.html"} <= {page.name for page in pages}
    assert [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))] == []

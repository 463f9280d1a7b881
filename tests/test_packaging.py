"""What is built from a tree is whole, and a tree that cannot give a whole package does not build."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

BUILT_FROM = ("CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "constraints.txt")
FOLDERS = ("algorithms", "envs", "spreeze")
LINKS = ("algorithms", "envs")


@pytest.fixture(scope="module")
def tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, links as links."""
    return copy_tree(root, tmp_path_factory.mktemp("whole") / "tree")


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds from that copy."""
    folder = tmp_path_factory.mktemp("wheel")
    result = build_wheel(tree, folder)
    assert result.returncode == 0, result.stdout + result.stderr
    [path] = folder.glob("spreeze-*.whl")
    return path


def copy_tree(root: Path, target: Path) -> Path:
    target.mkdir()
    for name in (*BUILT_FROM, "setup.cfg", "setup.py", "pyproject.toml"):
        shutil.copy(root / name, target / name)
    for name in FOLDERS:
        shutil.copytree(root / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def build_wheel(tree: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pip on `tree`, with the build tools of this environment, so that no network is needed."""
    command = [sys.executable, "-m", "pip", "wheel", str(tree), "--no-deps", "--no-build-isolation", "--no-index"]
    return run([*command, "--disable-pip-version-check", "--wheel-dir", str(folder)], folder)


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in `folder`, with nothing of this process's environment that could change what is imported."""
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=300, check=False)


def names_under(folder: Path) -> set[str]:
    """Every Python and XML file, as it must be called inside the wheel."""
    found = (path for kind in ("*.py", "*.xml") for path in folder.rglob(kind))
    return {path.relative_to(folder.parent).as_posix() for path in found}


def test_the_wheel_holds_every_source_file_once(tree: Path, wheel: Path) -> None:
    linked = {f"spreeze/{name}" for link in LINKS for name in names_under(tree / link)}
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.namelist()
    assert {name for name in packed if name.endswith((".py", ".xml"))} == names_under(tree / "spreeze") | linked
    assert len(packed) == len(set(packed))
    assert "spreeze/py.typed" in packed


def test_the_wheel_holds_linked_files_as_real_ones(tree: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for link in LINKS:
            assert archive.read(f"spreeze/{link}/__init__.py") == (tree / link / "__init__.py").read_bytes()


def test_the_wheel_installs_nothing_beside_spreeze(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        metadata = archive.read("spreeze-0.1.0.dist-info/METADATA").decode()
        scripts = archive.read("spreeze-0.1.0.dist-info/entry_points.txt").decode()
    assert tops == {"spreeze", "spreeze-0.1.0.dist-info"}
    assert "Requires-Python: <3.14,>=3.11" in metadata
    assert "spreeze = spreeze.cli:main" in scripts


def test_packages_import_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "import spreeze.algorithms as a, spreeze.envs as e; print(a.__file__); print(e.__file__)"
    result = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(tmp_path / "spreeze" / link / "__init__.py") for link in LINKS]


def test_a_source_distribution_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    assert run([sys.executable, "-c", code], tree).returncode == 0
    [archive] = tmp_path.glob("spreeze-*.tar.gz")
    result = build_wheel(archive, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(tmp_path / wheel.name) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())


@pytest.mark.parametrize("name", LINKS)
def test_an_import_at_the_root_names_the_right_import(root: Path, name: str) -> None:
    result = run([sys.executable, "-c", f"import {name}"], root)
    assert result.returncode != 0
    assert f"ImportError: import spreeze.{name}, not {name}" in result.stderr


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_came_as_a_text_file_stops_the_build(root: Path, tmp_path: Path, name: str) -> None:
    tree = copy_tree(root, tmp_path / "tree")
    (tree / "spreeze" / name).unlink()
    (tree / "spreeze" / name).write_text(f"../{name}", encoding="utf-8")
    assert_build_stops(tree, name)


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_is_missing_stops_the_build(root: Path, tmp_path: Path, name: str) -> None:
    tree = copy_tree(root, tmp_path / "tree")
    (tree / "spreeze" / name).unlink()
    assert_build_stops(tree, name)


def assert_build_stops(tree: Path, name: str) -> None:
    """The build of `tree` fails, names the lost link and the remedy, and leaves no wheel."""
    result = build_wheel(tree, tree.parent)
    assert result.returncode != 0
    assert f"error: spreeze/{name} must be a symbolic link" in result.stdout + result.stderr
    assert f"ln -s ../{name} spreeze/{name}" in result.stdout + result.stderr
    assert list(tree.parent.glob("*.whl")) == []

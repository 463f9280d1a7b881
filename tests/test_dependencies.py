"""Dependencies: what is installed is what is declared and pinned, and nothing that is known to be unsafe for us."""

import configparser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

FLOORS = {
    "torch": "2.10",  # CVE-2025-32434 and CVE-2026-24747: code in a checkpoint in spite of weights_only.
    "tensorboard": "2.0",  # Older versions listen on all interfaces.
    "pyyaml": "5.4",  # CVE-2020-14343: code in YAML.
    "msgpack": "1.0",  # Older versions have no limits by default.
}
"""The least version of which no flaw is known that concerns what spreeze reads or serves, and why."""


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, Requirement]:
    """The requirements of setup.cfg by name."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.strip().startswith("#")]
    return {requirement.name: requirement for requirement in found}


@pytest.fixture(scope="module")
def pinned(root: Path) -> dict[str, Version]:
    """The versions of constraints.txt by name."""
    lines = (root / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): Version(number) for name, number in pairs}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_no_version_is_allowed_that_is_known_to_be_unsafe(
    name: str, floor: str, declared: dict[str, Requirement]
) -> None:
    requirement = declared[name]
    below = Version(f"{floor}.dev0")
    assert not requirement.specifier.contains(below, prereleases=True), f"{requirement} allows {below}"
    assert any(spec.operator == ">=" and Version(spec.version) >= Version(floor) for spec in requirement.specifier)


def test_every_requirement_has_a_floor_and_a_pin_within_its_range(
    declared: dict[str, Requirement], pinned: dict[str, Version]
) -> None:
    for name, requirement in declared.items():
        assert any(spec.operator in (">=", "==") for spec in requirement.specifier), f"{name} has no floor"
        assert requirement.specifier.contains(pinned[name.lower().replace("_", "-")]), f"{name} is pinned elsewhere"


def test_what_is_installed_is_what_is_declared(declared: dict[str, Requirement]) -> None:
    for name, requirement in declared.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            assert requirement.marker is not None and not requirement.marker.evaluate(), f"{name} is missing"
            continue
        assert requirement.specifier.contains(installed, prereleases=True), f"{name} {installed}: wanted {requirement}"

"""Plug-ins by name: those of spreeze, of installed packages, and of modules; and what is said of broken ones."""

import textwrap
from pathlib import Path

import pytest

from spreeze import registry
from spreeze.errors import UnknownName, UsageError


@pytest.mark.parametrize("name", ["sax", "SAC", "sca"])
def test_an_unknown_algorithm_names_the_nearest(name: str) -> None:
    with pytest.raises(UnknownName, match=f"no algorithm '{name}'; did you mean 'sac'") as caught:
        registry.algorithm(name)
    assert caught.value.exit_code == 2


def test_an_unknown_environment_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no environment 'hoper'; did you mean 'hopper'"):
        registry.environment("hoper")


def test_a_plug_in_is_found_as_module_and_attribute() -> None:
    assert registry.algorithm("spreeze.algorithms.sac:ALGORITHM") is registry.algorithm("sac")
    assert registry.environment("tests.contract.environments:LINE").summary == "a linear system"


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere_to_be_found:X", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("spreeze.algorithms.sac:NOTHING", "cannot be imported: AttributeError: .*NOTHING"),
        ("spreeze.algorithms.sac:SACConfig", "is no Algorithm but a type"),
        (":", "cannot be imported"),
    ],
)
def test_what_is_wrong_with_a_module_and_attribute_is_told(path: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        registry.algorithm(path)


PLUG_INS = {
    "good_plugin": """
        from tests.contract.environments import FAMILY
        from tests.contract.split import ALGORITHM
        """,
    "broken_plugin": "raise RuntimeError('its licence has run out')",
    "leaving_plugin": "raise SystemExit('goodbye')",
}
ENTRY_POINTS = """
    [spreeze.algorithms]
    toy = good_plugin:ALGORITHM
    broken = broken_plugin:ALGORITHM
    leaving = leaving_plugin:ALGORITHM
    mistaken = good_plugin:FAMILY
    sac = broken_plugin:ALGORITHM
    [spreeze.envs]
    family = good_plugin:FAMILY
    broken-env = broken_plugin:ENVIRONMENT
    hopper = broken_plugin:ENVIRONMENT
    """


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's distribution, installed as far as Python can tell."""
    for name, text in PLUG_INS.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    information = tmp_path / "third_party-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(textwrap.dedent(ENTRY_POINTS))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_installed_plug_in_is_found_by_its_name() -> None:
    assert registry.algorithm("toy").summary == "backfitting in two parts"
    assert registry.environment("family").summary == "four tasks"
    with pytest.raises(UnknownName, match="did you mean 'toy'"):
        registry.algorithm("toi")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "reason"),
    [("broken", "RuntimeError: its licence"), ("leaving", "SystemExit: goodbye"), ("mistaken", "is no Algorithm")],
)
def test_a_broken_plug_in_tells_its_reason_when_it_is_asked_for(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        registry.algorithm(name)


@pytest.mark.usefixtures("installed")
def test_a_broken_plug_in_is_listed_with_its_reason_and_harms_no_other() -> None:
    listed = {(item.kind, item.name): item for item in registry.listing()}
    for name in ("sac", "toy"):
        assert listed["algorithm", name].error is None
    assert listed["environment", "hopper"].error is None
    assert listed["environment", "family"].summary == "four tasks"
    for kind, name in (("algorithm", "broken"), ("environment", "broken-env")):
        assert "its licence has run out" in (listed[kind, name].error or "")
    assert "goodbye" in (listed["algorithm", "leaving"].error or "")


@pytest.mark.usefixtures("installed")
def test_entry_points_are_ignored_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPREEZE_NO_PLUGINS", "1")
    assert registry.entry_points("spreeze.algorithms") == {}
    with pytest.raises(UnknownName):
        registry.algorithm("toy")
    assert all(item.error is None for item in registry.listing())


@pytest.mark.usefixtures("installed")
def test_nobody_can_take_over_a_name_of_spreeze() -> None:
    assert "Soft Actor-Critic" in registry.algorithm("sac").summary
    assert "Hopper-v5" in registry.environment("hopper").summary
    names = [(item.kind, item.name) for item in registry.listing()]
    assert len(names) == len(set(names))

"""Settings: complete as data, checked by name and type, the same after a round trip."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spreeze import registry
from spreeze.config import RunOptions, Settings, Unset, from_plain
from spreeze.errors import UnknownName, UsageError


@dataclasses.dataclass(frozen=True)
class Example:
    """One field of every type that options have."""

    flag: bool = False
    number: int = 1
    real: float = 1.5
    word: str = "a"
    path: Path = Path("x")
    widths: tuple[int, ...] = (1, 2)
    choice: Literal["a", "b"] = "a"
    perhaps: float | None = None
    either: int | Literal["auto"] = "auto"


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "number": st.integers(),
    "real": st.floats(allow_nan=False),
    "word": st.text(),
    "path": st.just(Path("a/b")),
    "widths": st.lists(st.integers()).map(tuple),
    "choice": st.sampled_from(["a", "b"]),
    "perhaps": st.none() | st.floats(allow_nan=False),
    "either": st.integers() | st.just("auto"),
}


def test_every_option_has_a_default_and_says_what_it_is(root: Path) -> None:
    text = (root / "spreeze" / "config.py").read_text()
    for field in dataclasses.fields(RunOptions):
        assert field.default is not dataclasses.MISSING
        declared = text.index(f"\n    {field.name}: ")
        assert text[declared + 1 :].splitlines()[1].startswith('    """'), f"{field.name} says nothing"


def test_bare_settings_are_the_defaults() -> None:
    settings = Settings.from_data({})
    assert (settings.algo, settings.env) == (registry.DEFAULT_ALGORITHM, registry.DEFAULT_ENVIRONMENT)
    assert settings.run == RunOptions()


def test_settings_as_data_hold_every_option_and_survive_json() -> None:
    settings = Settings.from_data({"env": "pendulum", "run": {"out": "x", "samplers": 2}})
    data = settings.to_data()
    assert data["run"].keys() == {field.name for field in dataclasses.fields(RunOptions)}
    assert Settings.from_data(json.loads(json.dumps(data))) == settings


def test_a_replaced_option_leaves_the_original() -> None:
    settings = Settings.from_data({})
    assert settings.replace(seed=9).run.seed == 9
    assert settings.run.seed == 0


@given(st.fixed_dictionaries(VALUES))
def test_options_survive_as_plain_data(values: dict[str, Any]) -> None:
    example = Example(**values)
    plain = {
        name: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for name, v in values.items()
    }
    assert from_plain(Example, plain) == example


def test_a_whole_number_serves_as_a_real_one() -> None:
    made = from_plain(Example, {"real": 2, "perhaps": 3})
    assert (made.real, made.perhaps) == (2.0, 3.0)
    assert type(made.real) is float


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("flag", 1, "bool"),
        ("number", True, "int"),
        ("number", 1.0, "int"),
        ("number", None, "int"),
        ("real", "1", "float"),
        ("real", True, "float"),
        ("word", 3, "str"),
        ("path", 3, "Path"),
        ("widths", 3, "tuple"),
        ("widths", [1, "b"], "int"),
        ("choice", "c", "a or b"),
        ("perhaps", "none", "float or None"),
        ("either", "automatic", "int or auto"),
        ("either", 1.5, "int or auto"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_expected(name: str, value: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=f"option '{name}' cannot be .*; expected .*{expected}"):
        from_plain(Example, {name: value})


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no option 'numbr'; did you mean 'number'"):
        from_plain(Example, {"numbr": 1})


def test_options_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(UsageError, match="Example needs a mapping"):
        from_plain(Example, [1])


def test_unset_is_none() -> None:
    assert get_args(Unset) == (None,)


@pytest.mark.parametrize("algorithm", registry.builtin_algorithms())
def test_no_option_of_an_algorithm_has_the_name_of_a_common_one(algorithm: str) -> None:
    common = {field.name for field in dataclasses.fields(RunOptions)} | {"algo", "env", "config", "help"}
    own = {field.name for field in dataclasses.fields(registry.algorithm(algorithm).config)}
    assert own and not own & common


@pytest.mark.parametrize("environment", ["pendulum", "hopper"])
def test_no_option_of_an_environment_has_the_name_of_a_common_one(environment: str) -> None:
    common = {field.name for field in dataclasses.fields(RunOptions)} | {"algo", "env", "config", "help"}
    own = {field.name for field in dataclasses.fields(registry.environment(environment).options)}
    assert not own & common


@pytest.mark.parametrize("algorithm", registry.builtin_algorithms())
def test_options_of_algorithms_and_environments_have_defaults_and_never_meet(algorithm: str) -> None:
    config = registry.algorithm(algorithm).config
    config()
    own = {field.name for field in dataclasses.fields(config)}
    assert not own & {field.name for field in dataclasses.fields(registry.environment("pendulum").options)}

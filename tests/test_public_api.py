"""What `import spreeze` offers, and what it costs."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import spreeze


def public_names() -> set[str]:
    """Every name of the package without an underscore that is not one of its modules."""
    names = {name for name in dir(spreeze) if not name.startswith("_")}
    return {name for name in names if not isinstance(getattr(spreeze, name), ModuleType)}


def loaded_by(statement: str, folder: Path) -> set[str]:
    """The modules that a fresh interpreter holds after `statement`."""
    command = [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_all_is_exactly_the_public_namespace() -> None:
    assert len(spreeze.__all__) == len(set(spreeze.__all__))
    assert public_names() == {name for name in spreeze.__all__ if not name.startswith("_")}


def test_every_public_name_resolves_and_says_what_it_is() -> None:
    silent = [name for name in spreeze.__all__ if not name.startswith("_") and not getattr(spreeze, name).__doc__]
    assert silent == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = spreeze.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["spreeze", "spreeze.contract", "spreeze.registry", "spreeze.envs", "spreeze.cli"])
def test_an_import_loads_nothing_heavy(module: str, root: Path) -> None:
    loaded = loaded_by(f"import {module}", root)
    assert module in loaded
    assert not loaded & {"torch", "numpy", "mujoco", "gymnasium", "tensorboard", "matplotlib"}

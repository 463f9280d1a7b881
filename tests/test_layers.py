"""The architecture as failing tests: who may import whom, who may name whom, and what nobody may call."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from spreeze import envs, registry

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "spreeze/registry.py"

MAY_IMPORT = {
    "envs": {
        *("numpy", "mujoco", "mjbatch", "gymnasium", "metaworld", "h5py", "minari", "daqp"),
        *(
            "spreeze.compiling",
            "spreeze.contract",
            "spreeze.dataset",
            "spreeze.environment",
            "spreeze.errors",
            "spreeze.spaces",
            "spreeze.envs",
        ),
    },
    "algorithms": {
        *("torch", "numpy", "gymnasium"),
        *("spreeze.contract", "spreeze.cache", "spreeze.compiling"),
        *("spreeze.errors", "spreeze.spaces", "spreeze.algorithms"),
    },
    "spreeze/transport": {
        *("torch", "numpy", "zmq", "msgpack"),
        *("spreeze.contract", "spreeze.errors", "spreeze.transport"),
    },
    "spreeze/contract.py": {
        *("torch", "numpy", "gymnasium", "spreeze.dataset", "spreeze.environment", "spreeze.evaluation"),
        *("spreeze.setups", "spreeze.sources"),
    },
    "spreeze/dataset.py": {"numpy"},
    "spreeze/setups.py": {"torch", "numpy", "spreeze.contract", "spreeze.environment"},
    "spreeze/environment.py": {"numpy", "gymnasium", "spreeze.dataset"},
    "spreeze/evaluation.py": {"numpy", "spreeze.environment"},
    "spreeze/errors.py": set(),
    "spreeze/spaces.py": {"numpy", "gymnasium", "spreeze.contract", "spreeze.environment", "spreeze.errors"},
}
"""What a folder or file may import beside the standard library: these modules and what lies within them."""

PLUGINS = ("spreeze.algorithms", "spreeze.envs", "algorithms", "envs")
OUTSIDE = ("tests", "benchmarks", "tools")
CODE_FROM_DATA = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "multiprocessing", "shelve"}
"""Modules that make code or objects of what they read, or do so behind their caller's back."""

FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save", "torch.jit.load"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("builtins.eval", "builtins.exec", "builtins.compile"),
}
FORBIDDEN_ATTRIBUTES = {"send_pyobj", "recv_pyobj", "send_serialized", "recv_serialized"}
FORBIDDEN_KEYWORDS = {"allow_pickle", "shell"}
"""Keywords that open the door unless they are the constant False."""


class Import(NamedTuple):
    """One imported name: `from a import b` gives a.b, `import a.b` gives a.b."""

    name: str
    line: int
    at_top: bool


def files(folder: str) -> list[Path]:
    """Every Python file under `folder`, links not followed; of a file, itself."""
    path = ROOT / folder
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


def imports(path: Path) -> Iterator[Import]:
    """Every absolute import of a file, wherever it stands in it."""
    module = tree(path)
    inside = {id(node) for scope in functions(module) for node in ast.walk(scope)}
    for node in ast.walk(module):
        at_top = id(node) not in inside
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(f"{node.module}.{alias.name}", node.lineno, at_top) for alias in node.names)


def functions(module: ast.Module) -> Iterator[ast.AST]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lies_within(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def texts(path: Path) -> Iterator[tuple[str, int]]:
    """Every string of a file that is not a statement by itself, as docstrings are, with its line."""
    module = tree(path)
    documentation = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value, node.lineno


def dotted(node: ast.expr) -> str:
    """`a.b.c` for an attribute chain of names; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def opens_a_door(node: ast.AST) -> str | None:
    """What in this node could run code that came as data; None if nothing."""
    if isinstance(node, ast.Call) and dotted(node.func) in FORBIDDEN_CALLS:
        return dotted(node.func)
    if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES:
        return node.attr
    if isinstance(node, ast.keyword) and node.arg in FORBIDDEN_KEYWORDS:
        return None if isinstance(node.value, ast.Constant) and node.value.value is False else node.arg
    return None


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_its_row_allows(layer: str) -> None:
    assert files(layer), f"{layer} holds no Python file"
    wrong = [
        f"{place(path, found.line)} imports {found.name}"
        for path in files(layer)
        for found in imports(path)
        if not is_standard(found.name) and not lies_within(found.name, MAY_IMPORT[layer])
    ]
    assert wrong == []


def test_only_the_registry_imports_plug_ins_and_only_inside_functions() -> None:
    wrong = [
        f"{place(path, found.line)} imports {found.name}"
        for path in files("spreeze")
        for found in imports(path)
        if lies_within(found.name, PLUGINS) and (found.at_top or path != ROOT / REGISTRY)
    ]
    assert wrong == []


def test_only_the_registry_names_the_packages_of_plug_ins() -> None:
    wrong = [
        f"{place(path, line)} names {text}"
        for path in files("spreeze")
        if path != ROOT / REGISTRY
        for text, line in texts(path)
        if lies_within(text, PLUGINS[:2])
    ]
    assert wrong == []


def test_only_the_registry_names_an_algorithm_or_an_environment() -> None:
    known = {*registry.builtin_algorithms(), *envs.SHORT_NAMES, *envs.SHORT_NAMES.values()}
    wrong = [
        f"{place(path, line)} names {text}"
        for path in files("spreeze")
        if path != ROOT / REGISTRY
        for text, line in texts(path)
        if text.lower() in {name.lower() for name in known}
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["spreeze", "algorithms", "envs"])
def test_what_is_installed_never_imports_what_is_not(layer: str) -> None:
    wrong = [
        f"{place(path, found.line)} imports {found.name}"
        for path in files(layer)
        for found in imports(path)
        if lies_within(found.name, OUTSIDE)
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["spreeze", "algorithms", "envs"])
def test_no_import_is_relative(layer: str) -> None:
    wrong = [
        place(path, node.lineno)
        for path in files(layer)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["spreeze", "algorithms", "envs", "benchmarks", "tests", "tools"])
def test_no_file_is_named_for_no_purpose(layer: str) -> None:
    assert [str(path) for path in files(layer) if path.stem in {"utils", "util", "helpers", "misc", "common"}] == []


@pytest.mark.parametrize("layer", ["spreeze", "algorithms", "envs", "benchmarks", "tools"])
def test_nothing_makes_code_of_data(layer: str) -> None:
    by_import = [
        f"{place(path, found.line)} imports {found.name}"
        for path in files(layer)
        for found in imports(path)
        if lies_within(found.name, CODE_FROM_DATA) or found.name in FORBIDDEN_CALLS
    ]
    by_use = [
        f"{path.relative_to(ROOT)} uses {door}"
        for path in files(layer)
        for node in ast.walk(tree(path))
        if (door := opens_a_door(node))
    ]
    assert by_import + by_use == []


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "torch.load(path)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=choice)",
        "subprocess.run(line, shell=True)",
        "socket.recv_pyobj()",
    ],
)
def test_the_rule_against_code_from_data_sees(line: str) -> None:
    assert any(opens_a_door(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize("line", ["model.eval()", "np.load(path, allow_pickle=False)", "yaml.safe_load(text)"])
def test_the_rule_against_code_from_data_lets_pass(line: str) -> None:
    assert not any(opens_a_door(node) for node in ast.walk(ast.parse(line)))

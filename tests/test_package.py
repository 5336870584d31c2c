"""The package as a whole: light to import, complete, in order."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rsir_fast

PACKAGE = Path(rsir_fast.__file__).parent
ROOMS = [
    "base",
    "ops",
    "metrics",
    "datasets",
    "backbones",
    "descriptors",
    "encoders",
    "archive",
    "extraction",
    "retrieval",
    "training",
    "pretraining",
    "hashing",
    "protocols",
    "report",
    "cli",
]


def test_import_is_light():
    program = (
        "import rsir_fast, rsir_fast.cli, sys; print([n for n in ('torch', 'numpy', 'scipy') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize("place", ["base", "metrics", "datasets", "archive"])
def test_rooms_that_do_without_torch(place):
    modules = [module for module in files() if f"{module}.".startswith(f"rsir_fast.{place}.")]
    heavy = ("torch", "pyarrow") if place in ("base", "archive") else ("torch",)
    program = f"import {', '.join(modules)}, sys; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize("name", dir(rsir_fast))
def test_every_promised_name_is_there(name):
    assert getattr(rsir_fast, name) is not None


def test_every_type_that_a_function_returns_is_public():
    for name in rsir_fast.__all__:
        function = getattr(rsir_fast, name)
        if inspect.isfunction(function):
            returned = set(re.findall(r"[A-Z]\w+", str(inspect.signature(function).return_annotation)))
            missing = returned - set(rsir_fast.__all__) - {"Any", "Iterator", "None"}
            assert not missing, f"{name} returns {missing}, which __init__.pyi does not name"


@pytest.mark.parametrize("line", ["import rsir_fast; rsir_fast.extract", "from rsir_fast import extract"])
def test_a_former_name_says_the_new_one(line):
    with pytest.raises(ImportError, match=r"rsir_fast\.extract is now rsir_fast\.encode"):
        exec(line)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'rsir_fast' has no attribute 'indices'"):
        _ = rsir_fast.indices


def files() -> dict[str, Path]:
    """Return the files of the package by the names of their modules."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(path: Path) -> set[str]:
    """Return what a file imports of the package, anywhere in it, with full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected imports by full names"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if f"{name}.".startswith("rsir_fast.")}


def imports() -> dict[str, set[str]]:
    """Return of each module those that it imports, whether at the start, in a function or for types only."""
    modules = files()
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imported_names(path):
            while name not in modules:
                name = name.rpartition(".")[0]
            graph[module].add(name)
        graph[module].discard(module)  # a name that its own package defines
    del graph["rsir_fast"]  # it loads its names on first use
    return graph


def within_reach(graph: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def room(module: str) -> str:
    return module.split(".")[1]


def test_no_circle_of_files():
    graph = imports()
    in_circles = [module for module in graph if module in within_reach(graph, module)]
    print(f"files in circles of imports: {len(in_circles)}")
    assert in_circles == []


def test_a_circle_is_seen():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert [module for module in graph if module in within_reach(graph, module)] == ["a", "b", "c"]


def test_data_flows_one_way():
    upward = [
        f"{module} imports {name}"
        for module, names in imports().items()
        for name in sorted(names)
        if room(module) in ROOMS and room(f"{name}.") in ROOMS and ROOMS.index(room(name)) > ROOMS.index(room(module))
    ]
    print(f"upward imports: {len(upward)}")
    assert upward == []


def test_every_room_has_its_place():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


def test_what_is_private_stays_in_its_room():
    loads_compiled = "rsir_fast.base.compiled", {"rsir_fast._cpu", "rsir_fast._cuda"}  # which are of no room
    private = [
        f"{module} imports {name}"
        for module, path in files().items()
        for name in sorted(imported_names(path))
        if any(part.startswith("_") for part in name.split(".")) and room(name) != room(f"{module}.")
        if not (module == loads_compiled[0] and name in loads_compiled[1])
    ]
    print(f"private imports across rooms: {len(private)}")
    assert private == []

"""The package as a whole: light to import, complete, in order."""

from __future__ import annotations

import ast
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
    "extraction",
    "retrieval",
    "descriptors",
    "training",
    "pretraining",
    "hashing",
    "report",
    "protocols",
    "cli",
]


def test_import_is_light():
    program = (
        "import rsir_fast, rsir_fast.cli, sys; print([n for n in ('torch', 'numpy', 'scipy') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize("room", ["base", "metrics", "datasets"])
def test_rooms_that_do_without_torch(room):
    program = f"import rsir_fast.{room}, sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


@pytest.mark.parametrize("name", dir(rsir_fast))
def test_every_promised_name_is_there(name):
    assert getattr(rsir_fast, name) is not None


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'rsir_fast' has no attribute 'indices'"):
        _ = rsir_fast.indices


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {module.split(".")[1] for module in modules if module.startswith("rsir_fast.")}
    return found & set(ROOMS)


def imported_names(path: Path) -> set[str]:
    """Return what a file imports of the package, with its full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("rsir_fast.")}


def test_what_is_private_stays_in_its_room():
    private = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in sorted(imported_names(path))
        if any(part.startswith("_") for part in name.split("."))
        and name.split(".")[1] != path.relative_to(PACKAGE).parts[0]
    ]
    print(f"private imports across rooms: {len(private)}")
    assert private == []


@pytest.mark.parametrize("room", ROOMS)
def test_data_flows_one_way(room):
    above = set(ROOMS[ROOMS.index(room) + 1 :])
    for path in (PACKAGE / room).rglob("*.py"):
        assert not imported_rooms(path) & above, f"{path} imports upwards"


def imported_files(path: Path) -> set[Path]:
    """Return the files of the package that a file imports, within functions as well."""
    found = set()
    for name in imported_names(path):
        parts = name.split(".")[1:]
        for at in (PACKAGE.joinpath(*parts), PACKAGE.joinpath(*parts[:-1])):
            module = at.with_suffix(".py")
            if parts and module.is_file():
                found.add(module)
                break
    return found - {path}


def test_no_file_of_the_ops_imports_itself_in_a_circle():
    """Engines below the one choice, the operators of torch above it, faces on top."""
    left = {path: imported_files(path) for path in (PACKAGE / "ops").rglob("*.py")}
    while free := [path for path, below in left.items() if not below & left.keys()]:
        for path in free:
            del left[path]
    assert sorted(str(path.relative_to(PACKAGE)) for path in left) == []

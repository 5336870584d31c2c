"""Whatever the package writes, it writes through `rsir_fast.base`: whole, synced, and taken up after a kill."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rsir_fast

PACKAGE = Path(rsir_fast.__file__).parent

FORBIDDEN = {
    *("write_text", "write_bytes", "touch", "mkdir", "makedirs", "rmdir", "unlink", "rename", "renames", "truncate"),
    *("symlink_to", "hardlink_to", "tofile", "savefig", "savez", "savez_compressed", "savetxt", "save_file"),
    *("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "SpooledTemporaryFile"),
    *("SummaryWriter", "extractall", "to_parquet", "write_table", "memmap"),
}
OF_MODULES = {
    "os": {"replace", "rename", "remove", "link", "symlink", "fdopen", "write"},
    "shutil": {"move", "copy", "copy2", "copyfile", "copytree", "copyfileobj", "rmtree", "unpack_archive"},
    "np": {"save"},
    "torch": {"save"},
}

# Each of these writes no file of ours under its final name; the reason stands beside it.
ALLOWED = {
    ("datasets/download.py", "shutil.copyfileobj"): "into a file that base opened",
    ("datasets/download.py", "open"): "a member of an archive, to read it",
    ("backbones/weights/npz.py", "open"): "a member of an archive, to read it",
    ("training/epochs.py", "torch.save"): "into a file that base opened",
    ("training/epochs.py", "SummaryWriter"): "TensorBoard appends events in its own way; nothing reads them back",
    ("report/_figure.py", "savefig"): "into memory",
    ("cli/__init__.py", "open"): "the null device",
    ("archive/tables.py", "write_table"): "into memory",
    ("archive/next_version.py", "np.save"): "into memory",
    ("archive/exchange/geoparquet.py", "write_table"): "into a file that base opened",
    ("hashing/inputs.py", "TemporaryFile"): "memory on disk, without a name",
    ("hashing/inputs.py", "memmap"): "memory on disk, without a name",
}


def mode_of(call: ast.Call, place: int) -> str:
    """Return the mode of an ``open``; "w?" for one that is not written out."""
    given = [word.value for word in call.keywords if word.arg == "mode"] or call.args[place : place + 1]
    if not given:
        return "r"
    return str(given[0].value) if isinstance(given[0], ast.Constant) else "w?"


def writes(call: ast.Call) -> str | None:
    """Name the way of writing that a call is, if it is one."""
    function = call.func
    if isinstance(function, ast.Name):
        if function.id == "open":
            return "open" if set(mode_of(call, 1)) & set("wxa+") else None
        return function.id if function.id in FORBIDDEN else None
    if not isinstance(function, ast.Attribute):
        return None
    name, owner = function.attr, function.value.id if isinstance(function.value, ast.Name) else ""
    if name in OF_MODULES.get(owner, ()):
        return f"{owner}.{name}"
    if (owner, name) == ("os", "open"):
        flags = ast.unparse(call.args[1])
        return "os.open" if any(flag in flags for flag in ("CREAT", "WRONLY", "RDWR", "TRUNC", "APPEND")) else None
    if name == "open" and owner not in ("Image", "rasterio", "gzip") and set(mode_of(call, 0)) & set("wxa+"):
        return "open"
    # Path.replace takes one argument, str.replace two or more, dataclasses.replace keywords.
    moved = name == "replace" and len(call.args) == 1 and not call.keywords
    return name if moved or name in FORBIDDEN else None


def found_in(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := writes(node)) is not None:
            yield node.lineno, name


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent.name != "base"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_no_other_way(path):
    where = path.relative_to(PACKAGE).as_posix()
    others = [f"{where}:{line}: {name}" for line, name in found_in(path.read_text()) if (where, name) not in ALLOWED]
    assert not others, "write through rsir_fast.base (durable, together), or say in ALLOWED why not"


def test_nothing_is_allowed_that_is_not_there():
    there = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        for _, name in found_in(path.read_text())
    }
    assert set(ALLOWED) <= there


@pytest.mark.parametrize(
    "line",
    [
        "open(path, 'w')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "path.open('xb')",
        "path.open(mode)",
        "path.write_text('x')",
        "os.replace(a, b)",
        "a.replace(b)",
        "np.save(path, x)",
        "torch.save(x, path)",
        "shutil.copy(a, b)",
        "path.mkdir(parents=True)",
        "tempfile.mkdtemp()",
        "TemporaryDirectory()",
    ],
)
def test_each_way_is_seen(line):
    assert list(found_in(line))


@pytest.mark.parametrize(
    "line", ["open(path)", "path.open('rb')", "a.replace('x', 'y')", "replace(a, b=1)", "f.write(x)"]
)
def test_reading_is_no_writing(line):
    assert not list(found_in(line))

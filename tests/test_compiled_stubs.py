"""The stubs of the compiled modules say of each binding what C++ says: types of arguments, and what it returns.

mypy's stubtest, run by `make types`, compares the names alone: a compiled function tells Python no signature. But
pybind11 writes one into its docstring, from the C++ types.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from rsir_fast.base import compiled

PACKAGE = Path(compiled.__file__).parents[1]

SAME = [
    (r"typing\.SupportsInt \| typing\.SupportsIndex|typing\.SupportsInt", "int"),
    (r"rsir_fast\._cpu\.|collections\.abc\.|typing_extensions\.", ""),
    (r"_Memory", "memory"),
    (r"_Array\[np\.(\w+)\]", r"memory[\1]"),
    (r"_Counts", "tuple[str, int, int, int]"),
    (
        r"Buffer \| NDArray\[np\.uint8\]|\bbuffer\b",
        "Buffer",
    ),  # numpy tells that an array is a Buffer from Python 3.12 on
    (r"memory\[uint8\] \| bytes", "memory[uint8]"),
    (r"Literal\[.*\]", "str"),
    (r"list\[tuple.*\]", "list"),
    (r"dict\[.*\]", "dict"),
    (r"str \| None", "object"),
    (r" \| None$", ""),  # a pointer, as pybind11 says it
]
"""What stub and docstring call differently."""

Signature = tuple[list[str], str]


def plain(text: str) -> str:
    for pattern, name in SAME:
        text = re.sub(pattern, name, text)
    return text


def in_docstring(text: str | None) -> Signature:
    found = re.match(r"\w* ?\((.*)\) -> (.*)", text or "")
    assert found, f"expected a signature from pybind11, got {text!r}"
    arguments = re.findall(r"(\w+): (.*?)(?=, \w+: |$)", found[1])
    return [plain(kind) for name, kind in arguments], plain(found[2])


def in_stub(function: ast.FunctionDef) -> Signature:
    given = function.args
    assert not given.args or [argument.arg for argument in given.args] == ["self"], "expected / at the end"
    kinds = [ast.unparse(argument.annotation) for argument in given.posonlyargs if argument.annotation]
    assert function.returns is not None
    return [plain(kind) for kind in kinds], plain(ast.unparse(function.returns))


def stub_of(module: ModuleType) -> list[ast.stmt]:
    return ast.parse((PACKAGE / f"{module.__name__.rpartition('.')[2]}.pyi").read_text()).body


def compiled_modules() -> list[ModuleType]:
    return [compiled.cpu, compiled.cuda] if compiled.has_cuda() else [compiled.cpu]


@pytest.mark.parametrize("module", compiled_modules(), ids=lambda module: module.__name__)
def test_functions_are_as_they_were_compiled(module):
    functions = {part.name: in_stub(part) for part in stub_of(module) if isinstance(part, ast.FunctionDef)}
    bound = {name: found for name, found in vars(module).items() if callable(found) and not isinstance(found, type)}
    bound = {name: found for name, found in bound.items() if not name.startswith("__")}
    assert functions == {name: in_docstring(found.__doc__) for name, found in bound.items()}


@pytest.mark.parametrize("name", ["RelevantRanks", "Sidecar"])
def test_classes_are_as_they_were_compiled(name):
    stubs = {part.name: part for part in stub_of(compiled.cpu) if isinstance(part, ast.ClassDef)}
    for part in stubs[name].body:
        assert isinstance(part, ast.FunctionDef)
        bound = getattr(getattr(compiled.cpu, name), part.name)
        kinds, answer = in_docstring((bound.fget if isinstance(bound, property) else bound).__doc__)
        if kinds[:1] == [name]:  # itself
            kinds = kinds[1:]
        assert in_stub(part) == (kinds, answer), part.name


def test_a_stub_that_differs_is_seen():
    """Arguments swapped, one too few, another element type."""
    right = "f(arg0: memory[float32], arg1: typing.SupportsInt | typing.SupportsIndex, arg2: str) -> None"
    for wrong in (
        "a: _Array[np.float32], c: str, b: int",
        "a: _Array[np.float32], b: int",
        "a: _Memory, b: int, c: str",
    ):
        (function,) = ast.parse(f"def f({wrong}, /) -> None: ...").body
        assert isinstance(function, ast.FunctionDef)
        assert in_stub(function) != in_docstring(right)
    (function,) = ast.parse("def f(a: _Array[np.float32], b: int, c: str, /) -> None: ...").body
    assert isinstance(function, ast.FunctionDef)
    assert in_stub(function) == in_docstring(right)

"""The one way to read a file that another program, or a failing disk, may have changed: only our errors come out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rsir_fast.base.faults import is_machine_fault, said
from rsir_fast.base.looking import is_folder
from rsir_fast.base.machine import AGAIN
from rsir_fast.base.text import printable, short
from rsir_fast.errors import MachineError, RsirError

__all__ = ["as_record", "parse_json", "read_json", "read_record", "reading", "unchanged"]

MAX_DEPTH = 64
"""Of nested JSON: what is deeper would exhaust the stack of whoever walks through it."""

R = TypeVar("R", bound=BaseModel)


@contextmanager
def reading(path: Path, expected: str, remedy: str, error: type[RsirError]) -> Iterator[None]:
    """Turn whatever a library raises inside the ``with`` on damaged or hostile content into one line.

    A flipped byte makes JSON, NumPy, safetensors, Parquet and torch fail with almost any type of error, and the list
    changes with their versions; all of them mean the same to the user.

    Parameters
    ----------
    path, expected, remedy
        What is read, what should be in it, and what to do if it is not.
    error
        What to raise.

    Raises
    ------
    MachineError
        If the machine failed, not the file: nothing follows for the file then.
    RsirError
        Of the type `error`, in place of any other `Exception`.

    Examples
    --------
    >>> from rsir_fast.errors import FeaturesError
    >>> with reading(Path("manifest.json"), "a manifest", "extract again", FeaturesError):
    ...     raise RecursionError("maximum recursion depth exceeded")
    Traceback (most recent call last):
        ...
    rsir_fast.errors.FeaturesError: manifest.json: expected a manifest, cannot read it (RecursionError: maximum \
recursion depth exceeded); extract again
    """
    try:
        yield
    except RsirError:
        raise
    except FileNotFoundError:
        raise error(f"{printable(path)}: expected {expected}, found no such file; {remedy}") from None
    except Exception as found:
        if is_folder(path):
            raise error(f"{printable(path)}: expected {expected}, found a folder; name the file in it") from None
        if is_machine_fault(found):
            raise MachineError(f"{printable(path)}: cannot be read: {said(found)}; mend that, then {AGAIN}") from None
        raise error(
            f"{printable(path)}: expected {expected}, cannot read it ({type(found).__name__}: {_said(found)}); {remedy}"
        ) from None


def _said(error: BaseException) -> str:
    """One short line: messages of torch and pydantic run over many."""
    if isinstance(error, OSError) and error.errno is not None:
        return said(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return short(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 200)
    return short(" ".join(str(error).split()), 200)


def parse_json(content: str | bytes) -> Any:
    """Return the value that JSON stands for.

    Raises
    ------
    ValueError
        If it is no JSON, or nested deeper than 64 levels.
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def read_json(path: Path) -> Any:
    """Return the value that a JSON file stands for; for use inside `reading`.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON.
    """
    return parse_json(path.read_bytes())


def as_record(kind: type[R], content: str | bytes) -> R:
    """Return the record that JSON stands for; for use inside `reading`.

    Raises
    ------
    ValueError
        If it is no JSON, or not of this kind.
    """
    return kind.model_validate(parse_json(content))


def read_record(kind: type[R], path: Path, expected: str, remedy: str, error: type[RsirError]) -> R:
    """Return the record in a JSON file.

    Raises
    ------
    RsirError
        As `reading`.
    """
    with reading(path, expected, remedy, error):
        return as_record(kind, path.read_bytes())


@contextmanager
def unchanged(path: Path, error: type[RsirError]) -> Iterator[None]:
    """Notice a file that is replaced or changed while it is read in several goes.

    Raises
    ------
    RsirError
        Of the type `error`, at the end of the ``with``.
    """
    before = _stamp(path)
    yield
    if _stamp(path) != before:
        raise error(f"{printable(path)}: expected a file that stays as it is while it is read, it changed; run again")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

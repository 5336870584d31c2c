"""What a disk may hold after a power cut, from the calls that a program made.

Strictly: the content of a file is there once it was synced, and names in a folder once the folder was; before that each
may have come or not, in any order. A rename is one step.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["Call", "Disk", "record", "sites"]


@dataclass
class Call:
    """A call to the file system: paths are relative to the folder that is looked at.

    Attributes
    ----------
    kind : str
        ``create``, ``mkdir``, ``rename``, ``link``, ``remove``, ``rmdir``, ``sync``; ``told``: what the program said.
    path, to
    content : bytes
        Of a file when it is synced.
    site : tuple of str
        Who called: functions of the package, the innermost last.
    """

    kind: str
    path: str
    to: str = ""
    content: bytes = b""
    site: tuple[str, ...] = ()


def record(folder: Path, work: Callable[[Callable[[str], None]], None]) -> list[Call]:
    """Run something in a forked process, and return its calls below a folder.

    Parameters
    ----------
    folder
        As it is now, it is on the disk.
    work
        Is given a function by which it tells how far it is.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            calls = _recorded(folder, work)
            with os.fdopen(writer, "wb") as file:
                pickle.dump(calls, file)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        content = file.read()
    assert os.waitpid(child, 0)[1] == 0
    found: list[Call] = pickle.loads(content)
    return found


def _recorded(folder: Path, work: Callable[[Callable[[str], None]], None]) -> list[Call]:
    calls: list[Call] = []
    begin = f"{folder}/"
    is_on = True

    def inside(path: Any, folder_fd: int = -1) -> str | None:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if not path.startswith("/"):
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder_fd}") if folder_fd >= 0 else os.getcwd(), path)
        return path.removeprefix(begin) if path.startswith(begin) else None

    def site() -> tuple[str, ...]:
        found = []
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.startswith("rsir_fast."):
                found.append(f"{name.removeprefix('rsir_fast.')}.{frame.f_code.co_name}:{frame.f_lineno}")
            frame = frame.f_back
        return tuple(reversed(found))

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal is_on
        if not is_on or event not in _EVENTS:
            return
        is_on = False  # looking is no call of the program's
        try:
            _note(event, arguments)
        finally:
            is_on = True

    def _note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, flags = inside(arguments[0]), arguments[2]
            if path is not None and flags & os.O_CREAT and not os.path.lexists(begin + path):
                calls.append(Call("create", path, site=site()))
        elif event in ("os.rename", "os.link"):
            source, place = inside(arguments[0], arguments[2]), inside(arguments[1], arguments[3])
            if source is None or place is None or not os.path.lexists(begin + source):
                return
            if event == "os.rename" or not os.path.lexists(begin + place):
                calls.append(Call(event[3:], source, place, site=site()))
        else:
            path = inside(arguments[0], arguments[2 if event == "os.mkdir" else 1])
            changes = path is not None and (event == "os.mkdir") != os.path.lexists(begin + path)
            if path is not None and changes and (event != "os.rmdir" or not os.listdir(begin + path)):
                calls.append(Call({"os.remove": "remove"}.get(event, event[3:]), path, site=site()))

    sync = os.fsync

    def told_sync(file: int) -> None:
        path = inside(file)
        name = "" if path is None and os.readlink(f"/proc/self/fd/{file}") == str(folder) else path
        if name is not None:
            place = Path(begin + name)
            content = b"" if place.is_dir() else place.read_bytes()
            calls.append(Call("sync", name, content=content, site=site()))
        sync(file)

    os.fsync = told_sync
    sys.addaudithook(note)
    work(lambda what: calls.append(Call("told", what)))
    is_on = False
    return calls


_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}


def sites(calls: Sequence[Call]) -> list[tuple[str, ...]]:
    """Return who synced, each once."""
    return list(dict.fromkeys(call.site for call in calls if call.kind == "sync"))


@dataclass
class _File:
    synced: bytes = b""
    is_synced: bool = False


@dataclass
class _Folder:
    entries: dict[str, Any] = field(default_factory=dict)
    durable: dict[str, Any] = field(default_factory=dict)
    pending: list[_Step] = field(default_factory=list)


@dataclass
class _Step:
    """A change of names that is not on the disk for sure."""

    changes: list[tuple[_Folder, str, Any]]  # None: the name goes
    done: bool = False


class Disk:
    """A folder on a disk, as calls change it.

    Parameters
    ----------
    folder
        As it is now, all of it is on the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.root = self._read(folder)

    def _read(self, place: Path) -> _Folder:
        found = _Folder()
        for path in place.iterdir():
            found.entries[path.name] = self._read(path) if path.is_dir() else _File(path.read_bytes(), True)
        found.durable = dict(found.entries)
        return found

    def _at(self, path: str) -> tuple[_Folder, str]:
        folder = self.root
        *above, name = path.split("/")
        for part in above:
            folder = folder.entries[part]
        return folder, name

    def apply(self, call: Call) -> None:
        """Do what a call did."""
        if call.kind == "told":
            return
        if call.kind == "sync":
            if call.path == "":
                self._sync_folder(self.root)
                return
            folder, name = self._at(call.path)
            node = folder.entries[name]
            if isinstance(node, _Folder):
                self._sync_folder(node)
            else:
                node.synced, node.is_synced = call.content, True
            return
        folder, name = self._at(call.path)
        if call.kind in ("create", "mkdir"):
            self._change([(folder, name, _File() if call.kind == "create" else _Folder())])
        elif call.kind in ("remove", "rmdir"):
            self._change([(folder, name, None)])
        else:
            other, to = self._at(call.to)
            gone = [] if call.kind == "link" else [(folder, name, None)]
            self._change([(other, to, folder.entries[name]), *gone])

    def _change(self, changes: list[tuple[_Folder, str, Any]]) -> None:
        step = _Step(changes)
        for folder, name, node in changes:
            _set(folder.entries, name, node)
        for folder in {id(folder): folder for folder, _, _ in changes}.values():
            folder.pending.append(step)

    def _sync_folder(self, folder: _Folder) -> None:
        for step in folder.pending:
            _finish(step)
        folder.pending.clear()

    def cut(self, draw: Random, place: Path) -> None:
        """Write what may be there if the power goes now: a draw of all that may."""
        self._write(self.root, draw, place, draw.choice((0.0, 0.5, 1.0)), {})

    def _write(self, folder: _Folder, draw: Random, place: Path, lost: float, came: dict[int, bool]) -> None:
        place.mkdir()
        entries = dict(folder.durable)
        for step in folder.pending:
            if not step.done and came.setdefault(id(step), draw.random() >= lost):
                for inside, name, node in step.changes:
                    if inside is folder:
                        _set(entries, name, node)
        for name, node in entries.items():
            if isinstance(node, _Folder):
                self._write(node, draw, place / name, lost, came)
            else:
                (place / name).write_bytes(node.synced if node.is_synced else draw.choice((b"", b"\0" * 64)))


def _finish(step: _Step) -> None:
    if not step.done:
        step.done = True
        for folder, name, node in step.changes:
            _set(folder.durable, name, node)


def _set(entries: dict[str, Any], name: str, node: Any) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node

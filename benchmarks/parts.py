"""What a measuring command has measured already: a file for each part, in a folder beside the result until all are.

So a command that was cut goes on when it is given again. A part counts only where nothing differs that its figures
depend on: the settings, the sources, the machine, the versions. Its seconds are kept with it: what all calls together
took.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import ROOT, now, provenance, result_path

Part = dict[str, Any]

_MACHINE = ("cpu", "architecture", "cores", "isas", "transparent_hugepages")
_SOURCES = ("csrc/**/*", "python/**/*.py", "benchmarks/*.py", "benchmarks/*.cpp")


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Parts:
    """The parts of one result: taken up where they were measured, else measured and kept."""

    def __init__(self, folder: Path, key: Part, most: int | None = None) -> None:
        self.folder, self._key, self._left = folder, key, most
        self.dates: dict[str, str] = {}
        self.seconds = 0.0

    def measured(self, name: str, measure: Callable[[], Part], *, counts: bool = True) -> Part:
        """Return a part, measured in this call or in one before; `counts`: as one of those that may be measured now."""
        found = self._kept(name)
        if found is None:
            if self._left == 0 and counts:
                raise SystemExit(f"{name} and perhaps more are to be measured: the same command goes on")
            start = time.perf_counter()
            part = measure()
            found = {"key": self._key, "date": now(), "seconds": time.perf_counter() - start, "part": part}
            self._keep(name, found)
            self._left = self._left - 1 if self._left is not None and counts else self._left
        self.dates[name] = found["date"]
        self.seconds += found["seconds"]
        part = found["part"]
        return part

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".json")

    def _kept(self, name: str) -> Part | None:
        if not self._file(name).exists():
            return None
        found: Part = json.loads(self._file(name).read_text())
        other = differences(found["key"], self._key)
        log(f"{name}: measured anew, as it was with other {other}" if other else f"{name}: measured {found['date']}")
        return None if other else found

    def _keep(self, name: str, found: Part) -> None:
        """Write a part, in full or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self._file(name).with_suffix(".new")
        beside.write_text(json.dumps(found, indent=1) + "\n")
        os.replace(beside, self._file(name))


def differences(one: Part, other: Part) -> str:
    """Return in what two keys differ, in words; nothing if they are alike."""
    names = [name for name in one | other if one.get(name) != other.get(name)]
    return ", ".join(f"{name} ({_short(one.get(name))}, now {_short(other.get(name))})" for name in names)


def _short(value: Any) -> str:
    return str(value)[:40]


def key_of(result: Part, settings: Part) -> Part:
    """Return what figures depend on, as it reads when it was written and read."""
    machine = {name: result["machine"][name] for name in _MACHINE}
    key: Part = json.loads(json.dumps({"sources": sources(), **machine, **result["versions"], **settings}))
    return key


def sources() -> str:
    """Return a digest of all that is measured and of what measures it."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern) if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def begin(kind: str, chosen: Namespace, **settings: Any) -> tuple[Part, Path | None, Parts]:
    """Return the head of a result, where it is to be written, and its parts.

    Without ``--out`` a result is named by its day; what an earlier day left unfinished is taken up. Without it small
    sizes are written nowhere.
    """
    result: Part = {"kind": kind, **provenance()}
    key = key_of(result, {"small": chosen.small, **settings})
    if chosen.small and not chosen.out:
        return result, None, Parts(Path(tempfile.mkdtemp(prefix="rsir-bench-")), key, chosen.parts)
    out = chosen.out or result_path(kind, result)
    folder = out.with_suffix(".parts")
    if not chosen.out and not folder.exists():
        folder = unfinished(folder, key) or folder
    return result, out, Parts(folder, key, chosen.parts)


def unfinished(today: Path, key: Part) -> Path | None:
    """Return the newest folder of an earlier day that holds parts of this key."""
    for folder in sorted(today.parent.glob("????-??-??" + today.name[10:]), reverse=True):
        kept = [json.loads(file.read_text())["key"] for file in sorted(folder.glob("*.json"))]
        if key in kept:
            return folder
        log(f"{folder}: left alone, as it is of other {'; '.join({differences(each, key) for each in kept})}")
    return None

"""Faults planted into the kernels, each of which a named test must catch: `make faults` builds and runs them.

A copy of the sources is built once, in build/faults; then each fault is put in, its test built and run, and the fault
taken out. What came of it is kept there until a source changes: a run that was cut goes on. A fault in code that this
processor cannot run is `not here`, neither caught nor missed. `make faults ARGS="tiles ranks"`: those named so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from fault import Fault, lacking
from planted import FAULTS

ROOT = Path(__file__).resolve().parents[3]
PLACE = ROOT / "build/faults"
KERNELS = Path("csrc/kernels/cuda")


def sources(root: Path) -> dict[str, bytes]:
    """Return what the tests are built of; the lists of faults are not."""
    files = [file for folder in ("csrc", "tests/kernels") for file in sorted((root / folder).rglob("*"))]
    return {
        str(file.relative_to(root)): file.read_bytes() for file in files if file.is_file() and file.suffix[:3] != ".py"
    }


def copy_sources(wanted: dict[str, bytes]) -> None:
    """Write what differs in the copy, such as a fault that a killed run left there: what is as it was is not built."""
    there = sources(PLACE)
    for name in there.keys() - wanted.keys():
        (PLACE / name).unlink()
    for name, content in wanted.items():
        if there.get(name) != content:
            (PLACE / name).parent.mkdir(parents=True, exist_ok=True)
            (PLACE / name).write_bytes(content)


class Known:
    """What came of the faults, and of the tests without any, of these sources."""

    def __init__(self, wanted: dict[str, bytes]) -> None:
        digest = hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()
        self._file = PLACE / "results.json"
        held = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._held = held if held.get("sources") == digest else {"sources": digest}

    def get(self, of: tuple[str | bool, ...]) -> bool | None:
        """Return whether its test failed."""
        found: bool | None = self._held.get(repr(of))
        return found

    def put(self, of: tuple[str | bool, ...], failed: bool) -> bool:
        self._held[repr(of)] = failed
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(self._held, indent=1) + "\n")
        beside.replace(self._file)
        return failed


def run(command: list[str | Path], folder: Path, *, whole: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RSIR_TEST_REDUCED": "0" if whole else "1"}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def must(command: list[str | Path], folder: Path) -> None:
    done = run(command, folder)
    if done.returncode != 0:
        raise SystemExit(f"faults: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def configure(folder: Path, sanitizer: str) -> Path:
    """Return the build folder for a sanitizer."""
    build = folder / sanitizer.partition(",")[0]
    options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1"]
    options += [f"-DRSIR_SANITIZE={sanitizer}"]
    must(["cmake", "-S", folder / "tests/kernels", "-B", build, "-G", "Ninja", *options], folder)
    return build


def fails(folder: Path, build: Path, test: str, whole: bool) -> bool:
    """Build the test's program, of a CUDA kernel or of one on the CPU, and run the test, whole or reduced."""
    program, _, name = test.partition(": ")
    must(["cmake", "--build", build, "--target", program], folder)
    place = build / "simt" if program.startswith("test_cuda_") else build
    return run([place / program, name], folder, whole=whole).returncode != 0


def examine(faults: list[Fault], known: Known, wanted: dict[str, bytes]) -> None:
    """Find out about faults of which nothing is known."""
    copy_sources(wanted)
    builds = {sanitizer: configure(PLACE, sanitizer) for sanitizer in {fault.sanitizer for fault in faults}}
    for test in sorted({(fault.test, fault.sanitizer, fault.whole) for fault in faults}):
        if known.get(test) is None:
            name, sanitizer, whole = test
            if fails(PLACE, builds[sanitizer], name, whole):
                raise SystemExit(f"faults: {name} fails without any fault")
            known.put(test, False)
    for fault in faults:
        path = PLACE / KERNELS / fault.file
        whole = path.read_text()
        if whole.count(fault.old) == 0:
            raise SystemExit(f"faults: {fault.file} holds no {fault.old!r}: bring the list up to date")
        path.write_text(whole.replace(fault.old, fault.new))
        known.put(fault, fails(PLACE, builds[fault.sanitizer], fault.test, fault.whole))
        path.write_text(whole)
        print(line(fault, known), flush=True)


def verdict(fault: Fault, known: Known) -> str:
    if known.get(fault):
        return "caught"
    return "not here" if lacking(fault.compiled_for or fault.only) else "MISSED"


def line(fault: Fault, known: Known) -> str:
    return f"{verdict(fault, known):8}  {fault.what}  [{fault.test}]"


def settle(chosen: list[Fault]) -> int:
    """Print what is known of the faults and find out the rest; return the exit status."""
    wanted = sources(ROOT)
    known = Known(wanted)
    new = [fault for fault in chosen if known.get(fault) is None and not lacking(fault.compiled_for)]
    for fault in (fault for fault in chosen if fault not in new):
        print(line(fault, known), flush=True)
    if new:
        examine(new, known, wanted)
    found = Counter(verdict(fault, known) for fault in chosen)
    for fault in chosen:
        if known.get(fault) and lacking(fault.only):
            print(f"caught without {fault.only} as well, so that the list need not say `only`: {fault.what}")
    if found["not here"]:
        flags = {flag for fault in chosen for flag in lacking(fault.compiled_for or fault.only)}
        print(f"{found['not here']} not here: in code for what this processor lacks, {', '.join(sorted(flags))}")
    print(f"{found['caught']} of {len(chosen) - found['not here']} caught")
    return 1 if found["MISSED"] else 0


def main() -> int:
    chosen = [fault for fault in FAULTS if not sys.argv[1:] or any(part in fault.what for part in sys.argv[1:])]
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs would find each other's faults in the copy
        return settle(chosen)


if __name__ == "__main__":
    raise SystemExit(main())

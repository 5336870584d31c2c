"""Faults planted into the kernels, each of which a named test must catch: `make faults` builds and runs them.

A copy of the sources is built once; then each fault is put in, its test built and run, and the fault taken out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from planted import FAULTS

ROOT = Path(__file__).resolve().parents[3]
KERNELS = Path("csrc/kernels/cuda")


def copy_sources(to: Path) -> None:
    for folder in ("csrc", "tests/kernels"):
        shutil.copytree(ROOT / folder, to / folder)


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RSIR_TEST_REDUCED": "1"}
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


def fails(folder: Path, build: Path, test: str) -> bool:
    """Build the test's program, of a CUDA kernel or of one on the CPU, and run the test."""
    program, _, name = test.partition(": ")
    must(["cmake", "--build", build, "--target", program], folder)
    return (
        run([(build / "simt" if program.startswith("test_cuda_") else build) / program, name], folder).returncode != 0
    )


def main() -> int:
    chosen = [fault for fault in FAULTS if not sys.argv[1:] or any(part in fault.what for part in sys.argv[1:])]
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_sources(folder)
        builds = {sanitizer: configure(folder, sanitizer) for sanitizer in {fault.sanitizer for fault in chosen}}
        for test, sanitizer in sorted({(fault.test, fault.sanitizer) for fault in chosen}):
            if fails(folder, builds[sanitizer], test):
                raise SystemExit(f"faults: {test} fails without any fault")
        for fault in chosen:
            path = folder / KERNELS / fault.file
            whole = path.read_text()
            if whole.count(fault.old) == 0:
                raise SystemExit(f"faults: {fault.file} holds no {fault.old!r}: bring the list up to date")
            path.write_text(whole.replace(fault.old, fault.new))
            caught = fails(folder, builds[fault.sanitizer], fault.test)
            path.write_text(whole)
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {fault.what}  [{fault.test}]", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())

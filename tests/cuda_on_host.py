"""The CUDA kernels on the host (tests/kernels/simt), behind the package's own Python code.

While `on_host` is in force, torch tensors in host memory are taken for CUDA tensors: the real kernels, bindings and
Python code run, only the device is played by the host. It is slow: a kernel's threads run one after the other.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from rsir_fast.base import compiled
from rsir_fast.base.arrays import is_torch
from rsir_fast.ops.engines import tensors

ROOT = Path(__file__).resolve().parents[1]


@cache
def host_module() -> ModuleType:
    """Build (again only what has changed) and load ``rsir_fast._cuda`` for the host."""
    build = ROOT / "build/kernels-native"  # of `make test-kernels`, which has compiled the kernels
    tools = Path(sys.executable).parent
    build.mkdir(parents=True, exist_ok=True)
    pybind11 = subprocess.check_output([sys.executable, "-m", "pybind11", "--cmakedir"], text=True).strip()
    configure = ["-S", ROOT / "tests/kernels", "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"]
    configure += ["-DRSIR_SIMT_MODULE=ON", f"-Dpybind11_DIR={pybind11}", f"-DPython_EXECUTABLE={sys.executable}"]
    with (build / "python.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run beside each other, ninja does not
        for command in ([tools / "cmake", *configure], [tools / "cmake", "--build", build, "--target", "cuda_on_host"]):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (build / "simt").glob("_cuda*.so")
    spec = importlib.util.spec_from_file_location("_cuda", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_host(patch: pytest.MonkeyPatch) -> ModuleType:
    """Take tensors in host memory for CUDA tensors as long as `patch` is in force."""
    module = host_module()
    patch.setitem(vars(compiled), "cuda", module)
    patch.setattr(tensors, "has_cuda", lambda: True)
    patch.setattr(tensors, "is_cuda_tensor", is_torch)
    for name, part in list(sys.modules.items()):
        if name.startswith("rsir_fast.ops") and hasattr(part, "stream_of"):
            patch.setattr(part, "stream_of", lambda x: (0, 0))
    return module


def pretend(major: int) -> None:
    """Take the device for one of that compute capability from now on."""
    ctypes.CDLL(str(host_module().__file__)).simt_compute_capability(major)

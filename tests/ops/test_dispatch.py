"""Instruction set, threads, GIL and Ctrl-C."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from math import ceil
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from op_support import ends_by_ctrl_c
from rsir_fast.base import compiled
from rsir_fast.base.cores import choose_threads, cpu_quota
from rsir_fast.base.isa import choose_isa, supported_isas


def test_compiled_and_python_versions_agree():
    assert compiled.cpu.build_info()["version"] == rf.__version__
    if compiled.has_cuda():
        assert compiled.cuda.build_info()["version"] == rf.__version__


def test_the_forced_instruction_set_is_the_one_that_ran(isa):
    """Each op's code for an instruction set carries its own name, compiled in beside it; amx has that of avx512."""
    name = "avx512" if isa == "amx" else isa
    x, codes = np.zeros((1, 8), np.float32), np.zeros((1, 1), np.uint8)
    floats, ints, ids = np.zeros((1, 8), np.float32), np.zeros((1, 1), np.int32), np.zeros((1, 1), np.int64)
    a, c, f, i, n = (array.ctypes.data for array in (x, codes, floats, ints, ids))
    cpu = compiled.cpu
    assert cpu.pack_codes(a, 1, 8, "f4", c, 1, isa) == name
    assert cpu.gaussian_normalize(a, 1, 8, "f4", f, 1, isa) == name
    sidecar = cpu.Sidecar(a, 1, 8, "f4", "auto", 1, False, 1, isa)
    for copy in (None, sidecar):
        assert cpu.euclidean_topk(a, 1, "f4", a, 1, "f4", 8, 0, copy, 1, f, n, 1, isa)[0] == name
    assert cpu.hamming_topk(c, 1, c, 1, 8, 0, 1, i, n, 1, isa) == name
    planes = np.zeros(cpu.hamming_planes_bytes(1, 8), np.uint8)
    assert cpu.hamming_prepare(c, 1, 8, planes.ctypes.data, 1, isa) == name
    assert cpu.hamming_topk_prepared(c, 1, planes.ctypes.data, c, 1, 8, 0, 1, i, n, 1, isa) == name


def test_arrays_are_taken_by_their_memory():
    x, codes = np.full((2, 8), 1.0), np.zeros((2, 1), np.uint8)
    pack = compiled.cpu.pack_codes
    pack(x, 2, 8, "f8", codes, 1, "scalar")
    assert codes.tolist() == [[255], [255]]
    with pytest.raises(ValueError, match="not C-contiguous"):
        pack(x[:, ::2], 2, 4, "f8", codes, 1, "scalar")
    codes.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        pack(x, 2, 8, "f8", codes, 1, "scalar")
    with pytest.raises(TypeError, match="bytes-like object"):
        pack([1.0], 1, 1, "f8", codes, 1, "scalar")


def test_environment_forces_the_instruction_set(monkeypatch):
    monkeypatch.setenv("RSIR_FORCE_ISA", "scalar")
    assert choose_isa(None) == "scalar"
    monkeypatch.setenv("RSIR_FORCE_ISA", "sse9")
    with pytest.raises(ValueError, match=r"RSIR_FORCE_ISA: expected an instruction set .*scalar.*got 'sse9'"):
        rf.pack_codes(np.zeros((1, 8)))


def test_threads(monkeypatch):
    monkeypatch.setenv("RSIR_NUM_THREADS", "3")
    assert choose_threads(None) == 3
    assert choose_threads(2) == choose_threads(2, tiny=True) == 2
    assert choose_threads(None, tiny=True) == 1
    for bad in ("0", "-1", "many"):
        monkeypatch.setenv("RSIR_NUM_THREADS", bad)
        for tiny in (False, True):
            with pytest.raises(ValueError, match=f"RSIR_NUM_THREADS: expected a whole number .*1, got '?{bad}"):
                choose_threads(None, tiny=tiny)
    monkeypatch.delenv("RSIR_NUM_THREADS")
    assert choose_threads(None) == min(len(os.sched_getaffinity(0)), ceil(cpu_quota() or 1024))
    with pytest.raises(ValueError, match="threads: expected"):
        rf.pack_codes(np.zeros((1, 8)), threads=0)
    for bad in (2.5, "4"):
        with pytest.raises(TypeError, match="threads: expected a whole number"):
            rf.pack_codes(np.zeros((1, 8)), threads=bad)
    rf.pack_codes(np.zeros((1, 8)), threads=10**12)


LONG = np.zeros((600, 4096), np.float32), np.zeros((20_000, 4096), np.float32)


def test_the_gil_is_released():
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    rf.euclidean_topk(LONG[0][:40], LONG[1], 1, threads=1)
    end = time.monotonic()
    done.set()
    thread.join()
    # Held throughout, the GIL would let no tick fall inside the call but at its very ends.
    assert sum(start + 0.01 < t < end - 0.01 for t in ticks) > 5


def test_signals_reach_a_search_in_a_process_forked_by_a_thread():
    """Its only thread is the main one, though it was not in the parent."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            """
import os, signal, threading, numpy as np, rsir_fast as rf
x = np.zeros((20_000, 4096), np.float32)
rf.euclidean_topk(x[:1], x, 10)
def fork():
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(7))
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        rf.euclidean_topk(x, x, 10, threads=1)
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread = threading.Thread(target=fork)
thread.start()
thread.join()
""",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("7\n", "")


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_search(threads):
    program = f"""
import numpy as np, rsir_fast as rf, sys
x = np.zeros((20_000, 4096), np.float32)
print("ready", flush=True)
rf.euclidean_topk(x, x, 10, threads={threads})
"""
    assert ends_by_ctrl_c(program)


def test_an_instruction_set_is_taken_only_with_all_that_it_was_compiled_with():
    """The flags and what `supported_isas` asks for come from one table, in csrc/kernels/CMakeLists.txt."""
    info = compiled.cpu.build_info()
    needs = {name.removeprefix("needs_"): text.split() for name, text in info.items() if name.startswith("needs_")}
    if os.uname().machine != "x86_64":
        assert needs == {}
        return
    assert needs["avx2"] == ["avx2", "fma", "f16c", "popcnt", "bmi2"]
    assert needs["avx512"] == [*needs["avx2"], "avx512f", "avx512bw", "avx512dq", "avx512vl"]
    assert needs["amx"] == [*needs["avx512"], "avx512_vnni", "amx_tile", "amx_int8"]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line.split(":")[1].split() for line in lines if line.startswith("flags"))
    expected = [isa for isa in ("amx", "avx512", "avx2") if set(needs[isa]) <= set(flags)]
    assert list(supported_isas()) == [*expected, "scalar"]


def test_no_file_is_compiled_with_more_than_the_table():
    build = Path(__file__).parents[2] / "csrc/kernels/CMakeLists.txt"
    flags = set(re.findall(r'(?<![\w"])-m[\w=-]+', build.read_text()))
    # The native one is in a comment, against it; -mavx512vnni is asked for where its file is chosen, in certify.cpp.
    assert flags - {"-march=native"} == {"-mprefer-vector-width=512", "-mavx512vnni"}
    assert "cpu_features().avx512_vnni" in (build.parent / "cpu/certify.cpp").read_text()


@pytest.mark.gpu
def test_threads_of_other_devices_leave_theirs_alone():
    """A new thread's current device is 0: used for work on another, it stays unused, without a context of its own."""
    program = """
import threading, torch, rsir_fast as rf
device = f"cuda:{torch.cuda.device_count() - 1}"
x = torch.rand(300, 40, device=device)
failures = []
def search():
    try:
        rf.euclidean_topk(x[:9], x, 5)
    except BaseException as error:
        failures.append(error)
thread = threading.Thread(target=search)
thread.start()
thread.join()
assert not failures, failures
import ctypes
active, flags = ctypes.c_int(), ctypes.c_uint()
assert ctypes.CDLL("libcuda.so.1").cuDevicePrimaryCtxGetState(0, ctypes.byref(flags), ctypes.byref(active)) == 0
assert active.value == (torch.cuda.device_count() == 1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

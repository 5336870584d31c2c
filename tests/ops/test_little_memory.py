"""Where memory or threads run out: MemoryError or fewer threads, never the end of the process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WALK = """
import json, os, resource, sys
import numpy as np, rsir_fast as rf
from rsir_fast.base import compiled
compiled.cpu.supported_isas()
rng = np.random.default_rng(0)
x = rng.standard_normal((4000, 128)).astype(np.float32)
half = x.astype(np.float16)
codes = rf.pack_codes(rng.standard_normal((100_000, 64)), threads=1)
labels = np.arange(4000) % 20
calls = {
    "hamming_topk": lambda t: rf.hamming_topk(codes[:400], codes, 10, threads=t),
    "hamming_topk few": lambda t: rf.hamming_topk(codes[:2], codes, 1000, threads=t),
    "hamming_topk deep": lambda t: rf.hamming_topk(codes[:4], codes, 50_000, threads=t),
    "prepare codes": lambda t: [rf.prepare(codes, metric="hamming", threads=t).held.planes],
    "euclidean_topk": lambda t: rf.euclidean_topk(x[:200], x, 10, threads=t),
    "euclidean_topk dense": lambda t: rf.euclidean_topk(x[:200], x, 2000, threads=t),
    "euclidean_topk row": lambda t: rf.euclidean_topk(half[:200], half, 10, normalize="row", threads=t),
    "prepare": lambda t: rf.euclidean_topk(x[:9], rf.prepare(x, threads=t), 5, threads=t),
    "gaussian_normalize": lambda t: [rf.gaussian_normalize(x, threads=t)],
    "gaussian_normalize feature": lambda t: [rf.gaussian_normalize(x, axis="feature", threads=t)],
    "pack_codes": lambda t: [rf.pack_codes(x, threads=t)],
    "relevant_ranks": lambda t: [b.ranks for b in rf.relevant_ranks(x[:300], x, labels[:300], labels, threads=t)],
    "rank_database": lambda t: [b.ids for b in rf.rank_database(x[:30], x, threads=t)],
}

def room():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

def limited(call, threads, more):
    # In a process of its own: 0 answered, 1 MemoryError; afterwards it must answer, with the same bits.
    if (child := os.fork()) == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (room() + more, resource.RLIM_INFINITY))
            try:
                found, code = call(threads), 0
            except MemoryError:
                found = None
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            again = call(threads)
            if found is not None and any(a.tobytes() != b.tobytes() for a, b in zip(found, again)):
                code = 2
        except BaseException:
            code = 3
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

told = {}
for name, call in calls.items():
    for threads in (1, 4):
        told[f"{name} {threads}"] = [limited(call, threads, int(2.0**e)) for e in EXPONENTS]
print(json.dumps(told))
"""
FEW_THREADS = """
import os, resource, numpy as np, rsir_fast as rf
x = np.random.default_rng(0).random((3000, 64), dtype=np.float32)
expected = rf.euclidean_topk(x[:50], x, 5, threads=1)
if os.getuid() == 0:
    os.setuid(65534)  # root may have any number
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
for threads in (2, 8):
    for found, wanted in zip(rf.euclidean_topk(x[:50], x, 5, threads=threads), expected):
        assert found.tobytes() == wanted.tobytes()
import threading
try:
    threading.Thread(target=print).start()
    print("threads are granted")
except RuntimeError:
    print("right")
"""


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_shrinking_memory():
    """From 4 KiB more than there is to 64 MiB more: glibc would end a process at a thread's first exception."""
    told = json.loads(python(WALK.replace("EXPONENTS", "range(12, 27, 2)")))
    assert len(told) == 26
    for case, codes in told.items():
        assert set(codes) <= {0, 1}, case
    assert 1 in told["hamming_topk 4"]
    assert 1 in told["euclidean_topk 4"]


def test_no_more_threads():
    said = python(FEW_THREADS)
    if said == "threads are granted\n":
        pytest.skip("this system does not limit threads")
    assert said == "right\n"

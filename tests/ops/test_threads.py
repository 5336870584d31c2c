"""The thread pool in a Python process: forks, other libraries' threads, many callers, the end of the interpreter."""

from __future__ import annotations

import importlib.util
import multiprocessing
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import rsir_fast as rf

RNG = np.random.default_rng(5)
DATABASE = RNG.random((3000, 64), dtype=np.float32)
EXPECTED = rf.euclidean_topk(DATABASE[:4], DATABASE, 5, threads=1)


def search_is_right(threads: int = 3) -> bool:
    distances, ids = rf.euclidean_topk(DATABASE[:4], DATABASE, 5, threads=threads)
    return np.array_equal(distances, EXPECTED[0]) and np.array_equal(ids, EXPECTED[1])


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_have_threads_of_their_own():
    assert search_is_right()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(search_is_right, [3, 2, 1, 5] * 4) == [True] * 16
    assert search_is_right()


class Searches(torch.utils.data.Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return search_is_right(threads=1 + index % 3)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_torch_data_loader_forks():
    assert search_is_right()
    for _ in range(2):
        loader = torch.utils.data.DataLoader(Searches(), num_workers=2, batch_size=3, multiprocessing_context="fork")
        assert all(batch.all() for batch in loader)
        assert search_is_right()


def test_beside_the_threads_of_torch():
    a = torch.from_numpy(DATABASE)
    product = a @ a.T
    for _ in range(20):
        assert torch.allclose(a @ a.T, product)
        assert search_is_right()


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
def test_beside_the_threads_of_faiss():
    done = run("""
import faiss, torch, numpy as np, rsir_fast as rf
x = np.random.default_rng(0).random((3000, 64), dtype=np.float32)
index = faiss.IndexFlatL2(64)
index.add(x)
for _ in range(10):
    ids = rf.euclidean_topk(x[:50], x, 1, threads=3)[1]
    assert (ids == index.search(x[:50], 1)[1]).all() and (ids[:, 0] == np.arange(50)).all()
    torch.from_numpy(x) @ torch.from_numpy(x).T
print("done")
""")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_many_callers():
    right = []
    callers = [
        threading.Thread(target=lambda n=n: right.extend(search_is_right(n) for _ in range(30))) for n in range(1, 7)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert right == [True] * 180


def test_idle_threads_use_no_processor_time():
    done = run("""
import os, time, numpy as np, rsir_fast as rf
x = np.zeros((3000, 64), np.float32)
rf.euclidean_topk(x[:40], x, 5, threads=8)
time.sleep(0.02)
before = os.times()
time.sleep(0.3)
after = os.times()
print(after.user + after.system - before.user - before.system)
""")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [20, 300, 20_000])
def test_the_interpreter_ends_while_a_thread_searches(threads, rows):
    done = run(f"""
import threading, time, numpy as np, rsir_fast as rf
x = np.zeros(({rows}, 512), np.float32)
def work():
    while True:
        rf.euclidean_topk(x, x, 10, threads={threads})
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("end")
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")

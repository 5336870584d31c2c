"""Memory shared by threads, and what a container grants."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rsir_fast.base.memory import MemoryBudget, machine_memory, memory_limit

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "expected"),
    [
        ("0::/\n", V2, {"memory.max": "1073741824\n"}, 2**30),
        ("0::/\n", V2, {"memory.max": "max\n"}, None),
        ("0::/a/b\n", V2, {"memory.max": "max\n", "a/memory.max": "500\n", "a/b/memory.max": "900\n"}, 500),
        ("5:memory:/a\n", V1, {"memory/a/memory.limit_in_bytes": "4096\n"}, 4096),
        ("5:memory:/\n", V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 9223372036854771712),
        ("5:cpu:/\n", V2, {}, None),
        ("of another form\n", V2, {"memory.max": "5\n"}, None),
        ("", "", {}, None),
    ],
)
def test_limit_of_a_container(tmp_path, cgroup, mounts, files, expected):
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert memory_limit(tmp_path) == expected


def test_memory_of_this_machine():
    assert 2**27 < machine_memory() < 2**50


def test_threads_share():
    budget = MemoryBudget()

    def work(number):
        with budget.taken(30 + number % 7, total=100):
            time.sleep(0.001)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(200)))
    assert 60 < budget.most <= 100
    assert budget.used == 0


def test_kept_until_the_scope_ends():
    budget = MemoryBudget()
    with budget.scope():
        with budget.taken(100, total=100, keep=30):
            assert budget.used == 100
        assert budget.used == 30
        # A thread that holds some never waits: nobody else could let it go on.
        with budget.taken(90, total=100):
            assert budget.used == 120
        assert budget.used == 30
    assert budget.used == 0
    with budget.taken(100, total=100, keep=30):
        pass
    assert budget.used == 0


def test_many_scopes_never_wait_for_each_other():
    budget = MemoryBudget()

    def work(_):
        with budget.scope():
            for _ in range(3):
                with budget.taken(60, total=100, keep=50):
                    time.sleep(0.0005)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40), timeout=60))
    assert budget.used == 0


def test_large_requests_are_not_overtaken():
    budget, order = MemoryBudget(), []
    holder, waiting = threading.Event(), threading.Event()

    def hold():
        with budget.taken(50, total=100):
            waiting.set()
            holder.wait(10)

    def ask(size):
        with budget.taken(size, total=100):
            order.append(size)

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    waiting.wait(10)
    for size in (100, 10):
        threads.append(threading.Thread(target=ask, args=(size,)))
        threads[-1].start()
        time.sleep(0.05)
    assert order == []
    holder.set()
    for thread in threads:
        thread.join(10)
    assert order == [100, 10]


def test_more_than_all_waits_until_nothing_is_taken():
    budget = MemoryBudget()
    with budget.taken(500, total=100):
        assert budget.used == 500


def test_an_error_gives_back():
    budget = MemoryBudget()
    with pytest.raises(KeyError), budget.scope(), budget.taken(10, total=10, keep=5):
        raise KeyError
    assert budget.used == 0

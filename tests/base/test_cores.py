"""Cores that a process may use, with the control group files of containers."""

from __future__ import annotations

import os

import pytest

from rsir_fast.base import cores

V2 = "30 23 0:26 {top} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "32 30 0:28 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
)


@pytest.fixture
def machine(tmp_path):
    def make(cgroup: str, mountinfo: str, files: dict[str, str]):
        for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("group", "top", "files", "expected"),
    [
        ("/", "/", {"cpu.max": "200000 100000\n"}, 2.0),
        ("/", "/", {"cpu.max": "max 100000\n"}, None),
        ("/", "/", {}, None),
        ("/a/b", "/", {"cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1.5),
        ("/a/b", "/", {"a/cpu.max": "800000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("/docker/x", "/docker/x", {"cpu.max": "300000 100000\n"}, 3.0),  # the container's group is the mounted top
        ("/docker/x", "/other", {"cpu.max": "300000 100000\n"}, 3.0),  # a path on the host, not mounted here
        ("/../y", "/", {"cpu.max": "300000 100000\n"}, 3.0),  # a group outside of the namespace
        ("/", "/", {"cpu.max": "broken"}, None),
        ("/", "/", {"cpu.max": "100000 0\n"}, None),
    ],
)
def test_version_2(machine, group, top, files, expected):
    root = machine(f"0::{group}\n", V2.format(top=top), {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert cores.cpu_quota(root) == expected


@pytest.mark.parametrize(
    ("group", "top", "files", "expected"),
    [
        ("/", "/", {"cpu.cfs_quota_us": "400000\n", "cpu.cfs_period_us": "100000\n"}, 4.0),
        ("/", "/", {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
        ("/docker/x", "/docker/x", {"cpu.cfs_quota_us": "25000\n", "cpu.cfs_period_us": "50000\n"}, 0.5),
        ("/a", "/", {"a/cpu.cfs_quota_us": "120000\n", "a/cpu.cfs_period_us": "100000\n"}, 1.2),
        ("/a", "/", {"a/cpu.cfs_quota_us": "120000\n"}, None),
    ],
)
def test_version_1(machine, group, top, files, expected):
    place = "sys/fs/cgroup/cpu,cpuacct"
    root = machine(
        f"5:cpuset:/\n4:cpu,cpuacct:{group}\n0::/system.slice\n",
        V1.format(top=top),
        {f"{place}/{name}": text for name, text in files.items()},
    )
    assert cores.cpu_quota(root) == expected


def test_no_control_groups(machine, tmp_path):
    assert cores.cpu_quota(tmp_path) is None
    assert cores.cpu_quota(machine("0::/\n", "of another form\n", {})) is None
    assert cores.cpu_quota(machine("of another form\n", "", {})) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.2, 1), (1.0, 1), (1.5, 2), (7.01, 8), (64.0, 8)])
def test_the_quota_is_rounded_up(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cores, "_own_quota", lambda: quota)
    monkeypatch.delenv("RSIR_NUM_THREADS", raising=False)
    assert cores.choose_threads(None) == expected
    monkeypatch.setenv("RSIR_NUM_THREADS", "12")  # who asks for more gets more
    assert cores.choose_threads(None) == 12

"""A process that has read features ends as it should, however soon after."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from rsir_fast.archive import Features

READ = """
import os, sys
from rsir_fast.archive import Features

before = len(os.listdir("/proc/self/task"))
Features.load(sys.argv[1])
before_and_pyarrow = before + 1  # its allocator has one
assert len(os.listdir("/proc/self/task")) <= before_and_pyarrow, "a thread that holds our bytes at exit aborts it"
"""


def test_reading_features_leaves_no_thread_that_could_abort_the_exit(tmp_path):
    Features(np.ones((3, 2), np.float32), ("a.jpg", "b.jpg", "c.jpg"), None, (), "demo").save(tmp_path / "f")
    done = subprocess.run([sys.executable, "-c", READ, tmp_path / "f"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

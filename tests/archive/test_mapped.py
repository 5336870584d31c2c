"""Rows of many segments are searched where they lie: mapped, whatever was removed and in whatever order they came."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from rsir_fast.archive import Features, Snapshot, Writer
from rsir_fast.archive.inputs import About, Input
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import parse_spec

X = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
SPEC = parse_spec(
    {"kind": "foreign", "stored": [FieldSpec(name="vector", kind="vector", dtype="float32", width=8)], "told": {}}
)


def write(folder, numbers):
    """Write a version whose data set is these rows of X, in this order."""
    inputs = [Input("images", f"{number:04}.jpg", 1, number, None) for number in numbers]
    about = About(name="demo", classes=(), made={}, labelled=False)
    with Writer(folder, SPEC, {}, inputs, about=about, sha256=lambda n: f"{numbers[n]:064x}") as writer:
        writer.add(writer.todo, {"vector": X[[numbers[place] for place in writer.todo]]})
        writer.commit()
    return Snapshot(folder)["vector"]


def mapped(rows):
    """Return the number of rows of each block, negative where it is a copy."""
    return [len(block) if isinstance(block, np.memmap) else -len(block) for block in rows.blocks]


@pytest.mark.parametrize(
    ("steps", "blocks"),
    [
        ([range(1000), range(2000), range(3000)], [1000, 1000, 1000]),
        ([range(3000), [*range(500), *range(501, 3000)]], [500, 2499]),
        ([range(3000), [*range(500), *range(501, 600), *range(601, 3000)]], [500, -99, 2399]),
        ([range(0, 3000, 2), [*range(1, 3000, 2), *range(0, 3000, 2)]], [1500, 1500]),
        ([range(0, 3000, 2), range(3000)], [-3000]),
        ([range(1000, 2000), range(3000)], [1000, 1000, 1000]),
        ([range(100), range(200), range(3000)], [-200, 2800]),
        ([range(10), []], []),
    ],
)
def test_stretches_that_lie_together_are_mapped(tmp_path, steps, blocks):
    for numbers in steps:
        rows = write(tmp_path / "A", list(numbers))
    assert mapped(rows) == (blocks or [0])
    assert np.array_equal(rows, X[list(steps[-1])])


LIMITED = """
import json, resource, sys
import numpy as np, rsir_fast as rf

def private():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))

query = rf.Query(vectors=np.load(sys.argv[2]).tolist(), k=5, normalize=sys.argv[3])
small = rf.Features(np.zeros((600, 1024), np.float32), tuple(map(str, range(600))), None, (), "small")
rf.search(small, query, threads=2)
rf.Archive(sys.argv[1]).features()  # threads, libraries and their pools are there
resource.setrlimit(resource.RLIMIT_DATA, (private() + int(sys.argv[4]), resource.RLIM_INFINITY))
found = rf.Archive(sys.argv[1])
hits = found.search(query, threads=2)
try:
    found.features().matrix
    copied = True
except MemoryError:
    copied = False
print(json.dumps([hits.ids.tolist(), len(found.features().vectors.blocks), copied]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits private memory as Linux counts it")
@pytest.mark.parametrize("normalize", ["row", "none"])
def test_a_search_needs_a_fraction_of_the_matrix(tmp_path, monkeypatch, normalize):
    """80 MB in 20 segments, searched with 32 MB: vectors are read from the files."""
    import rsir_fast as rf

    monkeypatch.setattr("rsir_fast.archive.writer.SEGMENT_ROWS", 1000)
    x = np.random.default_rng(1).standard_normal((20_000, 1024)).astype(np.float32)
    Features(x, tuple(f"{number:05}.jpg" for number in range(len(x))), None, (), "demo").save(tmp_path / "A")
    np.save(tmp_path / "queries.npy", x[::5000])
    arguments = [str(tmp_path / "A"), str(tmp_path / "queries.npy"), normalize, str(32 << 20)]
    found, blocks, copied = json.loads(subprocess.check_output([sys.executable, "-c", LIMITED, *arguments]))
    assert found == rf.euclidean_topk(x[::5000], x, 5, normalize=normalize).ids.tolist()
    assert (blocks, copied) == (20, False)

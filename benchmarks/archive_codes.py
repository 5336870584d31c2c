"""An archive of many hash codes, for `archive.py`: how much memory has a process that opens it and searches once?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from engines import Engine

BITS, CLASSES, K = 64, 21, 100


def codes(folder: Path, rows: int) -> dict[str, Any]:
    """Make it, search it in a process of its own, and assert the answer."""
    import rsir_fast as rf

    shutil.rmtree(folder, ignore_errors=True)
    every = make(folder, rows)
    own = rows // 3
    with Engine("rsir_fast", program="archive_stores.py") as engine:
        found = engine.ask("codes", str(folder), own, K)
    distances, ids = rf.hamming_topk(every[own : own + 1], every, K)
    assert (found.pop("ids") == ids).all(), "the ids are not those of the codes"
    assert (found.pop("distances") == distances).all(), "the distances are not those of the codes"
    return {"rows": rows, **found}


def make(folder: Path, rows: int) -> Any:
    """Write its segments one by one, without an object an item as a writer of images has; return the codes."""
    from rsir_fast.archive.inputs import About
    from rsir_fast.archive.next_version import next_version
    from rsir_fast.archive.segment import SEGMENT_ROWS, place_segment
    from rsir_fast.archive.settle import Settled
    from rsir_fast.archive.tables import ITEMS, SOURCES, Tables, as_file
    from rsir_fast.archive.versions import publish, segment_folder
    from rsir_fast.encoders import HashModelSpec, PreprocessingSpec

    classes = tuple(f"class {number:02}" for number in range(CLASSES))
    spec = HashModelSpec(
        network="small",
        layer="gap",
        bits=BITS,
        classes=classes,
        weights="random:0",
        preprocessing=PreprocessingSpec(input_size=8, divisor=1.0, mean=(0.0,) * 3, std=(1.0,) * 3),
    )
    made = {
        "name": "small",
        "layer": f"gap, hash {BITS}",
        "weights": "random:0",
        "preprocessing": spec.preprocessing.model_dump(),
        "hash": {"bits": BITS, "classes": list(classes)},
    }
    draw = np.random.default_rng(6)
    every = draw.integers(256, size=(rows, BITS // 8), dtype=np.uint8)
    most = min(rows, SEGMENT_ROWS)
    u, probabilities = np.zeros((most, BITS), np.float32), draw.random((most, CLASSES), np.float32)
    segments = []
    for first in range(0, rows, SEGMENT_ROWS):
        some = every[first : first + SEGMENT_ROWS]
        names = [f"scenes/{number:08}.tif" for number in range(first, first + len(some))]
        tables = Tables.named(names, draw.integers(CLASSES, size=len(some)), classes)
        blocks = {"u": [u[: len(some)]], "codes": [some], "probabilities": [probabilities[: len(some)]]}
        name = f"{'0' * 16}-{len(segments)}"
        files = {SOURCES: as_file(tables.sources), ITEMS: as_file(tables.items)}
        place = segment_folder(folder, name)
        segments.append((name, len(some), place_segment(place, spec, {}, len(some), files, blocks, "none")))
    version = next_version(
        folder,
        1,
        None,
        segments,
        Settled(np.arange(rows), used=[True] * len(segments)),
        skipped=(),
        spec=spec,
        normalize="none",
        about=About(name="codes", roots={"images": "/images"}, classes=classes, made=made),
        keeping=False,
        notes=(),
        timing={},
    )
    publish(folder, version)
    return every

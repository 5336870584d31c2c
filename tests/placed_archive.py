"""Archives of made items with classes, places, times and columns: several segments, rows that are hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rsir_fast.archive import About, Input, Snapshot, Writer
from rsir_fast.archive.columns import spec_to_store

CLASSES = ("forest", "harbor", "river", "ä")
DAY = 86_400_000_000
WIDTH = 6


def draw_bounds(draw: np.random.Generator) -> tuple[float, float, float, float] | None:
    """Return bounds on a coarse grid, so that borders meet; some across the antimeridian, some points, some whole."""
    kind = draw.integers(12)
    if kind == 0:
        return None
    if kind == 1:
        return (-180.0, 60.0, 180.0, 90.0)
    west, south = float(draw.integers(-18, 18) * 10), float(draw.integers(-9, 8) * 10)
    if kind == 2:
        return (west, south, west, south)
    if kind == 3:
        west = 170.0
    wide, high = (float(draw.integers(1, 5) * 5) for _ in range(2))
    east = west + wide if west + wide <= 180 else west + wide - 360
    return (west, south, east, min(90.0, south + high))


def draw_inputs(seed: int, n: int) -> list[Input]:
    """Return n items, of which something is unknown here and there."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(n):
        columns = {
            "cloud": [None, 0.0, 0.25, 0.5][draw.integers(4)],
            "orbit": int(draw.integers(-3, 4)),
            "sensor": [None, "S2", "L8", "l8"][draw.integers(4)],
            "night": bool(draw.integers(2)),
        }
        some = tuple((name, value) for name, value in columns.items() if draw.random() < 0.8)
        name = [None, *CLASSES][draw.integers(5)]
        time = None if draw.random() < 0.2 else int(draw.integers(0, 40)) * DAY
        found.append(
            Input("images", f"{number}.tif", 1, number, name, bounds=draw_bounds(draw), time=time, columns=some)
        )
    return found


def draw_vectors(seed: int, n: int) -> np.ndarray:
    """Return vectors of few values, so that distances are equal often."""
    return np.random.default_rng(seed).integers(-2, 3, (n, WIDTH)).astype(np.float32)


def write_placed(folder: Path, inputs: list[Input], vectors: np.ndarray, parts: int = 1) -> Snapshot:
    """Make an archive hold these items alone, new ones in several segments."""
    spec = spec_to_store({}, {"vector": vectors.shape[1]})
    about = About(name="placed", roots={"images": "/images"}, classes=CLASSES)
    numbers = {each.source: int(each.source.partition(".")[0]) for each in inputs}
    ends = [len(inputs) * part // parts for part in range(1, parts + 1)]
    for end in ends:
        some = inputs[:end]
        with Writer(
            folder, spec, {}, some, about=about, sha256=lambda at: f"{numbers[inputs[at].source]:064x}"
        ) as writer:
            which = [numbers[some[at].source] for at in writer.todo]
            writer.add(writer.todo, {"vector": vectors[which]})
            found = writer.commit()
    return found

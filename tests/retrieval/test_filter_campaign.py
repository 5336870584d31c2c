"""Random filters of an archive with hidden rows: what is found is what the matrix of the rows allowed gives.

Some in the suite; `RSIR_TEST_FILTERS=10000 pytest tests/retrieval/test_filter_campaign.py` at length.
"""

from __future__ import annotations

import math
import operator
import os

import numpy as np
import pytest
import shapely

import rsir_fast as rf
from placed_archive import CLASSES, DAY, draw_bounds, draw_inputs, draw_vectors, write_placed
from rsir_fast.archive.inputs import Input
from rsir_fast.retrieval import AllOf, AnyOf, Box, Column, Ids, NoneOf, Polygon, Query, Time
from rsir_fast.retrieval.instants import iso

FILTERS = int(os.environ.get("RSIR_TEST_FILTERS", "300"))
ROWS = 240
OPS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Five segments, of whose rows every third is hidden; the items that are left, by id."""
    inputs, vectors = draw_inputs(3, ROWS), draw_vectors(4, ROWS)
    folder = tmp_path_factory.mktemp("filters") / "archive"
    write_placed(folder, inputs, vectors, parts=5)
    kept = [each for number, each in enumerate(inputs) if number % 3]
    snapshot = write_placed(folder, kept, vectors)
    assert len(snapshot.segments) == 5
    assert len(snapshot) == ROWS - ROWS // 3
    by_id = {int(each): item for each, item in zip(snapshot.ids, kept, strict=True)}
    return rf.Archive(folder), by_id, vectors


def draw_where(draw: np.random.Generator, ids: list[int], depth: int = 2):
    """Return a condition of any kind."""
    kind = draw.integers(10) if depth else draw.integers(7)
    if kind >= 7:
        parts = tuple(draw_where(draw, ids, depth - 1) for _ in range(draw.integers(0, 4)))
        return (AllOf(all=parts), AnyOf(any=parts), NoneOf(none=parts))[kind - 7]
    if kind == 0:
        return Ids(ids=tuple(draw.choice(ids, draw.integers(0, len(ids))).tolist()))
    if kind == 1:
        first, last = sorted(draw.choice(41, 2, replace=False).tolist())
        return (
            Time(**dict([[("after", iso(first * DAY))], [("before", iso(last * DAY))]][draw.integers(2)]))
            if (draw.random() < 0.5)
            else Time(after=iso(first * DAY), before=iso(last * DAY))
        )
    if kind == 2:
        return Box(box=draw_bounds(draw) or (-10, -10, 20, 10), within=bool(draw.integers(2)))
    if kind == 3:
        return Polygon(polygon=shapely.to_wkt(draw_polygon(draw), 17), within=bool(draw.integers(2)))
    name = ["class", "cloud", "orbit", "sensor", "night", "east", "item"][draw.integers(7)]
    values = {"class": CLASSES, "cloud": (0.0, 0.25, 0.3), "orbit": (-3, 0, 1.5, 9), "sensor": ("S2", "l8", "x")}
    choice = {**values, "night": (True, False), "east": (0.0, 15.0), "item": ("5.tif", "77.tif")}[name]
    if draw.random() < 0.3:
        return Column(column=name, op="in", value=tuple(choice[: draw.integers(0, 4)]))
    op = [*OPS][draw.integers(2 if name == "night" else 6)]
    return Column(column=name, op=op, value=choice[draw.integers(len(choice))])


def draw_polygon(draw: np.random.Generator):
    """Return a polygon around a place, sometimes on the grid on which the borders of items lie."""
    if draw.random() < 0.5:
        x, y = draw.integers(-17, 16) * 10.0, draw.integers(-8, 7) * 10.0
        if draw.random() < 0.5:
            return shapely.box(x, y, min(180.0, x + 30), min(90.0, y + 30))
        return shapely.Polygon([(x, y), (x + draw.integers(1, 3) * 10, y), (x, y + 10)])
    angles = np.sort(draw.uniform(0, 2 * math.pi, draw.integers(4, 9)))
    radii = draw.uniform(3, 40, len(angles))
    at = draw.uniform(-130, 130), draw.uniform(-45, 45)
    found = shapely.Polygon(np.stack([at[0] + radii * np.cos(angles), at[1] + radii * np.sin(angles)], 1))
    return found if found.is_valid else found.envelope


def boxes(bounds) -> list[shapely.Geometry]:
    """Return what bounds are on the map: two boxes where they cross the antimeridian."""
    west, south, east, north = bounds
    if west > east:
        return [*boxes((west, south, 180, north)), *boxes((-180, south, east, north))]
    return [shapely.Point(west, south) if (west, south) == (east, north) else shapely.box(west, south, east, north)]


def is_allowed(where, number: int, item: Input) -> bool:
    """Tell it of one item, in plain words."""
    if isinstance(where, AllOf):
        return all(is_allowed(each, number, item) for each in where.all)
    if isinstance(where, AnyOf):
        return any(is_allowed(each, number, item) for each in where.any)
    if isinstance(where, NoneOf):
        return not any(is_allowed(each, number, item) for each in where.none)
    if isinstance(where, Ids):
        return number in where.ids
    if isinstance(where, Time):
        if item.time is None:
            return False
        day = item.time // DAY
        after = -1 if where.after is None else day_of(where.after)
        return after <= day < (99 if where.before is None else day_of(where.before))
    if isinstance(where, Box | Polygon):
        if item.bounds is None:
            return False
        given = boxes(where.box) if isinstance(where, Box) else [shapely.from_geojson(dumped(where.polygon))]
        if where.within:
            whole = shapely.union_all(given)
            return all(whole.covers(part) for part in boxes(item.bounds))
        return any(mine.intersects(theirs) for mine in given for theirs in boxes(item.bounds))
    told = {"class": item.class_name, "item": item.source, **dict(item.columns)}
    if item.bounds is not None:
        told["east"] = item.bounds[2]
    value = told.get(where.column)
    if value is None or value != value:
        return False
    return value in where.value if where.op == "in" else OPS[where.op](value, where.value)


def day_of(text: str) -> int:
    return int((np.datetime64(text.rstrip("Z")) - np.datetime64("1970-01-01")) / np.timedelta64(1, "D"))


def dumped(geometry) -> str:
    import json

    return json.dumps(geometry)


def test_random_filters(archive):
    archive, by_id, vectors = archive
    ids = np.array(sorted(by_id))
    draw = np.random.default_rng(int(os.environ.get("RSIR_TEST_SEED", "0")))
    matrix = np.stack([vectors[int(by_id[number].source.partition(".")[0])] for number in ids.tolist()])
    seen = 0
    for _ in range(FILTERS):
        where, normalize = draw_where(draw, ids.tolist()), ("none", "row")[draw.integers(2)]
        allowed = np.array([is_allowed(where, number, by_id[number]) for number in ids.tolist()])
        asked, k = draw.choice(len(ids), 2), int(draw.integers(1, 20))
        squared, places = rf.euclidean_topk(matrix[asked], matrix[allowed], k, normalize)
        wanted = np.append(ids[allowed], -1)[places]
        query = {"ids": ids[asked]} if draw.integers(2) else {"vectors": matrix[asked]}
        hits = archive.search(Query(**query, k=k, where=where, normalize=normalize))
        assert hits.ids.tolist() == wanted.tolist(), where
        assert hits.squared.tobytes() == squared.tobytes(), where
        seen += 0 < allowed.sum() < len(ids)
    assert seen > FILTERS / 3

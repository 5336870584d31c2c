"""Filters: what each condition allows, and what cannot be meant."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from rsir_fast.archive import Features
from rsir_fast.archive.items import Items
from rsir_fast.archive.tables import ItemRow, Tables
from rsir_fast.retrieval import AllOf, AnyOf, Box, Column, Ids, NoneOf, Polygon, Query, Time
from rsir_fast.retrieval.searched import Searched

ROW = ItemRow("images", "a.tif", 1, 1, sha256="0" * 64)
DAY = 86_400_000_000
ROWS = [
    replace(ROW, class_name="a", columns=(("size", 1), ("night", True)), bounds=(10, 0, 20, 10), time=0),
    replace(ROW, class_name="b", columns=(("size", 5), ("night", False)), bounds=(170, -10, -170, 5), time=DAY),
    replace(ROW, columns=(("size", 9),), time=-1),
    replace(ROW, class_name="a", columns=(("size", 5), ("cloud", float("nan"))), bounds=(-180, 60, 180, 90)),
]


def table(rows=ROWS) -> Searched:
    """Two segments of four rows."""
    items = Items([Tables.of(rows[:1]), Tables.of(rows[1:])])
    return Searched(Features(np.zeros((len(rows), 2), np.float32), items, None, (), "demo"))


TABLE = table()
A = Column(column="class", value="a")
SMALL = Column(column="size", op="<=", value=5)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (A, [1, 0, 0, 1]),
        (~A, [0, 1, 1, 0]),
        (Column(column="class", op="!=", value="a"), [0, 1, 0, 0]),
        (Column(column="class", op=">=", value="b"), [0, 1, 0, 0]),
        (Column(column="class", op="in", value=("b", "x")), [0, 1, 0, 0]),
        (Column(column="size", op="in", value=()), [0, 0, 0, 0]),
        (SMALL, [1, 1, 0, 1]),
        (Column(column="size", op="<", value=1 << 70), [1, 1, 1, 1]),
        (Column(column="cloud", op="!=", value=3), [0, 0, 0, 0]),
        (Column(column="night", value=True), [1, 0, 0, 0]),
        (Column(column="night", op="!=", value=True), [0, 1, 0, 0]),
        (Column(column="west", op="<", value=0), [0, 0, 0, 1]),
        (Column(column="time", op="<=", value="1970"), [1, 0, 1, 0]),
        (A & SMALL, [1, 0, 0, 1]),
        (A | Column(column="size", op=">", value=8.5), [1, 0, 1, 1]),
        (Ids(ids=(3, 0, 3)), [1, 0, 0, 1]),
        (AllOf(all=()), [1, 1, 1, 1]),
        (AnyOf(any=()), [0, 0, 0, 0]),
        (NoneOf(none=(A, Ids(ids=(1,)))), [0, 0, 1, 0]),
        (Time(after="1970"), [1, 1, 0, 0]),
        (Time(before="1970-01-01T00:00Z"), [0, 0, 1, 0]),
        (Time(after="1969-12-31", before="1970-01-02"), [1, 0, 1, 0]),
        (Box(box=(20, 10, 30, 20)), [1, 0, 0, 0]),
        (Box(box=(20.5, 10, 30, 20)), [0, 0, 0, 0]),
        (Box(box=(175, 0, 176, 1)), [0, 1, 0, 0]),
        (Box(box=(-175, 0, -174, 1)), [0, 1, 0, 0]),
        (Box(box=(-171, 0, -160, 61)), [0, 1, 0, 1]),
        (Box(box=(-169, 0, 169, 59)), [1, 0, 0, 0]),
        (Box(box=(150, -20, 15, 20)), [1, 1, 0, 0]),
        (Box(box=(150, -20, 15, 20), within=True), [0, 1, 0, 0]),
        (Box(box=(170, -10, -170, 5), within=True), [0, 1, 0, 0]),
        (Box(box=(170, -9, -170, 5), within=True), [0, 0, 0, 0]),
        (Box(box=(150, -20, 25, 20), within=True), [1, 1, 0, 0]),
        (Box(box=(-180, -90, 180, 90), within=True), [1, 1, 0, 1]),
        (Box(box=(-179, -90, 179, 90), within=True), [1, 0, 0, 0]),
        (~Box(box=(20, 10, 30, 20)), [0, 1, 1, 1]),
        (Polygon(polygon="POLYGON ((0 0, 12 0, 0 12, 0 0))"), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((9 5, 9 12, 21 12, 9 5))"), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((18 -1, 21 -1, 21 2, 18 -1))"), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((19 -1, 21 -1, 21 0.9, 19 -1))"), [0, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((9 -1, 9 11, 21 11, 21 -1, 9 -1))", within=True), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((10 0, 10 10, 20 10, 20 0, 10 0))", within=True), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((9 -1, 9 11, 21 11, 20 -1, 9 -1))", within=True), [1, 0, 0, 0]),
        (Polygon(polygon="POLYGON ((9 -1, 9 9, 21 11, 21 -1, 9 -1))", within=True), [0, 0, 0, 0]),
        (Polygon(polygon={"type": "Point", "coordinates": [-172, 3]}), [0, 1, 0, 0]),
    ],
)
def test_a_tree_allows_rows_and_is_the_same_in_json(where, wanted):
    assert TABLE.allowed(where).tolist() == [bool(each) for each in wanted]
    query = Query(ids=[1], where=where)
    assert Query.model_validate_json(query.model_dump_json()) == query
    assert TABLE.allowed(Query(**json.loads(query.model_dump_json())).where).tolist() == TABLE.allowed(where).tolist()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (Column(column="colour", value=1), "expected a column out of item, class, time, .*, size, .*, got 'colour'"),
        (Column(column="size", value="big"), "expected numbers for the column size, got 'big'"),
        (Column(column="size", value=True), "expected numbers for the column size, got True"),
        (Column(column="class", value=3), "expected text for the column class, got 3"),
        (Column(column="night", value=1), "expected =, != or in, and true or false, for the column night, got 1"),
        (Column(column="night", op="<", value=True), "expected =, != or in, and true or false, for the column night"),
        (
            Column(column="time", value=3),
            "expected a date or an instant, such as 2020-06-30, for the column time, got 3",
        ),
        (Column(column="time", op="<", value="soon"), "time: expected a date or an instant such as .*, got 'soon'"),
        (Column(column="class", op="in", value="a"), "expected a list of values for class in, got 'a'"),
        (Column(column="class", value=("a",)), "expected one value for class =, got"),
        (Ids(ids=(4,)), "expected ids of the rows that are searched, got 4"),
    ],
)
def test_what_cannot_be_meant_is_refused(where, said):
    with pytest.raises(ValueError, match=said) as told:
        TABLE.allowed(where)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (Box, {"box": (0, 0, 1)}, "where: box.3: Field required"),
        (Box, {"box": (0, 0, 190, 1)}, "box: expected west, south, east, north in degrees, .*, got 0,0,190,1"),
        (Box, {"box": (0, 2, 1, 1)}, "box: expected south at most north in west, south, east, north, got 0,2,1,1"),
        (Box, {"box": (0, 0, float("nan"), 1)}, "where: box.2: Input should be a finite number"),
        (Time, {}, "where: expected after or before of a time, got neither"),
        (Time, {"after": "2020", "before": "2019"}, "expected a time after one that is earlier, got 2020 and 2019"),
        (Time, {"after": "20-1"}, "time: expected a date or an instant such as 2020, .*, got '20-1'"),
        (Polygon, {"polygon": "POLYGON ((0 0"}, r"polygon: expected WKT, or .*, got POLYGON \(\(0 0"),
        (Polygon, {"polygon": {"type": "Triangle"}}, "polygon: expected WKT, or a geometry, a feature or features"),
        (Polygon, {"polygon": 3}, "polygon: expected WKT, .*, got 3"),
        (Polygon, {"polygon": "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"}, "got another .Self-intersection.*; mend it"),
        (Polygon, {"polygon": "POINT (500000 4649776)"}, "expected degrees .*, got 500000,4.64978e.06,500000,"),
        (Polygon, {"polygon": "POLYGON EMPTY"}, "polygon: expected a geometry, got an empty one"),
        (Ids, {"ids": [-1]}, "where: ids.0: Input should be greater than or equal to 0, got -1"),
        (Column, {"column": "size", "value": float("inf")}, "where: value"),
    ],
)
def test_a_condition_that_is_none_is_refused(kind, content, said):
    with pytest.raises(ValueError, match=said) as told:
        kind(**content)
    assert "\n" not in str(told.value)


def test_a_coordinate_system_of_another_kind_is_refused():
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
    with pytest.raises(ValueError, match="got the coordinate reference system urn:ogc:def:crs:EPSG::32633"):
        Polygon(polygon={"type": "FeatureCollection", "crs": crs, "features": [point]})
    crs["properties"]["name"] = "urn:ogc:def:crs:OGC:1.3:CRS84"
    found = Polygon(polygon={"type": "FeatureCollection", "crs": crs, "features": [point, point]})
    assert found.polygon == {"type": "Point", "coordinates": [1.0, 2.0]}
    assert Polygon(polygon=point) == found


def test_a_place_or_time_of_items_that_have_none():
    plain = table([ROW, ROW])
    with pytest.raises(ValueError, match="box: expected items with places, but none of these has one"):
        plain.allowed(Box(box=(0, 0, 1, 1)))
    with pytest.raises(ValueError, match="polygon: expected items with places, but none of these has one"):
        plain.allowed(Polygon(polygon="POINT (1 1)"))
    with pytest.raises(ValueError, match="time: expected items with times, but none of these has one"):
        plain.allowed(Time(after="2020"))


def test_an_expression_of_pyarrow():
    where = pc.field("class") == "a"
    assert TABLE.allowed(Query(ids=1, where=where).where).tolist() == [True, False, False, True]
    assert TABLE.allowed(Query(ids=1, where=~where).where).tolist() == [False, True, False, False]  # as pyarrow has it
    both = Query(ids=1, where=Column(column="size", value=5) & where)
    assert TABLE.allowed(both.where).tolist() == [False, False, False, True]
    starts = pc.starts_with(pc.field("item"), "a.t")
    assert TABLE.allowed(Query(ids=1, where=starts).where).all()
    for query in (both, Query(ids=1, where=where)):
        for write in (query.model_dump, query.model_dump_json):
            with pytest.raises(ValueError, match="got a pyarrow expression, which stays in Python"):
                write()


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (pc.field("colour") == 1, "expected an expression on item, class, .*, got .*colour"),
        (pc.field("size") == "a", "expected an expression on item"),
        (pc.field("size") + 1, "expected an expression that is true or false, got .*, which is int64"),
    ],
)
def test_an_expression_that_cannot_be_meant(expression, said):
    with pytest.raises(ValueError, match=said) as told:
        TABLE.allowed(Query(ids=1, where=expression).where)
    assert "\n" not in str(told.value)

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast.archive import item_rows
from rsir_fast.archive.item_rows import tables_of
from rsir_fast.archive.items import Items
from rsir_fast.archive.tables import ITEMS, SOURCES, ItemRow, Tables, as_file
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.errors import ArchiveError

PLACE = Place("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 4649776.0))
PLAIN = ItemRow("images", "forest/1.png", 10, 11, "forest", sha256="0" * 64)
TILES = [
    ItemRow(
        "scenes",
        "a.tif",
        99,
        12,
        window=Window(column, 0, 256, 256),
        place=PLACE,
        bounds=(15.0, 41.9, 15.03, 42.0),
        time=1_600_000_000_000_000,
        columns=(("cloud", 0.25), ("sensor", "S2")),
        sha256="1" * 64,
    )
    for column in (0, 256)
]
NAMES = ("forest/1.png", "scenes/a.tif#xywh=0,0,256,256", "scenes/a.tif#xywh=256,0,256,256")


def on_disk(tmp_path, rows) -> Tables:
    files = {}
    made = Tables.of(rows)
    for name, content in ((SOURCES, as_file(made.sources)), (ITEMS, as_file(made.items))):
        (tmp_path / name).write_bytes(content)
        files[name] = hashlib.sha256(content).hexdigest()
    return Tables.read(tmp_path, len(rows), files)


def test_what_rows_are_of_comes_back_as_it_was_written(tmp_path):
    rows = [PLAIN, *TILES]
    tables = on_disk(tmp_path, rows)
    assert tables.rows() == rows
    assert tables.rows([2, 0]) == [rows[2], rows[0]]
    assert len(tables.sources) == 2


def test_rows_without_places_have_no_columns_for_them():
    assert Tables.of([PLAIN]).items.column_names == ["source", "class"]
    assert Tables.of([PLAIN]).sources.column_names == ["root", "source", "size", "mtime_ns", "sha256"]


def test_rows_of_some_files_are_found(tmp_path):
    tables = on_disk(tmp_path, [PLAIN, *TILES])
    assert tables.of_keys([TILES[0].key]).tolist() == [1, 2]
    assert tables.of_keys([("images", "a.tif", None)]).tolist() == []
    assert tables.of_keys([]).tolist() == []


def test_items_are_names_with_columns():
    items = Items([Tables.of([PLAIN]), Tables.of(TILES)])
    assert items == NAMES
    assert items != NAMES[:2]
    assert items[-1] == NAMES[2]
    assert items[:2] == NAMES[:2]
    assert items.columns == ("item", "class", "time", "west", "south", "east", "north", "cloud", "sensor")
    assert items.column("class").to_pylist() == ["forest", None, None]
    assert items.column("sensor").to_pylist() == [None, "S2", "S2"]
    assert items.column("time").type == pa.timestamp("us", tz="UTC")
    assert np.isnan(items.bounds[0]).all()
    assert items.bounds[1].tolist() == [15.0, 41.9, 15.03, 42.0]
    with pytest.raises(KeyError):
        items.column("cover")


def test_items_in_another_order():
    items = Items([Tables.of([PLAIN]), Tables.of(TILES)], np.array([2, 0]))
    assert list(items) == [NAMES[2], NAMES[0]]
    assert items.column("cloud").to_pylist() == [0.25, None]
    assert items.rows([1, 0]) == [PLAIN, TILES[1]]


def test_no_items():
    assert list(Items([])) == []
    assert Items([]).columns == ("item",)


def test_whole_and_other_numbers_of_two_segments_are_numbers():
    whole, other = (replace(TILES[0], columns=(("cloud", value),)) for value in (1, 0.5))
    assert Items([Tables.of([whole]), Tables.of([other])]).column("cloud").to_pylist() == [1.0, 0.5]


@pytest.mark.parametrize("columns", [((("class", "a"),),), ((("cover", "a"),), (("cover", 1),))])
def test_a_column_has_a_name_of_its_own_and_one_kind_of_values(columns):
    with pytest.raises(ArchiveError, match="^column .*: expected a name of its own and values of one kind"):
        Tables.of([replace(TILES[0], columns=each) for each in columns])


def test_names_that_are_no_utf8(tmp_path):
    odd = replace(PLAIN, source="\udcff.png", class_name="\udcfe")
    tables = on_disk(tmp_path, [odd])
    assert tables.rows() == [odd]
    assert list(Items([tables])) == ["\udcff.png"]
    assert Items([tables]).column("class").to_pylist() == ["?"]


KNOWN = st.fixed_dictionaries(
    {"source": st.sampled_from(["a.png", "b.png", "\udcff.png"])},
    optional={
        "class_name": st.sampled_from([None, "forest", "\udcfe"]),
        "window": st.just(Window(0, 0, 8, 8)),
        "place": st.just(PLACE),
        "bounds": st.just((15.0, 41.9, 15.03, 42.0)),
        "time": st.just(7),
        "geometry": st.just(b"outline"),
        "columns": st.sampled_from([(("n", 1),), (("n", 0.5), ("sensor", "S2")), (("night", True),), (("n", None),)]),
    },
)


@given(st.lists(KNOWN.map(lambda known: replace(PLAIN, **known)), max_size=9), st.integers(1, 4))
def test_rows_that_come_in_parts_are_the_tables_of_all_together(rows, size):
    """Whatever is known of which, wherever a part ends: the same bytes."""
    whole = [as_file(table) for table in tables_of([(row, row.sha256) for row in rows])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_rows, "_AT_ONCE", size)
        parts = [as_file(table) for table in tables_of((row, row.sha256) for row in rows)]
    assert parts == whole


def test_what_offsets_cannot_reach_is_written_in_chunks(tmp_path, monkeypatch):
    """2 GiB of text or outlines; here of 100 bytes."""
    rows = [replace(TILES[0], source=f"{number}.tif", geometry=bytes(30)) for number in range(20)]
    whole = tables_of([(row, row.sha256) for row in rows])
    monkeypatch.setattr(item_rows, "_AT_ONCE", 3)
    monkeypatch.setattr(item_rows, "_REACH", 100)
    parts = tables_of([(row, row.sha256) for row in rows])
    assert parts[1]["geometry"].num_chunks > 1
    assert [table.combine_chunks() for table in parts] == [table.combine_chunks() for table in whole]
    assert on_disk(tmp_path, rows).rows() == rows

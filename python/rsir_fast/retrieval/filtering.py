"""Filters, evaluated on the columns of items: which rows of a database they allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.tables import BOUNDS
from rsir_fast.base.text import listed
from rsir_fast.retrieval.area import Bounds, Geometry, whole_geometry
from rsir_fast.retrieval.instants import instant
from rsir_fast.retrieval.where import AllOf, AnyOf, Box, Column, Expression, Ids, NoneOf, Polygon, Time, Where

__all__ = ["Columns", "allowed_rows", "column_of"]

Mask = NDArray[np.bool_]

_FUNCTIONS = {
    "=": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "in": "equal",
}


class Columns(Protocol):
    """What rows can be chosen by."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of columns."""

    def __len__(self) -> int: ...

    def check_column(self, name: str) -> None:
        """Raise ValueError where nothing can be chosen by a column that is there."""

    def column(self, name: str) -> Any:
        """Return a column as a pyarrow.ChunkedArray."""

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where rows lie; -1 for ids that none has."""

    def footprints(self, which: NDArray[np.int64]) -> NDArray[Any]:
        """Return where rows lie on Earth: geometries of shapely in degrees, None of what has no place."""


def allowed_rows(where: Where, table: Columns) -> Mask:
    """Return which rows a tree allows, bool [n].

    Parameters
    ----------
    where : Where
    table : Columns

    Raises
    ------
    ValueError
        For a column that is not there, a value of another type than the column's, an id that no row has, a place or a
        time where no item has one.

    Notes
    -----
    O(n) a condition, 1 to 10 ms a million rows; a polygon looks at the footprints within its bounds alone.
    """
    if isinstance(where, AllOf):
        found = np.ones(len(table), bool)
        for each in where.all:
            found &= allowed_rows(each, table)
        return found
    if isinstance(where, AnyOf | NoneOf):
        found = np.zeros(len(table), bool)
        for each in where.any if isinstance(where, AnyOf) else where.none:
            found |= allowed_rows(each, table)
        return found if isinstance(where, AnyOf) else ~found
    if isinstance(where, Ids):
        return _of_ids(where, table)
    if isinstance(where, Time):
        if "time" not in table.columns:
            raise ValueError("time: expected items with times, but none of these has one")
        found = np.ones(len(table), bool)
        if where.after is not None:
            found &= _compared(Column(column="time", op=">=", value=where.after), table)
        if where.before is not None:
            found &= _compared(Column(column="time", op="<", value=where.before), table)
        return found
    if isinstance(where, Box):
        return _in_box(where.box, where.within, table)
    if isinstance(where, Polygon):
        return _in_polygon(where.polygon, where.within, table)
    if isinstance(where, Expression):
        return _by_expression(where.expression, table)
    return _compared(where, table)


def _of_ids(where: Ids, table: Columns) -> Mask:
    wanted = np.array(where.ids, np.int64)
    places = table.places(wanted)
    if (places < 0).any():
        raise ValueError(f"where: expected ids of the rows that are searched, got {wanted[places < 0][0]}")
    found = np.zeros(len(table), bool)
    found[places] = True
    return found


def column_of(name: str, table: Columns) -> Any:
    """Return a column; ValueError where there is none, listing what there is, or where it says nothing."""
    if name not in table.columns:
        raise ValueError(f"where: expected a column out of {listed(table.columns, 20)}, got {name!r}")
    table.check_column(name)
    return table.column(name)


def _mask(found: Any) -> Mask:
    """Return an array of pyarrow, in which what is compared with a missing value is missing, as booleans."""
    mask: Mask = found.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _compared(where: Column, table: Columns) -> Mask:
    import pyarrow as pa
    import pyarrow.compute as pc

    is_list = isinstance(where.value, tuple)
    if is_list != (where.op == "in"):
        wanted = "a list of values" if where.op == "in" else "one value"
        raise ValueError(f"where: expected {wanted} for {where.column} {where.op}, got {where.value!r}")
    values = where.value if isinstance(where.value, tuple) else (where.value,)
    column = column_of(where.column, table)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return np.zeros(len(table), bool)
    scalars = [_scalar(where, value, kind) for value in values]
    compare = getattr(pc, _FUNCTIONS[where.op])
    found = np.zeros(len(table), bool)
    for scalar in scalars:
        found |= _mask(_by_chunk(column, compare, scalar))
    if where.op == "!=" and pa.types.is_floating(kind):
        found &= ~_mask(pc.is_nan(column))
    return found


def _by_chunk(column: Any, compare: Callable[[Any, Any], Any], value: Any) -> Any:
    """Compare a column with a value; where its values are numbered, each of these once."""
    import pyarrow as pa

    parts = [
        compare(chunk.dictionary, value).take(chunk.indices)
        if pa.types.is_dictionary(chunk.type)
        else compare(chunk, value)
        for chunk in column.chunks
    ]
    return pa.chunked_array(parts, pa.bool_())


def _scalar(where: Column, value: Any, kind: Any) -> Any:
    """Return a value as one of a column's type."""
    import pyarrow as pa

    def refused(expected: str) -> ValueError:
        return ValueError(f"where: expected {expected} for the column {where.column}, got {value!r}")

    if pa.types.is_timestamp(kind):
        if not isinstance(value, str):
            raise refused("a date or an instant, such as 2020-06-30,")
        return pa.scalar(instant(value), pa.timestamp("us", tz="UTC"))
    if pa.types.is_boolean(kind):
        if not isinstance(value, bool) or where.op not in ("=", "!=", "in"):
            raise refused("=, != or in, and true or false,")
        return pa.scalar(value)
    if pa.types.is_string(kind):
        if not isinstance(value, str):
            raise refused("text")
        return pa.scalar(value.encode("utf-8", "replace").decode())
    if isinstance(value, bool | str):
        raise refused("numbers")
    fits = isinstance(value, float) or -(1 << 63) <= value < 1 << 63
    return pa.scalar(value if fits else float(value))


def _in_box(box: Bounds, within: bool, table: Columns, what: str = "box") -> Mask:
    """Compare bounds; either box may cross the antimeridian (west > east). What has no place is NaN, never in it."""
    if BOUNDS[0] not in table.columns:
        raise ValueError(f"{what}: expected items with places, but none of these has one")
    import pyarrow.compute as pc

    west, south, east, north = (table.column(name) for name in BOUNDS)
    w, s, e, n = box
    crosses = pc.greater(west, east)
    if within:
        begins, ends = pc.greater_equal(west, w), pc.less_equal(east, e)
        up = pc.and_(pc.greater_equal(south, s), pc.less_equal(north, n))
        if (w, e) == (-180, 180):
            along = pc.is_finite(west)
        elif w <= e:
            along = pc.and_(pc.invert(crosses), pc.and_(begins, ends))
        else:
            along = pc.if_else(crosses, pc.and_(begins, ends), pc.or_(begins, ends))
    else:
        begins, ends = pc.less_equal(west, e), pc.greater_equal(east, w)
        up = pc.and_(pc.less_equal(south, n), pc.greater_equal(north, s))
        either = pc.or_(begins, ends)
        along = pc.or_(pc.and_(begins, ends), pc.and_(crosses, either)) if w <= e else pc.or_(crosses, either)
    return _mask(pc.and_(along, up))


def _in_polygon(polygon: Geometry, within: bool, table: Columns) -> Mask:
    import shapely

    geometry = whole_geometry(polygon)
    found = _in_box(geometry.bounds, False, table, "polygon")
    near = np.flatnonzero(found)
    compare = shapely.covers if within else shapely.intersects
    found[near] = compare(geometry, table.footprints(near))
    return found


def _by_expression(expression: Any, table: Columns) -> Mask:
    import pyarrow as pa
    from pyarrow import acero

    said = str(expression)
    names = [name for name in table.columns if name in said] or ["item"]
    columns = {name: table.column(name) for name in names}
    texts = {name: column.cast(pa.string()) for name, column in columns.items() if pa.types.is_dictionary(column.type)}
    source = acero.TableSourceNodeOptions(pa.table(columns | texts))
    steps = [("table_source", source), ("project", acero.ProjectNodeOptions([expression], ["allowed"]))]
    try:
        plan = acero.Declaration.from_sequence([acero.Declaration(*step) for step in steps])
        (found,) = plan.to_table(use_threads=False).columns
    except (pa.ArrowException, TypeError) as error:
        told = " ".join(str(error).split())[:120]
        raise ValueError(f"where: expected an expression on {listed(table.columns, 20)}, got {said} ({told})") from None
    if not pa.types.is_boolean(found.type):
        raise ValueError(f"where: expected an expression that is true or false, got {said}, which is {found.type}")
    return _mask(found)

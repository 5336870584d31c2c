"""Which rows may be found: a small tree, the same in Python and in JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, Tag

from rsir_fast.base.text import listed
from rsir_fast.encoders.fields import Frozen

__all__ = ["AllOf", "AnyOf", "Column", "Columns", "Ids", "NoneOf", "Where", "allowed_rows"]

Value: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""By name, a value a row: numbers, or strings, of which None is missing."""

_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": operator.eq,
}


class _Tree(Frozen):
    """Joined by ``&``, ``|`` and ``~``."""

    def __and__(self, other: Where) -> AllOf:
        return AllOf(all=(self, other))  # type: ignore[arg-type]

    def __or__(self, other: Where) -> AnyOf:
        return AnyOf(any=(self, other))  # type: ignore[arg-type]

    def __invert__(self) -> NoneOf:
        return NoneOf(none=(self,))  # type: ignore[arg-type]


class Column(_Tree):
    """Rows whose value in a column compares so; a missing value never does.

    Examples
    --------
    >>> Column(column="class", op="in", value=("forest", "river")).model_dump_json()
    '{"column":"class","op":"in","value":["forest","river"]}'
    """

    column: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in"] = "="
    value: Value | tuple[Value, ...]


class Ids(_Tree):
    """These rows of the database."""

    ids: tuple[Annotated[int, Field(ge=0)], ...]


class AllOf(_Tree):
    """Rows that all of these allow."""

    all: tuple[Where, ...]


class AnyOf(_Tree):
    """Rows that any of these allows."""

    any: tuple[Where, ...]


class NoneOf(_Tree):
    """Rows that none of these allows."""

    none: tuple[Where, ...]


def _kind_of(given: object) -> str | None:
    """Return the key that tells which condition is meant."""
    there = [key for key in _KINDS if (key in given if isinstance(given, Mapping) else hasattr(given, key))]
    return there[0] if len(there) == 1 else None


_KINDS = ("column", "ids", "all", "any", "none")
Where = Annotated[
    Union[  # noqa: UP007 (forward references)
        Annotated[Column, Tag("column")],
        Annotated[Ids, Tag("ids")],
        Annotated[AllOf, Tag("all")],
        Annotated[AnyOf, Tag("any")],
        Annotated[NoneOf, Tag("none")],
    ],
    Discriminator(
        _kind_of,
        custom_error_type="where",
        custom_error_message="expected a condition with one of column, ids, all, any, none, such as "
        '{"column": "class", "value": "forest"}',
    ),
]
for _kind in (AllOf, AnyOf, NoneOf):
    _kind.model_rebuild()


def allowed_rows(where: Where, columns: Columns, rows: int) -> NDArray[np.bool_]:
    """Return which rows a tree allows, bool [rows].

    Parameters
    ----------
    where : Where
    columns : mapping of ndarray
    rows : int

    Raises
    ------
    ValueError
        For a column that is not there, a value of another type than the column's, an id beyond the database.

    Examples
    --------
    >>> columns = {"class": np.array(["a", "b", None], object), "size": np.array([1, 5, 9])}
    >>> where = Column(column="class", value="b") | Column(column="size", op=">", value=6)
    >>> allowed_rows(where, columns, 3).tolist(), allowed_rows(~where, columns, 3).tolist()
    ([False, True, True], [True, False, False])
    """
    if isinstance(where, AllOf):
        found = np.ones(rows, bool)
        for each in where.all:
            found &= allowed_rows(each, columns, rows)
        return found
    if isinstance(where, AnyOf | NoneOf):
        found = np.zeros(rows, bool)
        for each in where.any if isinstance(where, AnyOf) else where.none:
            found |= allowed_rows(each, columns, rows)
        return found if isinstance(where, AnyOf) else ~found
    if isinstance(where, Ids):
        beyond = [row for row in where.ids if row >= rows]
        if beyond:
            raise ValueError(f"where: expected ids of the {rows} rows of the database, got {beyond[0]}")
        chosen = np.zeros(rows, bool)
        chosen[list(where.ids)] = True
        return chosen
    return _compared(where, columns)


def _compared(where: Column, columns: Columns) -> NDArray[np.bool_]:
    if where.column not in columns:
        raise ValueError(f"where: expected a column out of {listed(list(columns))}, got {where.column!r}")
    column = columns[where.column]
    is_list = isinstance(where.value, tuple)
    if is_list != (where.op == "in"):
        wanted = "a list of values" if where.op == "in" else "one value"
        raise ValueError(f"where: expected {wanted} for {where.column} {where.op}, got {where.value!r}")
    values = where.value if isinstance(where.value, tuple) else (where.value,)
    text = column.dtype == object
    for value in values:
        if isinstance(value, bool) or isinstance(value, str) != text:
            kind = "text" if text else "numbers"
            raise ValueError(f"where: expected {kind} for the column {where.column}, got {value!r}")
    there = np.array([each is not None for each in column], bool) if text else np.ones(len(column), bool)
    found = np.zeros(len(column), bool)
    compare = _ORDER[where.op]
    for value in values:
        found[there] = found[there] | np.asarray(compare(column[there], value), dtype=np.bool_)
    return found

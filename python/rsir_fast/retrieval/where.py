"""Which items may be found: a small tree, the same in Python and in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, Union

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    field_serializer,
    field_validator,
    model_validator,
)

from rsir_fast.retrieval.area import Bounds, Geometry, checked_box, checked_geometry
from rsir_fast.retrieval.asked import Asked
from rsir_fast.retrieval.instants import instant

__all__ = ["AllOf", "AnyOf", "Box", "Column", "Expression", "Ids", "NoneOf", "Polygon", "Time", "Where"]

Value: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr


class _Tree(Asked):
    """Joined by ``&``, ``|`` and ``~``."""

    called: ClassVar[str] = "where"

    def __and__(self, other: Where) -> AllOf:
        return AllOf(all=(self, other))  # type: ignore[arg-type]

    def __or__(self, other: Where) -> AnyOf:
        return AnyOf(any=(self, other))  # type: ignore[arg-type]

    def __invert__(self) -> NoneOf:
        return NoneOf(none=(self,))  # type: ignore[arg-type]


class Column(_Tree):
    """Items whose value in a column compares so; a missing value, or NaN, never does.

    Text is ordered by its code points. Instants (the column ``time``) are text as of `Time`.

    Examples
    --------
    >>> Column(column="class", op="in", value=("forest", "river")).model_dump_json()
    '{"column":"class","op":"in","value":["forest","river"]}'
    """

    column: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in"] = "="
    value: Value | tuple[Value, ...]


class Ids(_Tree):
    """Items of these ids."""

    ids: tuple[Annotated[int, Field(ge=0, lt=1 << 63)], ...]


class Time(_Tree):
    """Items taken from an instant on, before another, or both; none whose time is not known.

    ISO 8601: a day, a month or a year is its first instant, UTC where no offset is said.

    Examples
    --------
    >>> Time(after="2019", before="2020-07").model_dump_json()
    '{"after":"2019","before":"2020-07"}'
    """

    after: str | None = None
    before: str | None = None

    @field_validator("after", "before")
    @classmethod
    def _instant(cls, text: str | None) -> str | None:
        if text is not None:
            instant(text)
        return text

    @model_validator(mode="after")
    def _in_order(self) -> Time:
        if self.after is None and self.before is None:
            raise ValueError("where: expected after or before of a time, got neither")
        if self.after is not None and self.before is not None and instant(self.after) >= instant(self.before):
            raise ValueError(f"where: expected a time after one that is earlier, got {self.after} and {self.before}")
        return self


class Box(_Tree):
    """Items whose bounds meet a box, borders included, or lie in it as a whole (`within`).

    West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian, as an item's bounds may do.

    Examples
    --------
    >>> Box(box=(179, -20, -179, -10), within=True).model_dump_json()
    '{"box":[179.0,-20.0,-179.0,-10.0],"within":true}'
    """

    box: Bounds
    within: bool = False

    _fits = field_validator("box")(checked_box)


class Polygon(_Tree):
    """Items whose footprint meets a geometry, borders included, or lies in it as a whole (`within`).

    Planar in longitude and latitude (WGS 84): an edge is straight on a map in degrees. What crosses the antimeridian is
    cut there.

    Attributes
    ----------
    polygon : mapping, or str
        GeoJSON (a geometry, a feature, or features, of which any is met), WKT, or what has a ``__geo_interface__``, as
        shapely's geometries. It is kept as the geometry of GeoJSON.
    within : bool
    """

    polygon: Geometry
    within: bool = False

    _fits = field_validator("polygon", mode="before")(checked_geometry)


class Expression(_Tree):
    """Items that a `pyarrow.compute.Expression` on their columns allows; in Python only.

    Attributes
    ----------
    expression : pyarrow.compute.Expression
        Its own rules hold: what is compared with a missing value is missing, as is its negation, and is not allowed.
    """

    expression: Any

    @field_serializer("expression")
    def _stays(self, expression: object) -> object:
        raise ValueError(
            "where: expected conditions that can be written (Column, Time, Box, ...), got a pyarrow expression, which "
            "stays in Python"
        )


class AllOf(_Tree):
    """Items that all of these allow."""

    all: tuple[Where, ...]


class AnyOf(_Tree):
    """Items that any of these allows."""

    any: tuple[Where, ...]


class NoneOf(_Tree):
    """Items that none of these allows, those without the value that is asked for among them."""

    none: tuple[Where, ...]


_KINDS = {
    "column": "column",
    "ids": "ids",
    "after": "time",
    "before": "time",
    "box": "box",
    "polygon": "polygon",
    "expression": "expression",
    "all": "all",
    "any": "any",
    "none": "none",
}


def _kind_of(given: object) -> str | None:
    """Return which condition is meant by the keys that are there."""
    there = {_KINDS[key] for key in _KINDS if (key in given if isinstance(given, Mapping) else hasattr(given, key))}
    return there.pop() if len(there) == 1 else None


def _expression(given: object) -> object:
    """Take an expression of pyarrow as a condition."""
    ours = isinstance(given, Asked | Mapping)
    return given if ours or type(given).__module__.partition(".")[0] != "pyarrow" else Expression(expression=given)


Where = Annotated[
    Union[  # noqa: UP007 (forward references)
        Annotated[Column, Tag("column")],
        Annotated[Ids, Tag("ids")],
        Annotated[Time, Tag("time")],
        Annotated[Box, Tag("box")],
        Annotated[Polygon, Tag("polygon")],
        Annotated[Expression, Tag("expression")],
        Annotated[AllOf, Tag("all")],
        Annotated[AnyOf, Tag("any")],
        Annotated[NoneOf, Tag("none")],
    ],
    Discriminator(
        _kind_of,
        custom_error_type="where",
        custom_error_message="expected a condition with one of column, ids, after or before, box, polygon, all, any, "
        'none, such as {"column": "class", "value": "forest"}',
    ),
    BeforeValidator(_expression),
]
for _kind in (AllOf, AnyOf, NoneOf):
    _kind.model_rebuild()

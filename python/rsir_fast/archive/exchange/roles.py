"""Which column of a table of published embeddings is what: guessed from names and types, or told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rsir_fast.archive.tables import RESERVED
from rsir_fast.base.text import listed
from rsir_fast.encoders.fields import Frozen
from rsir_fast.errors import ArchiveError

__all__ = ["ROLES", "Roles", "roles_of"]

ROLES = ("vector", "id", "geometry", "longitude", "latitude", "time", "class")
"""What a column can be told to be."""

_NAMES = {
    "id": ("id", "item", "item_id", "unique_id", "chip_id", "tile_id", "uuid", "name"),
    "time": ("datetime", "time", "date", "timestamp", "acquired", "acquisition_date", "start_datetime"),
    "class": ("class", "class_name", "label"),
    "geometry": ("geometry", "geom", "wkb_geometry"),
}
_CENTRES = (
    ("longitude", "latitude"),
    ("lon", "lat"),
    ("centre_lon", "centre_lat"),
    ("center_lon", "center_lat"),
    ("centroid_lon", "centroid_lat"),
)
_NUMBERED = re.compile(r"(.*?)(\d+)")
_LEAST = 8
"""Columns that are called by numbers are a vector from so many on."""


class Roles(Frozen):
    """Which column is what.

    Attributes
    ----------
    vector : tuple of str
        A column of lists, or one column a number.
    id, geometry, longitude, latitude, time, class_name : str or None
    kept : tuple of (str, str)
        Columns that become columns of the items, and their names there.
    left : tuple of str
        Columns that do not, as their values are no text, numbers, times, or true and false.
    """

    vector: tuple[str, ...]
    id: str | None = None
    geometry: str | None = None
    longitude: str | None = None
    latitude: str | None = None
    time: str | None = None
    class_name: str | None = None
    kept: tuple[tuple[str, str], ...] = ()
    left: tuple[str, ...] = ()

    @property
    def facts(self) -> list[str]:
        """Columns that are read beside the vectors."""
        own = (self.id, self.geometry, self.longitude, self.latitude, self.time, self.class_name)
        return [*dict.fromkeys([*(name for name in own if name is not None), *(name for name, _ in self.kept)])]

    def __str__(self) -> str:
        vector = self.vector[0] if len(self.vector) == 1 else f"{self.vector[0]} to {self.vector[-1]}"
        places = self.geometry or (self.longitude and f"{self.longitude} and {self.latitude}")
        said = {"vector": vector, "id": self.id, "place": places, "time": self.time, "class": self.class_name}
        shown = [f"{role} is {name}" for role, name in said.items() if name]
        kept = [name if name == to else f"{name} as {to}" for name, to in self.kept]
        return "; ".join(
            [
                ", ".join(shown),
                *([f"kept as columns: {', '.join(kept)}"] if kept else []),
                *([f"left out: {', '.join(self.left)}"] if self.left else []),
            ]
        )


def roles_of(name: str, schema: Any, told: Mapping[str, str], primary: str | None = None) -> Roles:
    """Return which column of a table is what.

    Parameters
    ----------
    name
        Of the file, for errors.
    schema : pyarrow.Schema
    told
        Columns by role, which nothing is guessed for; an empty name: there is none.
    primary
        Column that GeoParquet says is the geometry.

    Raises
    ------
    ArchiveError
        If no column can be the vector, or several can; or a column that is told is not there.
    """
    columns = {field.name: field.type for field in schema}
    for role, column in told.items():
        if column and column not in columns:
            known = listed(list(columns))
            raise ArchiveError(f"{name}: expected a column for {role} out of {known}, got {column!r}")
    vector = _vector(name, columns, told.get("vector"))
    free = {column: kind for column, kind in columns.items() if column not in vector}
    found: dict[str, str | None] = {role: told[role] or None for role in ROLES[1:] if role in told}
    for role, names in _NAMES.items():
        if role not in found:
            candidates = [primary] if role == "geometry" and primary in free else [*names]
            found[role] = next((each for each in candidates if each in free and _fits(role, free[each])), None)
    if not (found["geometry"] or "longitude" in found or "latitude" in found):
        pair = next((pair for pair in _CENTRES if all(each in free for each in pair)), (None, None))
        found["longitude"], found["latitude"] = pair
    taken = {column for column in found.values() if column}
    rest = {column: kind for column, kind in free.items() if column not in taken}
    kept = [column for column, kind in rest.items() if _is_plain(kind)]
    return Roles(
        vector=vector,
        id=found["id"],
        geometry=found["geometry"],
        longitude=found.get("longitude"),
        latitude=found.get("latitude"),
        time=found["time"],
        class_name=found["class"],
        kept=tuple((column, _own_name(column, columns)) for column in kept),
        left=tuple(column for column in rest if column not in kept),
    )


def _vector(name: str, columns: Mapping[str, Any], told: str | None) -> tuple[str, ...]:
    import pyarrow.types as types

    def is_list(kind: Any) -> bool:
        is_one = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return is_one and _is_number(kind.value_type)

    lists = [column for column, kind in columns.items() if is_list(kind)]
    if told:
        if told not in lists:
            raise ArchiveError(f"{name}: expected lists of numbers in the column {told!r}, got {columns[told]}")
        return (told,)
    named = [column for column in lists if re.search("embed|vector", column, re.IGNORECASE)]
    if len(lists) == 1 or len(named) == 1:
        return (named[0] if len(named) == 1 else lists[0],)
    if lists:
        raise ArchiveError(
            f"{name}: expected one column of vectors, found {listed(lists)}; name it (--column vector={lists[0]})"
        )
    families: dict[str, list[str]] = {}
    for column, kind in columns.items():
        match = _NUMBERED.fullmatch(column)
        if match is not None and _is_number(kind):
            families.setdefault(match[1], []).append(column)
    whole = [sorted(each, key=_number) for each in families.values() if len(each) >= _LEAST]
    whole = [each for each in whole if [_number(column) - _number(each[0]) for column in each] == [*range(len(each))]]
    if len(whole) != 1:
        raise ArchiveError(
            f"{name}: expected a column of vectors (lists of numbers), or columns A00, A01, ... of their numbers, "
            f"found {listed(list(columns))}"
        )
    return tuple(whole[0])


def _number(column: str) -> int:
    match = _NUMBERED.fullmatch(column)
    return -1 if match is None else int(match[2])


def _is_number(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_floating(kind) or types.is_integer(kind))


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_boolean, types.is_date, types.is_timestamp)
    return _is_number(inner) or any(test(inner) for test in tests)


def _fits(role: str, kind: Any) -> bool:
    import pyarrow.types as types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(inner) or types.is_large_string(inner)
    if role == "geometry":
        return bool(types.is_binary(kind) or types.is_large_binary(kind))
    if role == "time":
        return bool(is_text or types.is_date(kind) or types.is_timestamp(kind))
    return bool(is_text or (role == "id" and types.is_integer(kind)))


def _own_name(column: str, columns: Sequence[str] | Mapping[str, Any]) -> str:
    """Return what a column is called in the archive, which has some names of its own."""
    while column in RESERVED or (column.endswith("_") and column in columns and column[:-1] in RESERVED):
        column += "_"
    return column

"""What the rows of a file of embeddings are of: name, class, time, place and other columns of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, overload

import numpy as np

from rsir_fast.archive.exchange.files import EmbeddingFile
from rsir_fast.archive.exchange.geometry import Outlines, outlines, points
from rsir_fast.archive.exchange.roles import Roles
from rsir_fast.archive.inputs import Input, Value
from rsir_fast.base.text import printable
from rsir_fast.datasets.windows import split_name
from rsir_fast.errors import ArchiveError

__all__ = ["Facts", "facts_of"]

_COMPACT = ("%Y%m%dT%H%M%S", "%Y%m%d")


@dataclass(frozen=True)
class Facts(Sequence[Input]):
    """What the rows of a file are of, each made an object when it is asked for: there may be millions.

    Attributes
    ----------
    root : str
        Name that stands before that of an item.
    names : list of str
    size, mtime_ns : int
        Of the file.
    classes : list of str or None
    times : list of int or None
        Microseconds since 1970 (UTC).
    places : Outlines or None
    columns : mapping of lists
        By name, what else is told of each row.
    doubts : list of str
        What the file says of all rows, and is not believed.
    """

    root: str
    names: list[str]
    size: int
    mtime_ns: int
    classes: Sequence[str | None]
    times: Sequence[int | None]
    places: Outlines | None
    columns: Mapping[str, Sequence[Value]]
    doubts: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, which: int) -> Input: ...

    @overload
    def __getitem__(self, which: slice) -> list[Input]: ...

    def __getitem__(self, which: int | slice) -> Input | list[Input]:
        if isinstance(which, slice):
            return [self[row] for row in range(len(self))[which]]
        source, window = split_name(self.names[which])
        bounds = None if self.places is None else self.places.box(which)
        return Input(
            self.root,
            source,
            self.size,
            self.mtime_ns,
            self.classes[which],
            window,
            bounds=bounds,
            time=self.times[which],
            columns=tuple((name, values[which]) for name, values in self.columns.items() if values[which] is not None),
            geometry=None if self.places is None else self.places.wkb[which],
        )


def facts_of(opened: EmbeddingFile, roles: Roles, root: str, crs: str | None, id_told: bool = False) -> Facts:
    """Return what the rows of a file are of.

    Parameters
    ----------
    opened, roles
        The file, and which of its columns is what.
    root
        Name that stands before that of an item.
    crs
        Of the geometry, in place of that which is stated.
    id_told
        Whether a user named the column of ids: they must be different ones then.

    Raises
    ------
    ArchiveError
        If ids that a user named are missing or repeated.
    """
    table = opened.facts(roles.facts)
    names = _names(opened, table, roles.id, id_told)
    classes = [None] * opened.rows if roles.class_name is None else _texts(table[roles.class_name])
    doubts: list[str] = []
    times = _times(table[roles.time], roles.time, doubts) if roles.time else [None] * opened.rows
    places = _places(opened, table, roles, crs)
    if places is not None and places.doubt:
        remedy = "; items have no places then: name the right one (--crs EPSG:4326)" if roles.geometry else ""
        doubts.append(f"{places.doubt}{remedy}")
    told = {to: _values(table[column]) for column, to in roles.kept}
    stamp = opened.path.stat()
    return Facts(root, names, stamp.st_size, stamp.st_mtime_ns, classes, times, places, told, doubts)


def _names(opened: EmbeddingFile, table: Any, column: str | None, told: bool) -> list[str]:
    """Return what items are called: by the column of ids if each is another, else by their row."""
    if column is not None:
        names = [None if value is None else str(value) for value in table[column].to_pylist()]
        different = len({*names} - {None, ""}) == opened.rows
        if different:
            return [str(name) for name in names]
        if told:
            raise ArchiveError(
                f"{printable(opened.path)}: expected a different id in each of {opened.rows} rows of {column!r}, found "
                f"{len({*names} - {None, ''})}; name another column (--column id=NAME), or none (--column id=)"
            )
    return [f"{row:0{len(str(opened.rows))}d}" for row in range(opened.rows)]


def _places(opened: EmbeddingFile, table: Any, roles: Roles, crs: str | None) -> Outlines | None:
    if roles.geometry is not None:
        return outlines(table[roles.geometry].to_pylist(), opened.crs if crs is None else crs)
    if roles.longitude is not None and roles.latitude is not None:
        return points(_numbers(table[roles.longitude]), _numbers(table[roles.latitude]))
    return None


def _numbers(column: Any) -> Any:
    import pyarrow as pa

    return column.cast(pa.float64()).to_numpy().astype(np.float64)


def _texts(column: Any) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _times(column: Any, name: str, doubts: list[str]) -> list[int | None]:
    """Return microseconds since 1970 (UTC); where there is no zone, UTC is meant."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        whole = column.cast(pa.timestamp("us"), safe=False) if not _has_zone(column.type) else column
        found: list[int | None] = whole.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64()).to_pylist()
        return found
    times = [None if text is None else _time(text) for text in column.to_pylist()]
    lost = sum(time is None and text is not None for time, text in zip(times, column.to_pylist(), strict=True))
    if lost:
        doubts.append(f"{lost} values of {name} are no times (ISO 8601)")
    return times


def _has_zone(kind: Any) -> bool:
    return getattr(kind, "tz", None) is not None


def _time(text: str) -> int | None:
    plain = text.strip().removesuffix("Z")
    for read in (
        datetime.fromisoformat,
        *(lambda value, form=form: datetime.strptime(value, form) for form in _COMPACT),
    ):
        try:
            found = read(plain)
        except ValueError:
            continue
        moment = found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
        since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    return None


def _values(column: Any) -> Sequence[Value]:
    """Return values as an archive keeps them: text, numbers, true and false; times as ISO text."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return [None if value is None else value.isoformat() for value in values]
    if pa.types.is_floating(kind):
        return [None if value is None or not math.isfinite(value) else float(value) for value in values]
    return list(values)

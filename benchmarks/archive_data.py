"""The items of `archive.py`, and filters that allow a known share of them: made once, the same for every library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUERIES, MORE = 64, 1_000
BLOCK = 1 << 14
CLASSES = tuple(f"class {number:02}" for number in range(45))
SHARES = {"50 %": 0.5, "5 %": 0.05, "0.1 %": 0.001}
"""Of the first three classes, and of the boxes and spans of time."""

_BEGIN, _SPAN = datetime(2015, 1, 1, tzinfo=timezone.utc), timedelta(days=3650)
_WEST, _SOUTH, _WIDE, _HIGH = -180.0, -60.0, 360.0, 135.0


@dataclass(frozen=True)
class Filter:
    """What may be found: a class, a box (west, south, east, north), a span of time, or everything."""

    kind: str = ""
    share: str = ""

    @property
    def name(self) -> str:
        return f"{self.share} by {self.kind}" if self.kind else "all"

    @property
    def class_name(self) -> str:
        return CLASSES[list(SHARES).index(self.share)]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Around the middle of where items are."""
        side = SHARES[self.share] ** 0.5
        west, south = _WEST + _WIDE * (1 - side) / 2, _SOUTH + _HIGH * (1 - side) / 2
        return west, south, west + _WIDE * side, south + _HIGH * side

    @property
    def span(self) -> tuple[str, str]:
        """From the first on, before the second, UTC."""
        begin = _BEGIN + _SPAN * (0.5 - SHARES[self.share] / 2)
        ends = (begin, begin + _SPAN * SHARES[self.share])
        first, last = (end.replace(microsecond=0, tzinfo=None).isoformat(" ") for end in ends)
        return first, last

    @property
    def sql(self) -> str:
        if self.kind == "class":
            return f"class = '{self.class_name}'"
        if self.kind == "box":
            west, south, east, north = self.box
            return f"longitude between {west!r} and {east!r} and latitude between {south!r} and {north!r}"
        return "time >= timestamp '{}' and time < timestamp '{}'".format(*self.span)

    def allows(self, items: Any) -> NDArray[np.bool_]:
        """Return which rows of a table are allowed, by NumPy alone."""
        if self.kind == "class":
            codes = items["class"].combine_chunks().dictionary_encode()
            place = codes.dictionary.to_pylist().index(self.class_name)
            return np.asarray(codes.indices) == place
        if self.kind == "box":
            west, south, east, north = self.box
            x, y = items["longitude"].to_numpy(), items["latitude"].to_numpy()
            return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))
        first, last = (np.datetime64(end.replace(" ", "T"), "us") for end in self.span)
        time = items["time"].to_numpy()
        return np.asarray((time >= first) & (time < last))


FILTERS = [Filter(), *(Filter(kind, share) for kind in ("class", "box", "date") for share in SHARES)]


def make(folder: Path, rows: int, dim: int) -> None:
    """Write vectors.npy and items.parquet, queries.npy, and three files of items to add: each row by its own draw."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "vectors.npy"
    matrix = np.lib.format.open_memmap(str(whole), mode="w+", dtype=np.float32, shape=(rows, dim))
    items = table(0, rows)
    first = 0
    for block in vectors(items, dim):
        matrix[first : first + len(block)] = block
        first += len(block)
    matrix.flush()
    pq.write_table(items, folder / "items.parquet")
    np.save(folder / "queries.npy", np.concatenate([*vectors(table(1 << 40, QUERIES), dim)]))
    for number in range(3):
        some = table(rows + number * MORE, MORE)
        matrix = np.concatenate([*vectors(some, dim)])
        pq.write_table(with_vectors(some, matrix), folder / f"more-{number}.parquet")


def table(first: int, rows: int) -> Any:
    """Return items as a table: id, class, time, longitude, latitude, cloud."""
    import pyarrow as pa

    draw = np.random.default_rng([7, first])
    others = (1 - sum(SHARES.values())) / (len(CLASSES) - len(SHARES))
    labels = draw.choice(len(CLASSES), rows, p=[*SHARES.values(), *[others] * (len(CLASSES) - len(SHARES))])
    times = np.datetime64(_BEGIN.replace(tzinfo=None), "us") + draw.integers(0, int(_SPAN.total_seconds() * 1e6), rows)
    return pa.table(
        {
            "id": np.arange(first, first + rows),
            "class": pa.DictionaryArray.from_arrays(labels.astype(np.int32), list(CLASSES)).cast(pa.string()),
            "time": pa.array(times, pa.timestamp("us")),
            "longitude": draw.uniform(_WEST, _WEST + _WIDE, rows),
            "latitude": draw.uniform(_SOUTH, _SOUTH + _HIGH, rows),
            "cloud": draw.uniform(0, 1, rows).round(3),
        }
    )


def vectors(items: Any, dim: int) -> Iterator[NDArray[np.float32]]:
    """Yield features as networks give them, non-negative, in overlapping classes, of the items in order."""
    centres = 0.28 * np.random.default_rng(0).standard_normal((len(CLASSES), dim), np.float32)
    labels = np.array([CLASSES.index(name) for name in items["class"].to_pylist()])
    for first in range(0, len(labels), BLOCK):
        some = labels[first : first + BLOCK]
        block = np.random.default_rng([8, items["id"][first].as_py()]).standard_normal((len(some), dim), np.float32)
        block += centres[some]
        yield np.maximum(block, 0, out=block)


def with_vectors(items: Any, matrix: NDArray[np.float32]) -> Any:
    """Return a table with a column of vectors."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    return items.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1]))


def batches(folder: Path) -> Iterator[Any]:
    """Yield all items with their vectors, as tables of some thousands of rows."""
    import pyarrow.parquet as pq

    items, matrix = pq.read_table(folder / "items.parquet"), np.load(folder / "vectors.npy", mmap_mode="r")
    for first in range(0, len(matrix), BLOCK):
        yield with_vectors(items.slice(first, BLOCK), matrix[first : first + BLOCK])

"""Files of published embeddings: Parquet, or a matrix in .npy with a table beside it. pyarrow is imported when used."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.base.mapping import let_go
from rsir_fast.base.reading import reading
from rsir_fast.base.text import printable
from rsir_fast.errors import ArchiveError

__all__ = ["EmbeddingFile", "open_file"]

_BATCH = 1 << 14
_MATRIX = "vector"
_REMEDY = "name a file of Parquet (.parquet, .gpq), or a matrix in .npy with --table FILE.csv or .parquet"


class EmbeddingFile(ABC):
    """A table with vectors.

    Attributes
    ----------
    path : Path
    schema : pyarrow.Schema
        With a column ``vector`` for a matrix in .npy.
    metadata : dict
        What the file says of itself, by key, where that is JSON.
    rows : int
    """

    path: Path
    schema: Any
    metadata: Mapping[str, Any]
    rows: int

    @abstractmethod
    def facts(self, columns: Sequence[str]) -> Any:
        """Return some columns of all rows, a pyarrow.Table."""

    @abstractmethod
    def vectors(self, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield batch by batch the first row's number and, by field, lists of numbers, a pyarrow.Array."""

    @property
    def geo(self) -> Mapping[str, Any]:
        """What GeoParquet says of the geometry; empty where there is none."""
        found = self.metadata.get("geo")
        return found if isinstance(found, dict) else {}

    @property
    def primary(self) -> str | None:
        """The column of the geometry, as GeoParquet names it."""
        name = self.geo.get("primary_column")
        return name if isinstance(name, str) else None

    @property
    def crs(self) -> str | None:
        """CRS of the geometry as JSON; None where nothing is said, which means degrees."""
        columns = self.geo.get("columns")
        one = columns.get(self.primary) if isinstance(columns, dict) else None
        crs = one.get("crs") if isinstance(one, dict) else None
        return None if crs is None else json.dumps(crs)


class _Parquet(EmbeddingFile):
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._file = pq.ParquetFile(path)
        self.schema = self._file.schema_arrow
        self.rows = self._file.metadata.num_rows
        self.metadata = _json_of({**(self.schema.metadata or {}), **(self._file.metadata.metadata or {})})

    def facts(self, columns: Sequence[str]) -> Any:
        return self._file.read(columns=list(columns))

    def vectors(self, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
        first, wanted = 0, [name for names in columns.values() for name in names]
        for batch in self._file.iter_batches(batch_size=_BATCH, columns=wanted):
            yield first, {field: _lists([batch.column(name) for name in names]) for field, names in columns.items()}
            first += len(batch)


class _Matrix(EmbeddingFile):
    def __init__(self, path: Path, table: Path | None) -> None:
        import pyarrow as pa

        self.path = path
        self._matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        if self._matrix.ndim != 2 or self._matrix.dtype.kind not in "fiu":
            raise ValueError(
                f"expected a matrix of numbers [rows, width], got {self._matrix.dtype} {list(self._matrix.shape)}"
            )
        self.rows = len(self._matrix)
        self._table = None if table is None else _table(table)
        fields = [] if self._table is None else [field for field in self._table.schema if field.name != _MATRIX]
        if self._table is not None and len(self._table) != self.rows:
            raise ValueError(f"expected a table of {self.rows} rows, one a vector, got {len(self._table)} in {table}")
        kind = pa.list_(pa.from_numpy_dtype(self._matrix.dtype.newbyteorder("=")), self._matrix.shape[1])
        self.schema = pa.schema([*fields, pa.field(_MATRIX, kind)])
        self.metadata = {} if self._table is None else _json_of(self._table.schema.metadata or {})

    def facts(self, columns: Sequence[str]) -> Any:
        import pyarrow as pa

        if self._table is None or not columns:
            return pa.table({"": pa.nulls(self.rows)}).select([])
        return self._table.select(list(columns))

    def vectors(self, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
        import pyarrow as pa

        width = self._matrix.shape[1]
        for first in range(0, self.rows, _BATCH):
            block = np.ascontiguousarray(self._matrix[first : first + _BATCH])
            block = block.astype(block.dtype.newbyteorder("="), copy=False)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), width)
            yield first, dict.fromkeys(columns, lists)
            let_go(self._matrix)


def open_file(path: Path, table: Path | None = None) -> EmbeddingFile:
    """Open a file of embeddings.

    Raises
    ------
    ArchiveError
        If it is none.
    """
    is_matrix = path.suffix == ".npy"
    if table is not None and not is_matrix:
        raise ArchiveError(f"{printable(path)}: expected no table beside a file that is one; leave --table out")
    with reading(path, "published embeddings", _REMEDY, ArchiveError):
        return _Matrix(path, table) if is_matrix else _Parquet(path)


def _lists(columns: Sequence[Any]) -> Any:
    """Return one column of lists: that column, or the numbers of several side by side."""
    import pyarrow as pa

    if len(columns) == 1:
        return columns[0]
    holes = np.zeros(len(columns[0]), bool)
    for column in columns:
        if column.null_count:
            holes |= column.is_null().to_numpy(zero_copy_only=False)
    whole = [column.fill_null(0) if column.null_count else column for column in columns]
    block = np.stack([column.to_numpy(zero_copy_only=False) for column in whole], axis=1)
    mask = pa.array(holes) if holes.any() else None
    return pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), block.shape[1], mask=mask)


def _table(path: Path) -> Any:
    if path.suffix == ".csv":
        from pyarrow import csv

        return csv.read_csv(path)
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _json_of(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    found = {}
    for key, value in metadata.items():
        with contextlib.suppress(ValueError):  # not JSON, or no text
            found[key.decode()] = json.loads(value)
    return found

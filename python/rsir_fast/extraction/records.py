"""What is written beside the features: records in JSON, the item table in Parquet.

A folder of features holds::

    extraction.json     what is being extracted: data set, weights, settings; a resumed run must match it
    shards/000000000.npy    float32 [rows, dim]
    shards/000000000.json   rows, skipped images and SHA-256 of that shard; written after it, so it vouches for it
    items.parquet       one row per item: item, label, class
    descriptor.safetensors  what a shallow descriptor learnt from the images, where there is such a thing: a vocabulary
    manifest.json       written last: its presence means the matrix is complete
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from rsir_fast.base.durable import write_durably
from rsir_fast.base.reading import read_record, reading
from rsir_fast.base.text import printable
from rsir_fast.errors import FeaturesError

__all__ = [
    "DESCRIPTOR",
    "ITEMS",
    "MANIFEST",
    "PLAN",
    "SHARDS",
    "Manifest",
    "Plan",
    "ShardRecord",
    "found",
    "read_items",
    "write_items",
]

MANIFEST, PLAN, ITEMS, SHARDS = "manifest.json", "extraction.json", "items.parquet", "shards"
DESCRIPTOR = "descriptor.safetensors"

# File names that are no valid UTF-8 reach Python as lone surrogates, which pydantic's own str refuses.
Name = InstanceOf[str]
Count = Annotated[int, Field(ge=0, le=1 << 48)]
Dim = Annotated[int, Field(ge=0, le=1 << 31)]

AGAIN = "extract again: the same command mends it (from Python: with resume=True)"


class Record(BaseModel):
    """JSON on disk, written in one step."""

    model_config = ConfigDict(extra="forbid")

    def write(self, path: Path) -> None:
        """Write or replace a file."""
        write_durably(path, (json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n").encode())


R = TypeVar("R", bound=Record)


class Plan(Record):
    """Everything that decides a matrix."""

    format: Literal["rsir-features-plan"] = "rsir-features-plan"
    settings: dict[str, Any]

    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()


class ShardRecord(Record):
    """What vouches for one shard: images `first` to `first + images` of the data set."""

    first: Count
    images: Count
    rows: Count
    sha256: str
    plan: str
    skipped: list[tuple[Count, str]]
    limits: dict[str, float] = {}
    """Of images, as they were where some were skipped: with higher ones these are tried again."""

    @property
    def stem(self) -> str:
        """Name of the shard's files, without suffix."""
        return f"{self.first:09d}"


class Manifest(Record):
    """What vouches for the whole matrix."""

    format: Literal["rsir-features"] = "rsir-features"
    version: Literal[1] = 1
    rows: Count
    dim: Dim
    dataset: Name
    root: Name | None
    classes: list[Name]
    notes: list[Name]
    shards: list[ShardRecord]
    skipped: list[tuple[Name, Name]]
    provenance: dict[str, Any]
    timing: dict[str, Any]
    spec: dict[str, Any] | None = None
    """What the encoder means; None where it is not known, and in folders of before."""


def found(kind: type[R], path: Path) -> R | None:
    """Return the record in a file; None if there is no file, or something else is in it.

    Raises
    ------
    MachineError
        If the machine failed to read it.
    """
    try:
        return read_record(kind, path, "a record of features", AGAIN, FeaturesError)
    except FeaturesError:
        return None


def write_items(path: Path, items: tuple[str, ...], labels: NDArray[np.int64] | None, classes: tuple[str, ...]) -> None:
    """Write the item table.

    Parameters
    ----------
    path
        File to write or replace.
    items, labels, classes
        As in `rsir_fast.extraction.Features`. Items are stored as the bytes of their names; the class column is for
        readers of the file, odd characters escaped.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"item": pa.array([os.fsencode(item) for item in items], pa.binary())}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.int64())
        columns["class"] = pa.array([printable(classes[label]) for label in labels], pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    write_durably(path, sink.getvalue())


def read_items(path: Path, rows: int) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    """Return items and labels.

    Raises
    ------
    FeaturesError
        If the file cannot be read or has not `rows` rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path, "the items of features", AGAIN, FeaturesError):
        # No threads: one that lets go of our bytes while the interpreter ends would abort it.
        table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
        items = tuple(os.fsdecode(item) for item in table["item"].to_pylist())
        labels = table["label"].to_numpy() if "label" in table.column_names else None
    if len(items) != rows:
        raise FeaturesError(f"{path}: expected {rows} items, found {len(items)}; {AGAIN}")
    return items, labels

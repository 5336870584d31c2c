"""Folders of features as they were before archives: one matrix in shards. They are read, and do not grow.

Such a folder holds::

    extraction.json     what was being extracted
    shards/000000000.npy    float32 [rows, dim], all fields side by side; .json vouches for it
    items.parquet       one row an item: item, label, class
    descriptor.safetensors  a vocabulary, where there is one
    manifest.json       written last
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from rsir_fast.archive.inputs import DESCRIPTOR
from rsir_fast.archive.parts import Parts
from rsir_fast.base.durable import LEFTOVER, make_folder, remove, remove_empty
from rsir_fast.base.looking import is_folder
from rsir_fast.base.reading import read_record, reading
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.encoders.differences import differences, told
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import FeaturesError

__all__ = ["clear_legacy", "foreign_in_legacy", "legacy_state", "load_legacy"]

MANIFEST, PLAN, ITEMS, SHARDS = "manifest.json", "extraction.json", "items.parquet", "shards"
OURS = {MANIFEST, PLAN, ITEMS, DESCRIPTOR, SHARDS}
SHARD_FILES = re.compile(r"\d{9,}\.(npy|json)")

Name = InstanceOf[str]
"""File names that are no valid UTF-8 are lone surrogates, which pydantic's own str refuses."""

Count = Annotated[int, Field(ge=0, le=1 << 48)]
AGAIN = "make them again in another folder, or here with force=True (--force)"


class _Shard(BaseModel):
    model_config = ConfigDict(extra="forbid")
    first: Count
    images: Count
    rows: Count
    sha256: str
    plan: str
    skipped: list[tuple[Count, str]]
    limits: dict[str, float] = {}


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal["rsir-features"]
    version: Literal[1]
    rows: Count
    dim: Annotated[int, Field(ge=0, le=1 << 31)]
    dataset: Name
    root: Name | None
    classes: list[Name]
    notes: list[Name]
    shards: list[_Shard]
    skipped: list[tuple[Name, Name]]
    provenance: dict[str, Any]
    timing: dict[str, Any]
    spec: dict[str, Any] | None = None


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal["rsir-features-plan"]
    settings: dict[str, Any]


def legacy_state(folder: Path) -> Literal["finished", "unfinished"] | None:
    """Tell whether a folder holds features of before; None if not.

    Raises
    ------
    MachineError
        If the machine failed to read it.
    """
    if _is(_Manifest, folder / MANIFEST):
        return "finished"
    if _is(_Plan, folder / PLAN):
        return "unfinished"
    return "unfinished" if is_folder(folder / SHARDS) and not foreign_in_legacy(folder) else None


def _is(kind: type[BaseModel], path: Path) -> bool:
    try:
        read_record(kind, path, "a record of features", AGAIN, FeaturesError)
    except FeaturesError:
        return False
    return True


def foreign_in_legacy(folder: Path) -> list[str]:
    """Names of what is in such a folder, and in its folder of shards, beside features."""
    names = [name for name in os.listdir(folder) if name not in OURS and not LEFTOVER.fullmatch(name)]
    if not is_folder(folder / SHARDS):
        return names
    inner = [name for name in os.listdir(folder / SHARDS) if not SHARD_FILES.fullmatch(name)]
    return names + [f"{SHARDS}/{name}" for name in inner if not LEFTOVER.fullmatch(name)]


def clear_legacy(folder: Path) -> None:
    """Remove such features: the manifest first, so that nothing half-removed looks whole, the plan last."""
    remove(folder / MANIFEST)
    make_folder(folder / SHARDS)
    remove(folder / ITEMS, folder / DESCRIPTOR, *(folder / SHARDS).iterdir())
    if (folder / SHARDS).is_symlink():
        remove(folder / SHARDS)
    remove_empty(folder / SHARDS)
    remove(folder / PLAN)


def load_legacy(folder: Path, *, verify: bool = True) -> Parts:
    """Read features of before.

    Raises
    ------
    FeaturesError
        If they are unfinished or damaged.
    """
    if legacy_state(folder) == "unfinished":
        raise FeaturesError(
            f"{folder}: the features are unfinished or damaged, and of a former format, which is not written any more; "
            f"{AGAIN}"
        )
    manifest = read_record(_Manifest, folder / MANIFEST, "the manifest of features", AGAIN, FeaturesError)
    _check_spec(folder, manifest)
    parts = [_read_shard(folder / SHARDS, shard, manifest.dim, verify) for shard in manifest.shards]
    items, labels = _read_items(folder / ITEMS, manifest.rows)
    return Parts(
        arrays=RowBlocks(parts or [np.empty((0, manifest.dim), dtype=np.float32)]),
        items=items,
        labels=labels,
        classes=tuple(manifest.classes),
        name=manifest.dataset,
        root=None if manifest.root is None else Path(manifest.root),
        provenance=manifest.provenance,
        skipped=tuple(Skipped(*entry) for entry in manifest.skipped),
        timing=manifest.timing,
        notes=tuple(manifest.notes),
    )


def _check_spec(folder: Path, manifest: _Manifest) -> None:
    """Refuse a manifest whose spec is not that of its provenance; one of an older version has none."""
    if manifest.spec is None:
        return
    with reading(folder / MANIFEST, "features of an encoder that this version knows", AGAIN, FeaturesError):
        found = differences(parse_spec(manifest.spec), spec_of(manifest.provenance))
        if found:
            raise ValueError(f"its spec and its provenance differ: {told(found)}")


def _read_shard(folder: Path, record: _Shard, dim: int, verify: bool) -> NDArray[np.float32]:
    path = folder / f"{record.first:09d}.npy"
    if verify:
        with reading(path, "a shard of features", AGAIN, FeaturesError):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != record.sha256:
            raise FeaturesError(f"{path} is damaged (its SHA-256 is not that in {MANIFEST}); {AGAIN}")
    with reading(path, "a shard of features", AGAIN, FeaturesError):
        matrix: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        if matrix.shape != (record.rows, dim) or matrix.dtype != np.dtype("<f4"):
            raise ValueError(f"{matrix.dtype} {list(matrix.shape)} is not float32 [{record.rows}, {dim}]")
    return matrix


def _read_items(path: Path, rows: int) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
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

"""Feature matrices on disk, as they are read; see `rsir_fast.extraction.records` for the files."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.durable import LEFTOVER
from rsir_fast.base.looking import is_folder
from rsir_fast.base.reading import read_record, reading
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.encoders.differences import differences, told
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.parts import Parts, fitting_labels
from rsir_fast.extraction.records import (
    AGAIN,
    DESCRIPTOR,
    ITEMS,
    MANIFEST,
    PLAN,
    SHARDS,
    Manifest,
    Plan,
    ShardRecord,
    found,
    read_items,
)

__all__ = ["foreign_files", "images_kept", "load", "state_of"]

OURS = {MANIFEST, PLAN, ITEMS, DESCRIPTOR, SHARDS}
SHARD_FILES = re.compile(r"\d{9,}\.(npy|json)")


def state_of(folder: Path) -> Literal["finished", "unfinished"] | None:
    """Tell whether a folder holds features; None if not.

    What vouches for it is the manifest, else the plan; else a folder of nothing but our shards, whose plan was lost.

    Raises
    ------
    MachineError
        If the machine failed to read it.
    """
    if found(Manifest, folder / MANIFEST) is not None:
        return "finished"
    if found(Plan, folder / PLAN) is not None:
        return "unfinished"
    return "unfinished" if is_folder(folder / SHARDS) and not foreign_files(folder) else None


def foreign_files(folder: Path) -> list[str]:
    """Names of what is in a folder, and in its folder of shards, beside features."""
    names = [name for name in os.listdir(folder) if name not in OURS and not LEFTOVER.fullmatch(name)]
    if not is_folder(folder / SHARDS):
        return names
    inner = [name for name in os.listdir(folder / SHARDS) if not SHARD_FILES.fullmatch(name)]
    return names + [f"{SHARDS}/{name}" for name in inner if not LEFTOVER.fullmatch(name)]


def images_kept(folder: Path) -> int:
    """Count the images of finished shards in a folder, however the run ended."""
    records = (found(ShardRecord, path) for path in (folder / SHARDS).glob("*.json"))
    return sum(record.images for record in records if record is not None)


def load(folder: Path, *, verify: bool = True) -> Parts:
    """Read finished features; see `Features.load`."""
    state = state_of(folder)
    if state == "unfinished":
        raise FeaturesError(f"{folder}: the features are unfinished or damaged; {AGAIN}")
    if state is None:
        there = "other things" if is_folder(folder) else "no such folder"
        raise FeaturesError(
            f"{folder}: expected a folder of features (with {MANIFEST}), found {there}; make it with `rsir features`"
        )
    manifest = read_record(Manifest, folder / MANIFEST, "the manifest of features", AGAIN, FeaturesError)
    _check_spec(folder, manifest)
    parts = [_read_shard(folder / SHARDS, shard, manifest.dim, verify) for shard in manifest.shards]
    empty = np.empty((0, manifest.dim), dtype=np.float32)
    items, labels = read_items(folder / ITEMS, manifest.rows)
    matrix = parts[0] if len(parts) == 1 else np.concatenate([empty, *parts])
    classes = tuple(manifest.classes)
    return Parts(
        table=matrix,
        items=items,
        labels=fitting_labels(manifest.dataset, matrix, items, labels, classes),
        classes=classes,
        name=manifest.dataset,
        root=None if manifest.root is None else Path(manifest.root),
        provenance=manifest.provenance,
        skipped=tuple(Skipped(item, reason) for item, reason in manifest.skipped),
        timing=manifest.timing,
        notes=tuple(manifest.notes),
    )


def _check_spec(folder: Path, manifest: Manifest) -> None:
    """Refuse a manifest whose spec is not that of its provenance; one of an older version has none."""
    if manifest.spec is None:
        return
    with reading(folder / MANIFEST, "features of an encoder that this version knows", AGAIN, FeaturesError):
        found = differences(parse_spec(manifest.spec), spec_of(manifest.provenance))
        if found:
            raise ValueError(f"its spec and its provenance differ: {told(found)}")


def _read_shard(folder: Path, record: ShardRecord, dim: int, verify: bool) -> NDArray[np.float32]:
    path = folder / f"{record.stem}.npy"
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

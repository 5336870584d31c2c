"""Feature matrices on disk: .npy shards, an item table, and a manifest that is written last.

A folder holds::

    extraction.json     what is being extracted: data set, weights, settings; a resumed run must match it
    shards/000000.npy   float32 [rows, dim]
    shards/000000.json  rows, skipped images and SHA-256 of that shard; written after it, so it vouches for it
    items.parquet       one row per item: item, label, class
    manifest.json       written last: its presence means the matrix is complete
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from rsir_fast.datasets.files import write_atomically
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.features import Features, Skipped

__all__ = ["FeatureStore", "load", "save"]

MANIFEST, PLAN, ITEMS, SHARDS = OURS = ("manifest.json", "extraction.json", "items.parquet", "shards")


# Loader workers are forks of this process and must not keep its locks alive when it is killed.
_held_locks: set[int] = set()


def _drop_held_locks() -> None:
    while _held_locks:
        os.close(_held_locks.pop())


os.register_at_fork(after_in_child=_drop_held_locks)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShardRecord(_Record):
    """What vouches for one shard."""

    file: str
    first: int
    images: int
    rows: int
    sha256: str
    skipped: list[tuple[int, str]]


class Manifest(_Record):
    """What vouches for the whole matrix."""

    format: Literal["rsir-features"] = "rsir-features"
    version: Literal[1] = 1
    rows: int
    dim: int
    dataset: str
    root: str | None
    classes: list[str]
    shards: list[ShardRecord]
    skipped: list[Skipped]
    provenance: dict[str, Any]
    timing: dict[str, Any]


class FeatureStore:
    """A folder that a run fills shard by shard; what is finished survives any interruption.

    A context manager: until it is left, no other process can open the folder for writing.

    Parameters
    ----------
    folder
        New, empty, or holding features.
    plan
        JSON-able: everything that decides the matrix. A resumed run must have the same.
    resume
        Go on with an unfinished folder of the same plan.
    force
        Replace features that are there.

    Raises
    ------
    FeaturesError
        If the folder holds something else; or features, and neither `resume` nor `force` is given; or, to be resumed,
        features of another plan; or if another process is writing to it.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], *, resume: bool = False, force: bool = False) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            present = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            raise FeaturesError(
                f"{folder}: expected a folder that can be written, got {error}; choose another"
            ) from None
        if foreign := [name for name in present if name not in OURS and not name.endswith(".part")]:
            raise FeaturesError(
                f"{folder}: expected a new or empty folder, or one of features, found {foreign[0]!r} in it; "
                "choose another folder"
            )
        holds_features = PLAN in present or MANIFEST in present
        if holds_features and not (resume or force):
            state = "finished" if MANIFEST in present else "unfinished"
            raise FeaturesError(f"{folder} holds {state} features: give resume to go on, or force to replace them")
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _held_locks.add(self._lock)
        try:
            self._take_lock()
            if holds_features and not force:
                self._check_plan(plan)
            else:
                remove_features(folder)
                write_atomically(folder / PLAN, _json(plan))
        except BaseException:
            self._release_lock()
            raise

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._release_lock()

    def _release_lock(self) -> None:
        _held_locks.discard(self._lock)
        os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FeaturesError(
                f"{self.folder}: another process is writing features here; wait for it, or choose another folder"
            ) from None

    def _check_plan(self, plan: dict[str, Any]) -> None:
        before = _read_json(self.folder / PLAN)
        different = sorted(key for key in before.keys() | plan.keys() if before.get(key) != plan.get(key))
        if different:
            changes = "; ".join(f"{key} was {_brief(before.get(key))}, is {_brief(plan.get(key))}" for key in different)
            raise FeaturesError(
                f"{self.folder} holds features made otherwise ({changes}): resume with the same settings, "
                "choose another folder, or give force to replace them"
            )

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is there."""
        return (self.folder / MANIFEST).is_file()

    def finished_shards(self) -> dict[int, ShardRecord]:
        """Return the shards that are whole, by the number of their first image; damaged ones are left out."""
        finished = {}
        for path in sorted((self.folder / SHARDS).glob("*.json")):
            try:
                record = ShardRecord.model_validate_json(path.read_bytes())
                content = (self.folder / SHARDS / record.file).read_bytes()
            except (ValidationError, OSError):
                continue
            if hashlib.sha256(content).hexdigest() == record.sha256:
                finished[record.first] = record
        return finished

    def add_shard(self, first: int, images: int, matrix: NDArray[np.float32], skipped: list[tuple[int, str]]) -> None:
        """Write the features of images ``first`` to ``first + images``.

        Parameters
        ----------
        first, images
            Range of images of the data set.
        matrix
            Float32 [rows, dim], the readable ones in order.
        skipped
            Number and reason of each unreadable one.
        """
        stem = self.folder / SHARDS / f"{first:09d}"
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(matrix, dtype="<f4"), allow_pickle=False)
        content = buffer.getvalue()
        write_atomically(stem.with_suffix(".npy"), content)
        record = ShardRecord(
            file=f"{stem.name}.npy",
            first=first,
            images=images,
            rows=len(matrix),
            sha256=hashlib.sha256(content).hexdigest(),
            skipped=skipped,
        )
        write_atomically(stem.with_suffix(".json"), _json(record.model_dump()))

    def finish(
        self,
        *,
        items: tuple[str, ...],
        labels: NDArray[np.int64] | None,
        classes: tuple[str, ...],
        name: str,
        root: Path | None,
        dim: int,
        provenance: dict[str, Any],
        timing: dict[str, Any],
        skipped: tuple[Skipped, ...] = (),
    ) -> Features:
        """Write the item table and the manifest of all shards, and return the features.

        Parameters
        ----------
        items, labels, classes, name, root
            The whole data set, unreadable images included.
        dim
            Length of a feature vector.
        provenance, timing
            As in `Features`.
        skipped
            Images left out before, beside those of the shards.
        """
        shards = [record for _, record in sorted(self.finished_shards().items())]
        unreadable = [(number, reason) for shard in shards for number, reason in shard.skipped]
        kept = np.setdiff1d(np.arange(len(items)), [number for number, _ in unreadable])
        kept_labels = None if labels is None else np.asarray(labels)[kept]
        _write_items(self.folder / ITEMS, tuple(items[i] for i in kept), kept_labels, classes)
        manifest = Manifest(
            rows=len(kept),
            dim=dim,
            dataset=name,
            root=None if root is None else str(root.absolute()),
            classes=list(classes),
            shards=shards,
            skipped=[*skipped, *(Skipped(items[number], reason) for number, reason in unreadable)],
            provenance=provenance,
            timing=timing,
        )
        write_atomically(self.folder / MANIFEST, _json(manifest.model_dump()))
        return load(self.folder)


def load(folder: Path) -> Features:
    """Read finished features; see `Features.load`."""
    if not (folder / MANIFEST).is_file():
        if (folder / PLAN).is_file():
            raise FeaturesError(f"{folder}: the extraction is not finished; run it again with resume")
        raise FeaturesError(
            f"{folder}: expected a folder of features (with {MANIFEST}), found "
            f"{'none in it' if folder.is_dir() else 'no such folder'}; make it with `rsir features`"
        )
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FeaturesError(f"{folder / MANIFEST} is damaged ({where}: {first['msg']}); extract again") from None
    parts = [_read_shard(folder / SHARDS / shard.file, (shard.rows, manifest.dim)) for shard in manifest.shards]
    empty = np.empty((0, manifest.dim), dtype=np.float32)
    items, labels = _read_items(folder / ITEMS, manifest.rows)
    return Features(
        matrix=parts[0] if len(parts) == 1 else np.concatenate([empty, *parts]),
        items=items,
        labels=labels,
        classes=tuple(manifest.classes),
        name=manifest.dataset,
        root=None if manifest.root is None else Path(manifest.root),
        provenance=manifest.provenance,
        skipped=tuple(manifest.skipped),
        timing=manifest.timing,
    )


def save(features: Features, folder: Path, *, force: bool = False) -> Path:
    """Write features to a folder; see `Features.save`."""
    with FeatureStore(folder, {"saved": features.name}, force=force) as store:
        store.add_shard(0, len(features), features.matrix, [])
        store.finish(
            items=features.items,
            labels=features.labels,
            classes=features.classes,
            name=features.name,
            root=features.root,
            dim=features.dim,
            provenance=features.provenance,
            timing=features.timing,
            skipped=features.skipped,
        )
    return folder


def remove_features(folder: Path) -> None:
    """Remove what this module writes; the manifest first, so that an interruption leaves nothing that looks whole."""
    for name in (MANIFEST, PLAN, ITEMS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / SHARDS, ignore_errors=True)


def _read_shard(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    try:
        matrix: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FeaturesError(f"{path} cannot be read ({error}); extract again with resume") from None
    if matrix.shape != shape or matrix.dtype != np.dtype("<f4"):
        raise FeaturesError(
            f"{path}: expected float32 {list(shape)}, found {matrix.dtype} {list(matrix.shape)}; extract again"
        )
    return matrix


def _write_items(
    path: Path, items: tuple[str, ...], labels: NDArray[np.int64] | None, classes: tuple[str, ...]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Names that are no valid Unicode come from the file system as lone surrogates; os.fsencode brings the bytes back.
    columns = {"item": pa.array([os.fsencode(item) for item in items], pa.binary())}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.int64())
        columns["class"] = pa.array([classes[label] for label in labels], pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    write_atomically(path, sink.getvalue())


def _read_items(path: Path, rows: int) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        items = tuple(os.fsdecode(item) for item in table["item"].to_pylist())
        labels = table["label"].to_numpy() if "label" in table.column_names else None
    except (OSError, KeyError, pa.ArrowException) as error:
        raise FeaturesError(f"{path} cannot be read ({error}); extract again") from None
    if len(items) != rows:
        raise FeaturesError(f"{path}: expected {rows} items, found {len(items)}; extract again")
    return items, labels


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FeaturesError(f"{path} cannot be read ({error}); give force to extract anew") from None
    if not isinstance(content, dict):
        raise FeaturesError(f"{path}: expected a JSON object, found {type(content).__name__}; give force to start anew")
    return content


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _brief(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}..."

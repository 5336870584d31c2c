"""Feature matrices on disk, filled shard by shard; see `rsir_fast.extraction.records` for the files."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.changes import IMAGES, changes, flat
from rsir_fast.base.durable import LEFTOVER, lock, make_folder, remove, remove_empty, sweep, write_durably
from rsir_fast.base.looking import is_file, is_folder, refuse_no_folder
from rsir_fast.base.machine import written
from rsir_fast.base.text import printable
from rsir_fast.datasets.limits import current_limits
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.columns import known_spec
from rsir_fast.extraction.parts import Parts
from rsir_fast.extraction.records import (
    DESCRIPTOR,
    ITEMS,
    MANIFEST,
    PLAN,
    SHARDS,
    Manifest,
    Plan,
    ShardRecord,
    found,
    write_items,
)
from rsir_fast.extraction.stored import foreign_files, load, state_of

__all__ = ["FeatureStore", "check_folder", "check_settings"]

# What may differ between a finished matrix and a request for it: the bits of a feature may depend on it, its worth not.
MACHINE_KEYS = {
    "padded",  # older versions left the last batch smaller
    "device",
    "cpu_threads",
    "cpu_capability",
    "torch",
    "torchvision",
    "pillow",
    "rsir_fast",
    "numpy",
    "opencv",
    "higra",
}


def check_folder(folder: Path, *, resume: bool = False, force: bool = False) -> None:
    """Check, changing nothing, that a folder may be written to.

    Raises
    ------
    FeaturesError
        If it is a file; holds anything but features; or features, and neither `resume` nor `force` is given.
    """
    refuse_no_folder(folder, "the features", FeaturesError)
    if not is_folder(folder):
        return
    state = state_of(folder)
    foreign = foreign_files(folder)
    if state is None:
        foreign = [name for name in os.listdir(folder) if not LEFTOVER.fullmatch(name)]
    if foreign:
        raise FeaturesError(
            f"{folder}: expected a new or empty folder, or one of features, found {printable(min(foreign))!r} in it; "
            "choose another folder"
        )
    if state is not None and not (resume or force):
        raise FeaturesError(f"{folder} holds {state} features: resume=True goes on with them, force=True replaces them")


def check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Check that the features in a folder, if there are any, were begun with these settings, among others.

    Raises
    ------
    FeaturesError
        Naming what differs.
    """
    before = found(Plan, folder / PLAN)
    if before is not None:
        ours = flat(settings)
        _refuse_changes(folder, ours, flat(before.settings), sorted(ours))


class FeatureStore:
    """A folder that a run fills; what is finished survives any interruption.

    A context manager: until it is left, no other process can open the folder for writing.

    Parameters
    ----------
    folder
        New, empty, or holding features.
    settings
        JSON-able: everything that decides the matrix. A resumed run must have the same.
    resume
        Go on with a folder of the same settings.
    force
        Replace features that are there.

    Raises
    ------
    FeaturesError
        As `check_folder`; also if the features there were made with other settings, another process is writing to the
        folder, or it cannot be written.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, resume: bool = False, force: bool = False) -> None:
        self.folder = folder
        self.plan = Plan(settings=settings)
        self.digest = self.plan.digest()  # before anything is touched: it fails where the settings are not JSON
        self.shards: dict[int, ShardRecord] = {}
        check_folder(folder, resume=resume, force=force)
        make_folder(folder)
        with written(folder):
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with written(folder):
                self._take_lock()
                check_folder(folder, resume=resume, force=force)
                if state_of(folder) is not None and not force:
                    self._take_up()
                else:
                    self._start_anew()
                sweep(folder)
                sweep(folder / SHARDS)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            lock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FeaturesError(
                f"{self.folder}: another process is writing features here; wait for it, or choose another folder"
            ) from None

    def _start_anew(self) -> None:
        """Remove the files of former features.

        The manifest goes first, so that nothing half-removed looks whole; the plan, which says whose folder this is,
        is there from then on, and what is still there of the former ones is no part of it.
        """
        remove(self.folder / MANIFEST)
        self.plan.write(self.folder / PLAN)
        make_folder(self.folder / SHARDS)
        remove(self.folder / ITEMS, self.folder / DESCRIPTOR, *(self.folder / SHARDS).iterdir())

    def _take_up(self) -> None:
        """Go on from the shards that are whole; what else a former run left goes."""
        before = found(Plan, self.folder / PLAN)
        make_folder(self.folder / SHARDS)
        records = [record for path in self._shard_files(".json") if (record := found(ShardRecord, path)) is not None]
        if before is None:
            self._recognise(records)
        else:
            self._compare(before, ignored=MACHINE_KEYS if self.is_complete else set())
        # What is learnt from the images would be learnt anew from more of them: that takes `force`.
        learnt = is_file(self.folder / DESCRIPTOR)
        again = {r.first for r in records if r.skipped and current_limits().is_above(r.limits) and not learnt}
        if self.is_complete:
            if not again and self._loads():
                return
            if before is not None:
                self._compare(before, ignored=set())
            remove(self.folder / MANIFEST)  # damaged, or images are tried again
        if before is None:
            self.plan.write(self.folder / PLAN)
        ours = [r for r in records if r.plan == self.digest and r.first not in again]
        self.shards = {r.first: r for r in ours if self._is_whole(r)}
        kept = {record.stem for record in self.shards.values()}
        remove(*(path for path in [*self._shard_files(".json"), *self._shard_files(".npy")] if path.stem not in kept))

    def _loads(self) -> bool:
        try:
            load(self.folder)
        except FeaturesError:
            return False
        return True

    def _shard_files(self, suffix: str) -> list[Path]:
        return sorted((self.folder / SHARDS).glob(f"[0-9]*{suffix}"))

    def _recognise(self, records: list[ShardRecord]) -> None:
        """Without a plan, shards still say by its digest whether they are of the same."""
        if self.is_complete or any(record.plan != self.digest for record in records):
            raise FeaturesError(
                f"{self.folder}: {PLAN} is missing or damaged, so it cannot be told that the features there are made "
                "by the same settings: choose another folder, or replace them (force, --force)"
            )

    def _compare(self, before: Plan, ignored: set[str]) -> None:
        ours, theirs = flat(self.plan.settings), flat(before.settings)
        ignored = {*ignored, "source"}  # of the weights: older folders have it
        keys = sorted(key for key in ours.keys() | theirs.keys() if key.rsplit(".", 1)[-1] not in ignored)
        _refuse_changes(self.folder, ours, theirs, keys)

    def _is_whole(self, record: ShardRecord) -> bool:
        try:
            content = (self.folder / SHARDS / f"{record.stem}.npy").read_bytes()
        except FileNotFoundError:
            return False
        return hashlib.sha256(content).hexdigest() == record.sha256

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is there."""
        return found(Manifest, self.folder / MANIFEST) is not None

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Write the files that belong to the features beside them; those of the same content are left as they are."""
        for name, content in files.items():
            path = self.folder / name
            if not (is_file(path) and path.read_bytes() == content):
                write_durably(path, content)
        if DESCRIPTOR not in files:
            remove(self.folder / DESCRIPTOR)

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
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(matrix, dtype="<f4"), allow_pickle=False)
        content = buffer.getvalue()
        record = ShardRecord(
            first=first,
            images=images,
            rows=len(matrix),
            sha256=hashlib.sha256(content).hexdigest(),
            plan=self.digest,
            skipped=[(number, printable(reason)) for number, reason in skipped],
            limits=current_limits().refusing() if skipped else {},
        )
        write_durably(self.folder / SHARDS / f"{record.stem}.npy", content)
        record.write(self.folder / SHARDS / f"{record.stem}.json")
        self.shards[first] = record

    @property
    def unreadable(self) -> list[tuple[int, str]]:
        """Number and reason of the unreadable images of all shards, in order."""
        return [entry for first in sorted(self.shards) for entry in self.shards[first].skipped]

    def abandon(self) -> None:
        """Remove what was written, as there is nothing to keep; the folder too, if nothing else is in it."""
        self._start_anew()
        remove_empty(self.folder / SHARDS)
        remove(self.folder / PLAN)  # last: until then the folder is known to be ours
        remove_empty(self.folder)

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
        notes: tuple[str, ...],
        before: tuple[Skipped, ...] = (),
    ) -> Parts:
        """Write the item table and the manifest of all shards, and return what is in the folder now.

        Parameters
        ----------
        items, labels, classes, name, root
            The whole data set, unreadable images included.
        dim
            Length of a feature vector.
        provenance, timing, notes
            As in `Features`.
        before
            What could not be read before, beside the images of the shards.

        Raises
        ------
        FeaturesError
            If the shards do not make up the data set.
        """
        shards = [self.shards[first] for first in sorted(self.shards)]
        ends = [0, *np.cumsum([shard.images for shard in shards]).tolist()]
        if [shard.first for shard in shards] != ends[:-1] or ends[-1] != len(items):
            raise FeaturesError(f"{self.folder}: expected shards of {len(items)} images without a gap; extract again")
        unreadable = self.unreadable
        kept = np.setdiff1d(np.arange(len(items)), [number for number, _ in unreadable])
        kept_labels = None if labels is None else np.asarray(labels)[kept]
        write_items(self.folder / ITEMS, tuple(items[i] for i in kept), kept_labels, classes)
        Manifest(
            rows=len(kept),
            dim=dim,
            dataset=name,
            root=None if root is None else str(root.absolute()),
            classes=list(classes),
            notes=list(notes),
            shards=shards,
            skipped=[*before, *((items[number], reason) for number, reason in unreadable)],
            provenance=provenance,
            timing=timing,
            spec=None if (spec := known_spec(provenance)) is None else spec.meaning(),
        ).write(self.folder / MANIFEST)
        return load(self.folder, verify=False)


def _refuse_changes(folder: Path, ours: dict[str, Any], theirs: dict[str, Any], keys: list[str]) -> None:
    told = changes({key: theirs.get(key) for key in keys}, {key: ours.get(key) for key in keys})
    if told:
        listed = [f"{words}: {detail}" if detail else words for words, detail in told.items()]
        more = f"; and {len(listed) - 4} more" if len(listed) > 4 else ""
        same = "put them back as they were" if set(told) == {IMAGES} else "use the same settings"
        raise FeaturesError(
            f"{folder} holds features made otherwise ({'; '.join(listed[:4])}{more}): "
            f"{same}, choose another folder, delete this one, or replace it (force, --force)"
        )

"""Features in a folder: the view of an archive's version, or a folder of before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.archive.columns import beside_runs, spec_to_store
from rsir_fast.archive.folders import check_folder, clear, features_state
from rsir_fast.archive.inputs import ROOT, About, Input
from rsir_fast.archive.items import Items
from rsir_fast.archive.legacy import legacy_state, load_legacy
from rsir_fast.archive.mapped import Mapped
from rsir_fast.archive.parts import Parts, told_empty
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import is_archive
from rsir_fast.archive.work import run_of_work
from rsir_fast.archive.writer import Writer
from rsir_fast.base.looking import is_folder
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.errors import ArchiveError, FeaturesError

__all__ = ["last_run", "load", "parts_of", "save"]

_PART = 4096


def load(folder: Path, *, version: int | None = None, verify: bool = True) -> Parts:
    """Read features; see `Features.load`."""
    if is_archive(folder):
        snapshot = Snapshot(folder, version)
        if verify:
            snapshot.verify()
        return parts_of(snapshot)
    if version is not None:
        raise FeaturesError(f"{folder}: expected an archive, which has versions, got something else; leave it out")
    if legacy_state(folder) is not None:
        return load_legacy(folder, verify=verify)
    if features_state(folder) is not None:
        raise FeaturesError(
            f"{folder}: the features are unfinished; the same command goes on with them (from Python: with resume=True)"
        )
    there = "other things" if is_folder(folder) else "no such folder"
    raise FeaturesError(
        f"{folder}: expected a folder of features (with versions/), found {there}; make it with `rsir features`"
    )


def parts_of(snapshot: Snapshot) -> Parts:
    """Return what a version holds, in the order of its data set."""
    version = snapshot.version
    labels = snapshot.labels if version.labelled else None
    root = version.roots.get(ROOT) or (next(iter(version.roots.values())) if len(version.roots) == 1 else None)
    return Parts(
        arrays=Mapped(snapshot),
        items=snapshot.items,
        labels=None if labels is None or (labels < 0).any() else labels,
        classes=version.classes,
        name=version.name,
        root=None if root is None else Path(root),
        provenance={**version.made, **_runs(snapshot)},
        skipped=tuple(Skipped(unread.name, unread.reason) for unread in snapshot.skipped if not unread.empty),
        timing=dict(version.timing),
        notes=(*version.notes, *told_empty(sum(unread.empty for unread in snapshot.skipped)), *snapshot.problems),
        row_ids=snapshot.ids,
        roots={name: Path(folder) for name, folder in version.roots.items()},
        normalize=version.normalize,
    )


def last_run(folder: Path) -> Mapping[str, Any] | None:
    """Return how an encoder was last run for features in a folder, finished or not; None if nothing tells."""
    begun = run_of_work(folder)
    if begun is not None or not is_archive(folder):
        return begun
    try:
        run: Mapping[str, Any] | None = _runs(Snapshot(folder)).get("extraction")
    except ArchiveError:  # a writer will say so, or mend it
        return None
    return run


def _runs(snapshot: Snapshot) -> dict[str, Any]:
    """Return how the rows that count were made: the newest run, and all where there are several."""
    runs = snapshot.runs
    return {**({"extraction": runs[-1]} if runs else {}), **({"runs": runs} if len(runs) > 1 else {})}


def save(parts: Parts, arrays: Mapping[str, RowBlocks], folder: Path, *, force: bool = False) -> Path:
    """Write features, whose fields are `arrays`; see `Features.save`."""
    check_folder(folder, force=force)
    names = parts.classes
    rows = parts.items.rows() if isinstance(parts.items, Items) else []
    labels = [None] * len(parts.items) if parts.labels is None else [names[label] for label in parts.labels]
    inputs = (
        [Input(**{each.name: getattr(row, each.name) for each in fields(Input)}) for row in rows]
        if rows
        else [Input(ROOT, item, -1, -1, label) for item, label in zip(parts.items, labels, strict=True)]
    )

    def content(number: int) -> str:
        if rows:
            return rows[number].sha256
        digest = hashlib.sha256()
        for array in arrays.values():
            digest.update(np.ascontiguousarray(array[number]).data)
        return digest.hexdigest()

    about = About(
        name=parts.name,
        roots=_roots(parts),
        classes=names,
        labelled=parts.labels is not None,
        unreadable=parts.skipped,
        made=beside_runs(parts.provenance),
    )
    spec = spec_to_store(parts.provenance, {name: array.shape[1] for name, array in arrays.items()})
    if force:
        clear(folder)
    run = parts.provenance.get("extraction", {})
    with Writer(folder, spec, run, inputs, about=about, sha256=content, normalize=parts.normalize) as writer:
        for first in range(0, len(inputs), _PART):
            some = range(first, min(first + _PART, len(inputs)))
            writer.add(some, {name: array[first : some.stop] for name, array in arrays.items()})
        writer.commit(parts.notes, parts.timing)
    return folder


def _roots(parts: Parts) -> dict[str, str]:
    own = {} if parts.root is None else {ROOT: str(parts.root.absolute())}
    return {**{name: str(folder.absolute()) for name, folder in parts.roots.items()}, **own}

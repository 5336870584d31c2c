"""What the next version of an archive says, given what was settled."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.changes import change_of
from rsir_fast.archive.commit import following
from rsir_fast.archive.inputs import About
from rsir_fast.archive.records import SegmentEntry, SkippedInput, Skips, Version, as_json
from rsir_fast.archive.settle import Settled
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import keep
from rsir_fast.encoders.spec import Spec

__all__ = ["ids_bytes", "keep_ids", "next_version"]


def next_version(
    folder: Path,
    number: int,
    before: Snapshot | None,
    segments: Sequence[tuple[str, int, str]],
    settled: Settled,
    *,
    skipped: Iterable[SkippedInput],
    spec: Spec,
    normalize: Literal["none", "row"],
    about: About,
    keeping: bool,
    notes: Sequence[str],
    timing: Mapping[str, Any],
) -> Version:
    """Return the version that follows another, its lists of ids and of skipped inputs written already.

    Parameters
    ----------
    folder
        The archive.
    number
        Of the new version.
    before
        The version that it follows.
    segments
        Name, rows and SHA-256 of the new segments.
    settled
        Which rows count, in which order.
    skipped
        Inputs that could not be read.
    spec, normalize, about, keeping, notes, timing
        As for `rsir_fast.archive.Writer`.
    """
    if keeping and before is not None:
        about = _together(before.version, about)
        notes = tuple(dict.fromkeys((*before.version.notes, *notes)))
    next_id = 0 if before is None else before.version.next_id
    entries = [] if before is None else [segment.entry for segment in before.segments]
    for (name, rows, sha256), used in zip(segments, settled.used, strict=True):
        if used:
            entries.append(SegmentEntry(name=name, first=next_id, rows=rows, sha256=sha256))
            next_id += rows
    # Such as folders: no files that would be known again.
    unlisted = [
        SkippedInput(root="", source=name, size=-1, mtime_ns=-1, reason=reason) for name, reason in about.unreadable
    ]
    unread = Skips(inputs=(*unlisted, *skipped))
    return following(
        number,
        None,
        parent=None if before is None else before.version.digest,
        spec=spec.meaning(),
        normalize=normalize if before is None else before.version.normalize,
        next_id=next_id,
        segments=tuple(entries),
        removed=keep_ids(folder, "removed", settled.removed) if len(settled.removed) else None,
        order=None if (np.diff(settled.order) > 0).all() else keep_ids(folder, "order", settled.order),
        skipped=keep(folder, "skipped", "json", as_json(unread)) if unread.inputs else None,
        roots=dict(about.roots),
        name=about.name,
        classes=tuple(about.classes),
        labelled=about.labelled,
        tiling=about.tiling,
        notes=tuple(notes),
        made=dict(about.made),
        timing=dict(timing),
        change=change_of("add", np.empty(0, np.int64) if before is None else before.ids, settled.order),
    )


def _together(before: Version, about: About) -> About:
    """Return what is told of the data set that there was and of another one, of the same name as before."""
    return replace(
        about,
        name=before.name,
        roots={**before.roots, **about.roots},
        classes=tuple(dict.fromkeys((*before.classes, *about.classes))),
        labelled=before.labelled or about.labelled,
        tiling=before.tiling or about.tiling,
    )


def keep_ids(folder: Path, kind: Literal["removed", "order"], ids: NDArray[np.int64]) -> str:
    """Write ids that a version hides, or their order; return the digest that names them."""
    return keep(folder, kind, "npy", ids_bytes(ids))


def ids_bytes(ids: NDArray[np.int64]) -> bytes:
    """Return ids as they are written."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(ids, dtype="<i8"), allow_pickle=False)
    return buffer.getvalue()

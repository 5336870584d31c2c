"""Rows of other segments, or made again, as a segment of their own that keeps their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.merged import Part, merged
from rsir_fast.archive.next_version import ids_bytes
from rsir_fast.archive.records import SegmentEntry
from rsir_fast.archive.segment import IDS, place_segment
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.tables import ITEMS, SOURCES, as_file

__all__ = ["write_rows"]


def write_rows(
    place: Path,
    of: Snapshot,
    run: Mapping[str, Any],
    tables: Sequence[Part],
    ids: NDArray[np.int64],
    blocks: Mapping[str, Iterable[NDArray[Any]]],
) -> SegmentEntry:
    """Write rows with the ids that they had.

    Parameters
    ----------
    place
        ``segments/NAME``.
    of
        A version of the archive: its encoder, and with what it is searched.
    run
        How the encoder was run for them.
    tables
        What they are of: rows of tables, in the order of ids.
    ids
        Ascending, at least one.
    blocks
        By field, in consecutive blocks.
    """
    sources, items = merged(tables)
    files = {SOURCES: as_file(sources), ITEMS: as_file(items)}
    first, end = int(ids[0]), int(ids[-1]) + 1
    follow = end - first == len(ids)
    if not follow:
        files[IDS] = ids_bytes(ids)
    sha256 = place_segment(place, of.spec, run, len(ids), files, blocks, of.version.normalize)
    return SegmentEntry(name=place.name, first=first, rows=len(ids), sha256=sha256, until=None if follow else end)

"""Archives: rows of vectors that grow by immutable segments, in versions that are committed without a lock."""

from __future__ import annotations

from rsir_fast.archive.features import Features
from rsir_fast.archive.inputs import About, Input
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.writer import Writer

__all__ = ["About", "Features", "Input", "Snapshot", "Writer"]

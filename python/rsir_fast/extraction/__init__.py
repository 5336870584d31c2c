"""Images in, feature matrix out: batched, resumable, with the provenance of every number."""

from __future__ import annotations

from rsir_fast.extraction.extract import extract
from rsir_fast.extraction.features import Features, Skipped
from rsir_fast.extraction.fill import Progress

__all__ = ["Features", "Progress", "Skipped", "extract"]

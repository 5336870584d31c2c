"""Images in, feature matrix out: batched, resumable, with the provenance of every number."""

from __future__ import annotations

from rsir_fast.base.progress import Progress
from rsir_fast.extraction.extract import extract
from rsir_fast.extraction.features import Features, Skipped

__all__ = ["Features", "Progress", "Skipped", "extract"]

"""Images in, features out: batched, resumable, with the provenance of every number."""

from __future__ import annotations

from rsir_fast.archive import Features
from rsir_fast.base.progress import Progress
from rsir_fast.base.renamed import former_names
from rsir_fast.datasets import Skipped
from rsir_fast.extraction.encode import encode

__all__ = ["Features", "Progress", "Skipped", "encode"]

__getattr__ = former_names(__name__, {"extract": "rsir_fast.encode"})

"""Images in, features out: batched, resumable, with the provenance of every number."""

from __future__ import annotations

from rsir_fast.base.progress import Progress
from rsir_fast.base.renamed import former_names
from rsir_fast.extraction.encode import encode
from rsir_fast.extraction.features import Features, Skipped

__all__ = ["Features", "Progress", "Skipped", "encode"]

__getattr__ = former_names(__name__, {"extract": "rsir_fast.encode"})

"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["file_digest"]


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's content, read in pieces of 1 MiB."""
    # MD5 only compares with published checksums of known files; SHA-256 is what provenance records.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()

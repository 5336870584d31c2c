"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

__all__ = ["check_digest", "check_file_digest", "file_digest"]


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's content, read in pieces of 1 MiB."""
    # MD5 only compares with published checksums of known files; SHA-256 is what provenance records.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def check_digest(content: Any, sha256: str | None) -> None:
    """Raise ValueError unless bytes have a SHA-256; for use inside `rsir_fast.base.reading`."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the one that was recorded")


def check_file_digest(path: Path, sha256: str) -> None:
    """Raise ValueError unless a file has a SHA-256; for use inside `rsir_fast.base.reading`."""
    if file_digest(path) != sha256:
        raise ValueError("its SHA-256 is not the one that was recorded")

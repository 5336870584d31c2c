"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from rsir_fast.base.objects import is_object, look_at

__all__ = ["check_digest", "check_file_digest", "check_image_digest", "file_digest", "image_digest"]


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
    _check(hashlib.sha256(content).hexdigest(), sha256)


def check_file_digest(path: Path, sha256: str) -> None:
    """Raise ValueError unless a file has a SHA-256; for use inside `rsir_fast.base.reading`."""
    _check(file_digest(path), sha256)


def image_digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file; of an object what its store tells of it, as the content would be fetched twice.

    Stores give every content a tag of its own; where one gives none, only the same object can have the same digest.
    """
    if not is_object(path):
        return file_digest(path)
    found = look_at(path)
    told = found.tag or f"{found.changed_ns} {path}"
    return hashlib.sha256(f"{found.size} {told}".encode("utf-8", "surrogateescape")).hexdigest()


def check_image_digest(path: Path, sha256: str) -> None:
    """Raise ValueError unless an image has this digest; for use inside `rsir_fast.base.reading`."""
    _check(image_digest(path), sha256)


def _check(found: str, sha256: str | None) -> None:
    if found != sha256:
        raise ValueError("its SHA-256 is not the one that was recorded")

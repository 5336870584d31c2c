"""Arrays that this package writes: safetensors with a checksum of each, so that a flipped byte is noticed.

A number that is another finite number fits every network: without checksums nothing would tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from safetensors.numpy import load, save

from rsir_fast.base.reading import parse_json

__all__ = ["checked", "checksums", "is_as_sealed", "seal"]

_KEY = "checksums"
_TOLD = "checksum"
"""Of all other metadata."""


class _Values(Protocol):
    """A NumPy array, or a tensor on the CPU."""

    def __array__(self, dtype: Any = None, /) -> Any: ...


_Array = TypeVar("_Array", bound=_Values)


def seal(arrays: Mapping[str, _Values], metadata: Mapping[str, str]) -> bytes:
    """Return arrays as a safetensors file with their checksums.

    Parameters
    ----------
    arrays
        NumPy arrays, or tensors on the CPU.
    metadata
        What else the file says of itself.
    """
    kept = {name: np.asarray(values, order="C") for name, values in arrays.items()}
    table = json.dumps({name: _checksum(values) for name, values in kept.items()})
    told = json.dumps(dict(sorted(metadata.items()))).encode()
    return _in_order(save(kept, {**metadata, _KEY: table, _TOLD: _checksum(np.frombuffer(told, np.uint8))}))


def is_as_sealed(content: bytes) -> bool:
    """Whether every byte of a file is as `seal` wrote it; for use inside `rsir_fast.base.reading`.

    Examples
    --------
    >>> file = seal({"a": np.ones(3, np.float32)}, {"of": "a test"})
    >>> is_as_sealed(file), is_as_sealed(file.replace(b"a test", b"a text"))
    (True, False)
    """
    size = int.from_bytes(content[:8], "little")
    metadata = parse_json(content[8 : 8 + size])["__metadata__"]
    return seal(load(content), {key: text for key, text in metadata.items() if key not in (_KEY, _TOLD)}) == content


def _in_order(file: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library's order is another in each process."""
    size = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    ordered += b" " * (-len(ordered) % 8)  # the data begin at a multiple of 8
    return len(ordered).to_bytes(8, "little") + ordered + file[8 + size :]


def checksums(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a file's metadata says of its arrays: name -> checksum; nothing for files of other writers.

    Raises
    ------
    ValueError
        If it is no such table.
    """
    table = parse_json((metadata or {}).get(_KEY, "{}"))
    if not isinstance(table, dict):
        raise ValueError("checksums that are no table")
    return table


def checked(name: str, values: _Array, table: Mapping[str, str]) -> _Array:
    """Return an array as it was read, if it is the one that was written.

    Parameters
    ----------
    name, values
        As in the file.
    table
        From `checksums`; an empty one is that of a file without.

    Raises
    ------
    ValueError
        If its bytes are others, or the table leaves it out.

    Examples
    --------
    >>> from safetensors.numpy import load
    >>> load(seal({"a": np.ones(3, np.float32)}, {}))["a"]
    array([1., 1., 1.], dtype=float32)
    >>> checked("a", np.ones(3), {"a": "0" * 32})
    Traceback (most recent call last):
        ...
    ValueError: a: other bytes than were written
    """
    if table and table.get(name) != _checksum(np.asarray(values, order="C")):
        raise ValueError(f"{name}: other bytes than were written")
    return values


def _checksum(values: Any) -> str:
    return hashlib.sha256(values.reshape(-1).view(np.uint8)).hexdigest()[:32]

"""The integer copies of a segment's vectors, saved beside them: a search reads them where they lie, and makes none.

Their XXH3 is compared once, when a search first reads one: SHA-256 would take ten times as long as the search. A reader
never writes: what is damaged is made again in memory.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from rsir_fast.base.durable import write_durably
from rsir_fast.base.placed import add_file
from rsir_fast.base.reading import reading
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError, MachineError, RsirWarning
from rsir_fast.ops import Sidecar, prepare

__all__ = ["check_sidecar", "mend_sidecar", "read_sidecar", "sidecar_name", "write_sidecars"]

LEAST_BYTES = 4 << 20
"""Of vectors: an integer copy of fewer is made as soon as it is read."""

_AGAIN = "it is made again in memory; `rsir archive verify --repair` mends it"


def sidecar_name(field: str, normalize: str) -> str:
    """Return the file of a field's integer copy: ``gap.row.sidecar``."""
    return f"{field}.{normalize}.sidecar"


def write_sidecars(
    folder: Path, spec: Spec, arrays: Mapping[str, NDArray[Any]], digests: Mapping[str, str], normalize: str
) -> dict[str, str]:
    """Write the integer copies of a new segment's vectors into its folder; return their XXH3 by name.

    Parameters
    ----------
    folder
        That nothing names yet.
    spec
        Of a hash model none is kept: its codes are searched.
    arrays
        By field.
    digests
        SHA-256 of the files, by name.
    normalize
        With what they are searched.
    """
    found = {}
    for field in _searched(spec):
        array = arrays[field.name]
        copy = None if array.nbytes < LEAST_BYTES else made_sidecar(array, digests[f"{field.name}.npy"], normalize)
        if copy is not None:
            name = sidecar_name(field.name, normalize)
            add_file(folder / name, copy.buffer)
            found[name] = _digest(copy.buffer)
    return found


def made_sidecar(
    array: NDArray[Any], digest: str, normalize: Any, precision: Literal["auto", "int8", "int16"] = "auto"
) -> Sidecar | None:
    """Return the integer copy of an array whose file has a SHA-256; None where there can be none."""
    copy = prepare(array, normalize=normalize, copy=False, precision=precision).sidecar
    if copy is not None:
        copy.mark(bytes.fromhex(digest))
    return copy


def read_sidecar(path: Path, xxh3: str, digest: str) -> Sidecar | None:
    """Map an integer copy; where it is damaged, warn and return None.

    Parameters
    ----------
    path
        Its file.
    xxh3
        That it must have.
    digest
        SHA-256 of the vectors' file.
    """
    try:
        with reading(path, "an integer copy of vectors", _AGAIN, ArchiveError):
            with open(path, "rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            _compare(content, xxh3)
            return Sidecar.from_buffer(content, bytes.fromhex(digest))
    except (ArchiveError, MachineError) as error:
        warnings.warn(str(error), RsirWarning, stacklevel=2)
        return None


def mend_sidecar(path: Path, xxh3: str, vectors: Path, digest: str) -> None:
    """Write an integer copy again in its place; where it would not have the bytes that it had, leave it.

    Parameters
    ----------
    path, xxh3
        Its file, and what that had.
    vectors, digest
        The sound file of the vectors, and its SHA-256.
    """
    array = np.load(vectors, mmap_mode="r", allow_pickle=False)
    for precision in ("int8", "int16"):
        copy = made_sidecar(array, digest, path.name.split(".")[-2], precision)
        if copy is not None and _digest(copy.buffer) == xxh3:
            write_durably(path, copy.tobytes())
            return


def check_sidecar(path: Path, xxh3: str) -> None:
    """Raise ArchiveError unless an integer copy is as it was written."""
    with reading(path, "an integer copy of vectors", "`rsir archive verify --repair` mends it", ArchiveError):
        _compare(path.read_bytes(), xxh3)


def _searched(spec: Spec) -> Iterator[FieldSpec]:
    if not any(field.kind == "code" for field in spec.fields):
        yield from (field for field in spec.fields if field.kind == "vector" and field.is_searched)


def _compare(content: Any, xxh3: str) -> None:
    if _digest(content) != xxh3:
        raise ValueError("its XXH3 is not that in segment.json")


def _digest(content: Any) -> str:
    return xxhash.xxh3_128_hexdigest(content)

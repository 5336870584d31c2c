"""Lengths of binary codes."""

from __future__ import annotations

from rsir_fast.base import compiled
from rsir_fast.base.counts import as_count

__all__ = ["check_same_codes", "code_length", "common_length"]


def code_length(width: int, bits: int | None) -> int:
    """Return the length in bits of codes of `width` bytes.

    Raises
    ------
    ValueError
        `bits` does not fit into those bytes, or there are more than the kernels count.
    """
    length = 8 * width if bits is None else as_count(bits, "bits")
    if (length + 7) // 8 != width:
        raise ValueError(
            f"bits: expected {max(0, 8 * width - 7)} to {8 * width} for codes of {width} bytes, got {bits}"
        )
    most = compiled.cpu.MAX_CODE_BITS
    if length > most:
        raise ValueError(f"bits: expected codes of at most {most} bits, got {length}; use shorter codes")
    return length


def common_length(queries: int, database: int, bits: int | None) -> int:
    """Return the length in bits of codes of both sides, of so many bytes each.

    Raises
    ------
    ValueError
        They differ, or as `code_length`.
    """
    if queries != database:
        raise ValueError(
            f"queries have {queries} bytes a code, the database has {database}; expected codes of one length"
        )
    return code_length(queries, bits)


def check_same_codes(width: int, made_with: int, bits: int | None) -> None:
    """Raise ValueError unless queries of `width` bytes, and `bits` if given, fit prepared codes of `made_with` bits."""
    if bits is not None and as_count(bits, "bits") != made_with:
        raise ValueError(f"bits: expected {made_with}, the length of the prepared codes, got {bits}")
    if width != (made_with + 7) // 8:
        raise ValueError(
            f"queries have {width} bytes a code, the database has {(made_with + 7) // 8}; expected codes of one length"
        )

"""Whole numbers that a caller gives, checked."""

from __future__ import annotations

import operator

from rsir_fast.base.text import printable

__all__ = ["as_count"]


def as_count(
    value: object,
    name: str,
    *,
    least: int = 0,
    most: int = 2**63 - 1,
    noun: str = "a number of ",
    unit: str = "",
) -> int:
    """Return a whole number of `least` to `most`; True and False are none.

    Parameters
    ----------
    noun, unit
        What the errors say before and behind the bound.

    Raises
    ------
    TypeError
        ``value`` is not a whole number.
    ValueError
        ``value`` is out of range.
    """
    try:
        count = value if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        count = True  # as little a number as True is
    if isinstance(count, bool):
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__} {printable(repr(value)[:80])}")
    if least <= count <= most:
        return count
    bound = f"at least {least}" if count < least else f"at most {most}"
    shown = str(count) if abs(count) < 2**70 else f"a number of {count.bit_length()} bits"
    raise ValueError(f"{name}: expected {noun}{bound}{unit}, got {shown}")

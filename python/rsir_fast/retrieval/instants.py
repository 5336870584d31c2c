"""Instants as text: what users, tables and JSON say of time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

__all__ = ["instant", "iso"]

_SHORT = re.compile(r"\d{4}(-\d{2})?")
_START = datetime(1970, 1, 1, tzinfo=timezone.utc)


def instant(text: str) -> int:
    """Return microseconds since 1970 (UTC) of an instant in ISO 8601.

    A day, a month or a year is its first instant, UTC where no offset is said.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> instant("1970-01-02") == instant("1970-01-02T02:00+02:00") == 86_400_000_000
    True
    >>> instant("1971") == instant("1971-01-01T00:00:00Z")
    True
    """
    whole = text + "-01-01"[len(text) - 4 :] if _SHORT.fullmatch(text) else text
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", whole))  # Z is known from Python 3.11 on
    except ValueError:
        raise ValueError(
            f"time: expected a date or an instant such as 2020, 2020-06, 2020-06-30 or 2020-06-30T12:00Z, got {text!r}"
        ) from None
    at = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return (at - _START) // timedelta(microseconds=1)


def iso(microseconds: int) -> str:
    """Return an instant as text.

    Examples
    --------
    >>> iso(86_400_000_000), instant(iso(-1))
    ('1970-01-02T00:00:00Z', -1)
    """
    return f"{(_START + timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat()}Z"

"""Numbers and names as people read them: one rule for missing values, one for percent, one for long names."""

from __future__ import annotations

import math
from decimal import Decimal

__all__ = ["MISSING", "count", "distance", "fraction", "percent", "rate", "seconds", "shorten"]

MISSING = "–"


def _is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def fraction(value: float | None) -> str:
    """Write a measure in [0, 1] with four decimals.

    Parameters
    ----------
    value : float or None
        The measure; None, NaN and infinities count as missing.

    Returns
    -------
    str
        Four decimals, or an en dash.

    Examples
    --------
    >>> fraction(0.55674), fraction(None)
    ('0.5567', '–')
    """
    return MISSING if value is None or _is_missing(value) else f"{value:.4f}"


def percent(value: float | None) -> str:
    """Write a measure in [0, 1] as percent, with the very digits that `fraction` shows.

    Parameters
    ----------
    value : float or None
        The measure; None, NaN and infinities count as missing.

    Returns
    -------
    str
        Percent with two decimals and its sign, or an en dash.

    Examples
    --------
    >>> percent(0.55674), percent(float("nan"))
    ('55.67 %', '–')
    """
    text = fraction(value)
    return text if text == MISSING else f"{Decimal(text).scaleb(2):.2f} %"


def count(value: int | None) -> str:
    """Write a whole number with thousands separated.

    Examples
    --------
    >>> count(2100)
    '2,100'
    """
    return MISSING if value is None else f"{value:,}"


def distance(value: float | None) -> str:
    """Write a distance with four significant digits.

    Examples
    --------
    >>> distance(5.18273), distance(0.204), distance(0.0), distance(21234.5)
    ('5.183', '0.2040', '0', '21,234')
    """
    if value is None or _is_missing(value):
        return MISSING
    if value == 0:
        return "0"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:#.4g}"


def seconds(value: float | None) -> str:
    """Write a duration in the unit that suits it.

    Examples
    --------
    >>> seconds(0.0123), seconds(7.26), seconds(125.4)
    ('12.3 ms', '7.26 s', '2 min 05 s')
    """
    if value is None or _is_missing(value):
        return MISSING
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 60:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def rate(value: float | None) -> str:
    """Write a throughput in images per second.

    Examples
    --------
    >>> rate(123.46)
    '123 images/s'
    """
    return MISSING if value is None or _is_missing(value) else f"{value:.3g} images/s"


def shorten(text: str, width: int) -> str:
    """Cut a name to a width and make its control characters harmless.

    Parameters
    ----------
    text : str
        Any name, for example of a class folder.
    width : int
        Largest number of characters returned, at least 2.

    Returns
    -------
    str
        The name; where cut, the middle is replaced by an ellipsis, so that both ends still tell names apart.

    Examples
    --------
    >>> shorten("denseresidential", 12)
    'denser…ntial'
    >>> shorten("bell" + chr(7), 12)
    'bell�'
    """
    clean = "".join(char if char.isprintable() else "�" for char in text)
    if len(clean) <= width:
        return clean
    head = width // 2
    tail = width - 1 - head
    return f"{clean[:head]}…{clean[len(clean) - tail :]}"

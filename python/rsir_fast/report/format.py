"""Numbers and names as people read them: one rule for missing values, one for percent, one for long names."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

__all__ = ["MISSING", "count", "counted", "distance", "fraction", "percent", "rate", "seconds", "shorten", "span"]

MISSING = "–"


def _is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _significant(value: float, digits: int) -> str:
    """Round to significant digits and write them out with thousands separated, without an exponent where it is short.

    The rounded value decides the form: 9999.7 with four digits is a five-digit number.
    """
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0:
        return "0"
    if not 1e-4 <= abs(rounded) < 1e9:
        return f"{value:#.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def _trimmed(text: str) -> str:
    """Drop zeros that end a decimal fraction."""
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


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
    # Adding zero turns the minus zero that a small negative value rounds to into zero.
    return MISSING if value is None or _is_missing(value) else f"{round(value, 4) + 0.0:.4f}"


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


def span(low: float | None, high: float | None, form: Callable[[float | None], str] = percent) -> str:
    """Write the ends of an interval of a measure, as percent or in another form.

    Examples
    --------
    >>> span(0.5461, 0.567), span(None, None), span(0.5461, 1.2, fraction)
    ('54.61 to 56.70 %', '–', '0.5461 to 1.2000')
    """
    if _is_missing(low) or _is_missing(high):
        return MISSING
    return f"{form(low).removesuffix(' %')} to {form(high)}"


def count(value: int | None) -> str:
    """Write a whole number with thousands separated.

    Examples
    --------
    >>> count(2100)
    '2,100'
    """
    return MISSING if value is None else f"{value:,}"


def counted(value: int, one: str, many: str) -> str:
    """Write a number and what it counts.

    Examples
    --------
    >>> counted(1, "class", "classes"), counted(2100, "image", "images")
    ('1 class', '2,100 images')
    """
    return f"{count(value)} {one if value == 1 else many}"


def distance(value: float | None) -> str:
    """Write a distance with four significant digits.

    Examples
    --------
    >>> distance(5.18273), distance(0.204), distance(0.0), distance(21234.5)
    ('5.183', '0.2040', '0', '21,234')
    """
    return MISSING if value is None or _is_missing(value) else _significant(value, 4)


def seconds(value: float | None) -> str:
    """Write a duration in the unit that suits it once it is rounded.

    Examples
    --------
    >>> seconds(0.0123), seconds(7.26), seconds(125.4), seconds(3725)
    ('12.3 ms', '7.26 s', '2 min 05 s', '1 h 02 min 05 s')
    """
    if value is None or _is_missing(value):
        return MISSING
    if abs(value) < 1e-9:
        return "0 s"
    if float(f"{value * 1000:.3g}") < 1000:
        return f"{_trimmed(_significant(value * 1000, 3))} ms"
    if float(f"{value:.3g}") < 60:
        return f"{_trimmed(_significant(value, 3))} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def rate(value: float | None) -> str:
    """Write a throughput in images per second with three significant digits, whole numbers in full.

    Examples
    --------
    >>> rate(123.46), rate(1234.5)
    ('123 images/s', '1,234 images/s')
    """
    return MISSING if value is None or _is_missing(value) else f"{_trimmed(_significant(value, 3))} images/s"


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

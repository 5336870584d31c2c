"""Text that any terminal can show."""

from __future__ import annotations

from collections.abc import Sequence

from rsir_fast.base.objects import url_of_path

__all__ = ["listed", "printable"]


def printable(text: object) -> str:
    r"""Text that fits on one line of any terminal: odd bytes and control characters as escapes.

    Parameters
    ----------
    text
        Anything with a ``str``, mostly a path; file names that are no valid UTF-8 are welcome.

    Returns
    -------
    str
        The same text, escaped where it cannot be shown.

    Examples
    --------
    >>> printable("two" + chr(10) + "lines.jpg")
    'two\\nlines.jpg'
    """
    plain = url_of_path(str(text)).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in plain)


def listed(names: Sequence[object], shown: int = 5) -> str:
    """Return the first few of many names on one line, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], shown=2), listed(["a"])
    ('a, b and 1 more', 'a')
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(printable, names[:shown])) + more


def short(text: object, most: int = 120) -> str:
    """Return `printable` text, cut where it is long: what a damaged file says may go on for megabytes.

    Examples
    --------
    >>> short("a" * 200, most=5)
    'aaaaa...'
    """
    whole = printable(text)
    return whole if len(whole) <= most else f"{whole[:most]}..."

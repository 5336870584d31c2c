"""How an object shows itself: one line at a prompt, a small table in a notebook, never the numbers it holds."""

from __future__ import annotations

from html import escape

from rsir_fast.base.text import printable

__all__ = ["Shown", "counted"]

_LONGEST = 60
"""Characters of a fact in a line; a table has all of them."""


class Shown:
    """A class that says what it holds in `_facts`; the line has the facts, the table their labels too.

    Names come from folders that nobody has checked: in a line what no terminal shows is escaped, in a table what would
    be markup, and a name that is read from right to left leaves what is around it in place.

    Examples
    --------
    >>> class Pair(Shown):
    ...     def _facts(self):
    ...         return {"size": "2 x 3 float32", "of": "a<b", "nothing": ""}
    >>> Pair()
    Pair(2 x 3 float32, a<b)
    >>> Pair()._repr_html_().count("<tr>"), "a&lt;b" in Pair()._repr_html_()
    (2, True)
    """

    def _facts(self) -> dict[str, str]:
        """Return what there is to say, by label; an empty text is left out."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(_short(text) for text in self._facts().values() if text)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(label)}</th>'
            f'<td style="text-align:left"><bdi>{escape(printable(text))}</bdi></td></tr>'
            for label, text in self._facts().items()
            if text
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption><tbody>{rows}</tbody></table>"


def counted(count: int, one: str, many: str) -> str:
    """Say how many: ``1 class``, ``2,100 classes``.

    Examples
    --------
    >>> counted(2100, "image", "images")
    '2,100 images'
    """
    return f"{count:,} {one if count == 1 else many}"


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"

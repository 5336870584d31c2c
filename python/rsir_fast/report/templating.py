"""Pages from templates: everything is escaped, nothing may be undefined, numbers and names are written by one rule."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from rsir_fast.report import format as text

__all__ = ["breakable", "plain", "template"]

_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(rf"[{_LETTERS}](?:[\s_-]*[{_LETTERS}])*")
"""Words in Hebrew, Arabic and the other scripts that are read from right to left."""


@cache
def template(name: str) -> Template:
    """Return a template of the package by file name."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_isolated,
    )
    for function in (text.fraction, text.percent, text.count, text.counted, breakable, plain):
        environment.filters[function.__name__] = function
    return environment.get_template(name)


def breakable(name: str) -> Markup:
    """Let a long name break where a reader would break it: after a stroke, a slash, a dot or a small letter.

    A name has a direction of its own: one that is read from right to left leaves what is around it in place.

    Examples
    --------
    >>> breakable("a_<b>")
    Markup('<bdi>a_<wbr>&lt;b&gt;</bdi>')
    """
    name = str(name)
    inner: list[str] = []
    end = 0
    for words in _RIGHT_TO_LEFT.finditer(name):
        inner += [_broken(name[end : words.start()]), f"<bdi>{escape(words[0])}</bdi>"]
        end = words.end()
    return Markup("<bdi>" + "".join([*inner, _broken(name[end:])]) + "</bdi>")


def _broken(text: str) -> str:
    return re.sub(r"([_/.\-]|[a-z](?=[A-Z]))(?=.)", r"\1<wbr>", str(escape(text)))


def plain(words: str) -> Markup:
    """Keep words that may be read from right to left together where no tag may stand: in an attribute or a title."""
    text = str(escape(words))
    return Markup(f"\u2068{text}\u2069" if _RIGHT_TO_LEFT.search(words) else text)


def _isolated(value: object) -> object:
    """Set apart what is read from right to left in a sentence that is not."""
    if not isinstance(value, str) or isinstance(value, Markup) or not _RIGHT_TO_LEFT.search(value):
        return value
    return Markup(_RIGHT_TO_LEFT.sub(r"<bdi>\g<0></bdi>", str(escape(value))))

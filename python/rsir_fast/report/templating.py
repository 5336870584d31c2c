"""Pages from templates: everything is escaped, nothing may be undefined, numbers and names are written by one rule."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from rsir_fast.report import format as text

__all__ = ["breakable", "template"]


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
    )
    for function in (text.fraction, text.percent, text.count, text.counted, breakable):
        environment.filters[function.__name__] = function
    return environment.get_template(name)


def breakable(name: str) -> Markup:
    """Let a long name break where a reader would break it: after a stroke, a slash, a dot or a small letter.

    Examples
    --------
    >>> breakable("a_<b>")
    Markup('a_<wbr>&lt;b&gt;')
    """
    return Markup(re.sub(r"([_/.\-]|[a-z](?=[A-Z]))(?=.)", r"\1<wbr>", str(escape(name))))

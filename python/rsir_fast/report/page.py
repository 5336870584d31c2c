"""The HTML report: one file that needs nothing but itself."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from markupsafe import Markup

from rsir_fast.report.content import Page
from rsir_fast.report.templating import template

if TYPE_CHECKING:
    from rsir_fast.protocols.result import Result

__all__ = ["inline_svg", "render_page"]

_SKIPPED_SHOWN = 100
_SHARED = [entry.name for entry in fields(Page) if entry.name not in ("template", "particular")]


def render_page(page: Page, result: Result, command: str | None = None) -> str:
    """Render a result as one self-contained HTML page: no script, no request, readable offline and on paper.

    Parameters
    ----------
    page : Page
        What it says.
    result : Result
        What its template reads further.
    command : str, optional
        The command line that gives this result again.

    Returns
    -------
    str
        The page. Names of classes, files and folders are escaped: they come from folders nobody has checked.
    """
    shared = {name: getattr(page, name) for name in _SHARED}
    shared["skipped"] = page.skipped[:_SKIPPED_SHOWN]
    shared |= {"skipped_count": len(page.skipped), "result": result, "command": command}
    return template(page.template).render(shared | dict(page.particular))


def inline_svg(svg: bytes, name: str) -> Markup:
    """Turn an SVG file into markup that can stand in a page beside others.

    Parameters
    ----------
    svg : bytes
        A file as the plots of this package write it.
    name : str
        Put before every id, since ids of two files in one page would clash.

    Returns
    -------
    Markup
        The ``<svg>`` element, sized by the page and not by itself.

    Examples
    --------
    >>> file = b'<?xml version="1.0"?><svg width="9pt" height="9pt" viewBox="0 0 9 9"><g id="a"/></svg>'
    >>> inline_svg(file, "pr")
    Markup('<svg viewBox="0 0 9 9"><g id="pr-a"/></svg>')
    """
    source = svg.decode("utf-8")
    source = source[source.index("<svg") :].strip()
    head, body = source.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)

    def prefix_ids(tag: re.Match[str]) -> str:
        return re.sub(r'(\sid="|href="#|url\(#)', rf"\1{name}-", tag[0])

    # Only inside tags: a class name in a text node may read like a reference and must stay as it is.
    return Markup(f"{head}>{re.sub(r'<[^>]+>', prefix_ids, body)}")

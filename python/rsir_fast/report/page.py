"""The HTML report: one file that needs nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup
from PIL import Image

from rsir_fast.report.describe import citations, notes, provenance_rows, timing_rows
from rsir_fast.report.rankings import ranking
from rsir_fast.report.templating import template
from rsir_fast.report.thumbnails import Thumbnails
from rsir_fast.report.views import view_of

__all__ = ["inline_svg", "render_page"]

_SKIPPED_SHOWN = 100


def render_page(
    result: Mapping[str, Any],
    plots: Mapping[str, bytes],
    examples: Sequence[Mapping[str, Any]] = (),
    load_image: Callable[[int], Image.Image] | None = None,
    *,
    command: str | None = None,
    machine: Mapping[str, str] | None = None,
    thumbnail_size: int = 112,
) -> str:
    """Render a result as one self-contained HTML page: no script, no request, readable offline and on paper.

    Parameters
    ----------
    result : result
        What an evaluation protocol returned.
    plots : mapping of str to bytes
        SVG files by name, as the protocol's view draws them.
    examples : sequence of mapping
        Rankings to show, each with ``query`` (item index), ``query_class``, ``average_precision`` and ``results``, a
        list of ``item``, ``class``, ``distance``, ``relevant``; an optional ``note`` says why it was chosen. With
        labels also ``label`` and ``probability`` (of the query: ``query_label``, ``query_probability``).
    load_image : callable, optional
        Item index -> PIL image. An image that raises ImageError is shown as a placeholder with the reason.
    command : str, optional
        The command line that gives this result again.
    machine : mapping of str to str, optional
        What is known of the machine, shown under provenance.
    thumbnail_size : int
        Side of the example images in pixels.

    Returns
    -------
    str
        The page. Names of classes, files and folders are escaped: they come from folders nobody has checked.
    """
    thumbnails = Thumbnails(load_image, thumbnail_size)
    skipped = result["dataset"].get("skipped", ())
    shared = {
        "notes": notes(result),
        "result": result,
        "dataset": result["dataset"],
        "features": result["features"],
        "plots": {name: inline_svg(svg, name) for name, svg in plots.items()},
        "pictures_given": load_image is not None,
        "rankings": [ranking(example, thumbnails) for example in examples],
        "provenance": provenance_rows(result, machine),
        "timing": timing_rows(result),
        "citations": citations(result),
        "skipped": skipped[:_SKIPPED_SHOWN],
        "skipped_count": len(skipped),
        "command": command,
    }
    return template(f"{result['protocol']}.html.j2").render(shared | view_of(result).context(result))


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

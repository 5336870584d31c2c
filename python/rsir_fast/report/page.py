"""The HTML report: one file that needs nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from PIL import Image

from rsir_fast.report import format as text
from rsir_fast.report.describe import (
    citations,
    method_rows,
    network_name,
    notes,
    provenance_rows,
    timing_rows,
    weights_name,
)
from rsir_fast.report.published import LAYERS, compare_with_published
from rsir_fast.report.thumbnails import Thumbnail, Thumbnails

__all__ = ["inline_svg", "render_page"]

_SKIPPED_SHOWN = 100


class _Picture(NamedTuple):
    """One image of a ranking with its caption."""

    thumbnail: Thumbnail
    label: str
    distance: str
    relevant: bool


class _Ranking(NamedTuple):
    """One query and what was returned for it."""

    note: str
    query: _Picture
    average_precision: str
    right: int
    results: list[_Picture]
    missing: list[str]


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
        SVG files ``pr_curve``, ``precision_at_n`` and ``per_class``.
    examples : sequence of mapping
        Rankings to show, each with ``query`` (item index), ``query_class``, ``average_precision`` and ``results``, a
        list of ``item``, ``class``, ``distance``, ``relevant``; an optional ``note`` says why it was chosen.
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
    return _template().render(
        title=f"{result['dataset']['name']}, {network_name(result['features'])} {result['features']['layer']}",
        network=network_name(result["features"]),
        weights=weights_name(result["features"]),
        notes=notes(result),
        result=result,
        dataset=result["dataset"],
        features=result["features"],
        excluded=result["query_excluded"],
        included=result["query_included"],
        classes=_class_rows(result),
        plots={name: inline_svg(svg, name) for name, svg in plots.items()},
        pictures_given=load_image is not None,
        rankings=[_ranking(example, thumbnails) for example in examples],
        published=compare_with_published(result),
        layers=LAYERS,
        method=method_rows(result),
        provenance=provenance_rows(result, machine),
        timing=timing_rows(result),
        citations=citations(result),
        skipped=skipped[:_SKIPPED_SHOWN],
        skipped_count=len(skipped),
        command=command,
    )


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


@cache
def _template() -> Template:
    folder = Path(__file__).with_name("templates")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (text.fraction, text.percent, text.count, text.counted):
        environment.filters[function.__name__] = function
    environment.filters["breakable"] = _breakable
    return environment.get_template("report.html.j2")


def _breakable(name: str) -> Markup:
    """Let a long name break where a reader would break it: after a stroke, a slash, a dot or a small letter."""
    return Markup(re.sub(r"([_/.\-]|[a-z](?=[A-Z]))(?=.)", r"\1<wbr>", str(escape(name))))


def _class_rows(result: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Pair the measures of each class, query excluded and query included."""
    included = {row["class"]: row for row in result["query_included"]["per_class"]}
    return [(row, included.get(row["class"], {})) for row in result["query_excluded"]["per_class"]]


def _ranking(example: Mapping[str, Any], thumbnails: Thumbnails) -> _Ranking:
    query = _Picture(thumbnails(example["query"]), example["query_class"], "", True)
    results = [
        _Picture(thumbnails(hit["item"]), hit["class"], text.distance(hit["distance"]), hit["relevant"])
        for hit in example["results"]
    ]
    places = [("the query", query), *((f"rank {rank}", hit) for rank, hit in enumerate(results, 1))]
    return _Ranking(
        note=example.get("note", ""),
        query=query,
        average_precision=text.fraction(example["average_precision"]),
        right=sum(1 for hit in example["results"] if hit["relevant"]),
        results=results,
        missing=[f"{place}: {shown.thumbnail.problem}" for place, shown in places if shown.thumbnail.uri is None],
    )

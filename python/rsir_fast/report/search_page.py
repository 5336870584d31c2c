"""A search as one self-contained HTML page: pictures of what was found, and a map of where it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from PIL import Image

from rsir_fast.base.durable import write_durably
from rsir_fast.base.objects import url_of_path
from rsir_fast.report.footprint_map import footprint_map
from rsir_fast.report.templating import template
from rsir_fast.report.thumbnails import Thumbnail, Thumbnails

if TYPE_CHECKING:
    from rsir_fast.retrieval import Answer, Hits

__all__ = ["search_page", "write_search_page"]

_SIDE = 160
"""Of a thumbnail, in pixels."""


@dataclass(frozen=True)
class _Shown:
    """A query and what was found for it."""

    name: str
    thumbnail: Thumbnail | None
    results: list[tuple[Any, Thumbnail]]
    map: Markup | None
    unplaced: int


def write_search_page(path: Path, hits: Hits, *, command: str | None = None) -> Path:
    """Write `search_page`; what was there is replaced in one step."""
    write_durably(path, search_page(hits, command=command).encode("utf-8", "backslashreplace"))
    return path


def search_page(hits: Hits, *, command: str | None = None) -> str:
    """Return a page of an answer: no script, no request, readable offline and on paper.

    Parameters
    ----------
    hits : Hits
    command : str, optional
        The command line that gives this page again.
    """
    paths = {found.item: found.path for answer in hits.answers for found in answer.results}
    picture = _pictures(hits, paths)
    shown = [_shown(answer, hits, paths, picture) for answer in hits.answers]
    database = hits.database
    facts = {
        "searched": f"{database.name}, {len(database):,} items",
        "encoder": database.provenance.get("description"),
        **hits.how,
    }
    return template("search.html.j2").render(
        title=f"Search of {database.name}",
        answers=shown,
        facts={str(name): str(value) for name, value in facts.items() if value is not None},
        notes=hits.notes,
        skipped=hits.skipped,
        command=command,
    )


def _pictures(hits: Hits, paths: dict[str, str]) -> Callable[[str], Thumbnail]:
    """Return what makes the thumbnail of a file, or of a window of a raster, as the database was read."""
    from dataclasses import replace

    from rsir_fast.datasets import Reader
    from rsir_fast.retrieval.queries import query_files

    names = list(dict.fromkeys([*paths.values(), *(paths.get(name, name) for name in hits.queries)]))
    data = replace(query_files(names), reader=Reader.of(hits.database.provenance))
    numbers = {url_of_path(name): number for number, name in enumerate(data.items)}

    def load(number: int) -> Image.Image:
        return data.load_image(number)

    thumbnails = Thumbnails(load, size=_SIDE)
    return lambda name: thumbnails(numbers[name]) if name in numbers else Thumbnail(None, "no picture")


def _shown(answer: Answer, hits: Hits, paths: dict[str, str], picture: Callable[[str], Thumbnail]) -> _Shown:
    from rsir_fast.archive.footprints import footprints

    query = picture(paths.get(answer.query, answer.query))
    items = [hits.items[found.id] for found in answer.results]
    placed = [
        (found, shape) for found, shape in zip(answer.results, footprints(items), strict=True) if shape is not None
    ]
    drawn = None
    if placed:
        drawn = footprint_map([shape for _, shape in placed], [f"{found.rank} {found.item}" for found, _ in placed])
    return _Shown(
        answer.query,
        query if query.uri else None,
        [(found, picture(found.path)) for found in answer.results],
        drawn,
        len(items) - len(placed) if placed else 0,
    )

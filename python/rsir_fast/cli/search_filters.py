"""Options of ``rsir search`` that say which items may be found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli.search_queries import numbers

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.retrieval.where import Where

__all__ = ["FilterOptions"]

_FILTERS = "Which items may be found (all of what is said)"


@dataclass(frozen=True)
class FilterOptions:
    """Which items may be found."""

    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Of this class; again: or of that.", rich_help_panel=_FILTERS),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'COLUMN OP VALUE'",
            help="By a column: 'cloud <= 0.2', 'sensor in S2,L8'; OP is one of = != < <= > >= in. Again: and so.",
            rich_help_panel=_FILTERS,
        ),
    ] = None
    box: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N",
            help="That meet a box in degrees (WGS 84); W > E crosses the antimeridian.",
            rich_help_panel=_FILTERS,
        ),
    ] = None
    polygon: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="That meet the geometry in a file: GeoJSON or WKT, in degrees.",
            rich_help_panel=_FILTERS,
        ),
    ] = None
    within: Annotated[
        bool, typer.Option("--within", help="That lie in box and polygon as a whole.", rich_help_panel=_FILTERS)
    ] = False
    after: Annotated[
        str | None, typer.Option(metavar="DATE", help="Taken then or later (UTC).", rich_help_panel=_FILTERS)
    ] = None
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Taken before then (UTC).", rich_help_panel=_FILTERS)
    ] = None
    among: Annotated[
        str | None, typer.Option("--ids", metavar="N,N-N", help="Of these ids.", rich_help_panel=_FILTERS)
    ] = None

    def tree(self, database: Features) -> Where | None:
        """Return what is said as one condition; None where nothing is.

        Raises
        ------
        ValueError
            For what cannot be meant.
        """
        from rsir_fast.retrieval.conditions import parse_condition
        from rsir_fast.retrieval.searched import Searched
        from rsir_fast.retrieval.where import AllOf, Box, Column, Ids, Polygon, Time

        if self.within and self.box is None and self.polygon is None:
            raise ValueError("within: expected a box or a polygon to go with it; say which, or leave it out")
        searched = Searched(database)
        parts: list[Where] = [parse_condition(text, searched) for text in self.where or ()]
        if self.classes:
            parts.append(Column(column="class", op="in", value=tuple(self.classes)))
        if self.box is not None:
            parts.append(Box(box=numbers("box", "W,S,E,N", self.box, 4), within=self.within))
        if self.polygon is not None:
            parts.append(Polygon(polygon=_read(self.polygon), within=self.within))
        if self.after is not None or self.before is not None:
            parts.append(Time(after=self.after, before=self.before))
        if self.among is not None:
            parts.append(Ids(ids=_ids(self.among)))
        return AllOf(all=tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def _ids(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) - int(first) > 10_000_000):
            raise ValueError(f"--ids: expected whole numbers such as 3,9,20-29, got {part!r}")
        found += range(int(first), int(last) + 1) if dash else [int(first)]
    return tuple(found)


def _read(path: Path) -> Any:
    """Return the GeoJSON, or the WKT, in a file."""
    import json

    from rsir_fast.base.reading import reading
    from rsir_fast.errors import RsirError

    with reading(path, "a polygon in GeoJSON or WKT", "give another file", RsirError):
        text = path.read_text(encoding="utf-8-sig").strip()
        return json.loads(text) if text.startswith("{") else text

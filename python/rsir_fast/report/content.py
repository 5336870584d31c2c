"""What the report on a result consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rsir_fast.report.describe import Citation, Row

if TYPE_CHECKING:
    from PIL import Image

    from rsir_fast.protocols.facts import SkippedInput

__all__ = ["Content", "Options", "Page"]


@dataclass(frozen=True)
class Options:
    """How a report is wanted: pictures of examples and their side in pixels, the machine, tables with empty rows."""

    load_image: Callable[[int], Image.Image] | None = None
    machine: Mapping[str, str] | None = None
    thumbnail_size: int = 112
    all_rows: bool = False


@dataclass(frozen=True)
class Page:
    """What every page says, and what is for its own template alone."""

    template: str
    title: str
    method: Sequence[Row]
    provenance: Sequence[Row]
    citations: Sequence[Citation]
    notes: Sequence[str] = ()
    skipped: Sequence[SkippedInput] = ()
    timing: Sequence[Row] = ()
    particular: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """The page, and the files beside it: plots and tables by their names."""

    page: Page
    files: Mapping[str, str | bytes]

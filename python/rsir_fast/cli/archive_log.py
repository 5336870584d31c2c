"""``rsir archive log``: the versions of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsir_fast.cli.archive_options import ArchiveFolder
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import note, print_json, print_result, reported_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from rsir_fast.archive.info import LogEntry


def log(*, archive: ArchiveFolder, output: PrintOptions) -> None:
    """List the versions of an archive: when each was committed, what it added and removed, and who did it."""
    with reported_errors():
        from rsir_fast.archive.info import history

        found = history(archive)
        for entry in found:
            if entry.problem is not None:
                note(f"note: {entry.problem}", output.quiet)
        if output.json:
            print_json({"archive": str(archive), "versions": [entry.model_dump() for entry in found]})
        else:
            print_result(_table(found))


def _table(found: Sequence[LogEntry]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from rsir_fast.base.text import printable

    table = Table(box=None)
    for column in ("version", "items", "added", "removed"):
        table.add_column(column, justify="right")
    for column in ("what", "when (UTC)", "by"):
        table.add_column(column, overflow="fold")
    for entry in found:
        change = entry.change
        counts = ("", "", "") if change is None else (change.items, change.added, change.removed)
        what = "damaged" if entry.problem is not None else "" if change is None else change.what
        cells = (entry.version, *counts, what, (entry.created or "").removesuffix("+00:00"))
        by = "" if change is None else change.by
        table.add_row(*(Text(printable(f"{cell:,}" if isinstance(cell, int) else cell)) for cell in (*cells, by)))
    return table

"""What the commands ``rsir reproduce ...`` do alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rsir_fast.base.looking import refuse_no_folder
from rsir_fast.cli.evaluating import conclude, own_command
from rsir_fast.cli.session import AGAIN, kept, plural
from rsir_fast.errors import RsirError

if TYPE_CHECKING:
    from rsir_fast.report.views import Reported


def check_tables_folder(out: Path) -> None:
    """Raise RsirError, before the work, if the tables could not be written."""
    refuse_no_folder(out, "the tables", RsirError, "--out")


def write_tables(result: Reported, out: Path, *, all_rows: bool, json: bool) -> None:
    """Write all files and print the result."""
    from rsir_fast.report import write_report

    paths = write_report(out, result, command=own_command(), all_rows=all_rows)
    conclude(result, paths["report.html"], json=json, all_rows=all_rows)


def left(out: Path | None, results: str, features: str) -> str:
    """Say what an interruption leaves in a folder, by the patterns of its results and of its features' folders."""
    out = out or Path()
    finished = len(list(out.glob(results)))
    if finished:
        return f"{plural(finished, 'run')} finished and kept in {out}; {AGAIN}"
    return next((kept(folder, AGAIN) for folder in sorted(out.glob(features))), "nothing was finished")

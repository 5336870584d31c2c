"""What the commands ``rsir reproduce ...`` do alike."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rsir_fast.base.looking import refuse_no_folder
from rsir_fast.base.shared import shared_command
from rsir_fast.cli.session import AGAIN, kept, plural, print_json, print_result
from rsir_fast.errors import RsirError

if TYPE_CHECKING:
    from rich.console import RenderableType


def check_tables_folder(out: Path) -> None:
    """Raise RsirError, before the work, if the tables could not be written."""
    refuse_no_folder(out, "the tables", RsirError, "--out")


def conclude(
    result: dict[str, Any],
    table: Callable[..., RenderableType],
    write: Callable[..., dict[str, Path]],
    out: Path,
    *,
    all_rows: bool,
    json: bool,
) -> None:
    """Write all files and print the result."""
    paths = write(out, result, command=shlex.join(["rsir", *shared_command(sys.argv[1:])]), all_rows=all_rows)
    if json:
        print_json(result)
    else:
        print_result(table(result, all_rows=all_rows))
        typer.echo(f"report: {paths['report.html'].absolute()}")


def left(out: Path | None, results: str, features: str) -> str:
    """Say what an interruption leaves in a folder, by the patterns of its results and of its features' folders."""
    out = out or Path()
    finished = len(list(out.glob(results)))
    if finished:
        return f"{plural(finished, 'run')} finished and kept in {out}; {AGAIN}"
    return next((kept(folder, AGAIN) for folder in sorted(out.glob(features))), "nothing was finished")

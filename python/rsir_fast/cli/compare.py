"""``rsir compare``: what each option beyond the paper adds."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.base.shared import shared_path
from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli import options as opt
from rsir_fast.cli.session import note, print_result, reported_errors


class Form(str, Enum):
    """How a table is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


def compare(
    features: Annotated[list[Path], typer.Argument(help="Folders written by `rsir features`, of the same images.")],
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--steps",
            callback=checked.steps,
            help="Post-processing to try, as in `rsir evaluate ge2018`; repeat.",
            autocompletion=values.parts_of(values.STEPS),
        ),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            callback=checked.to_rerank,
            help="Re-ranking to try, with each --steps and without; repeat.",
            autocompletion=values.parts_of(values.STAGES),
        ),
    ] = None,
    form: Annotated[Form, typer.Option("--form", help="How the table is written.")] = Form.table,
    threads: opt.Threads = None,
    device: opt.Device = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Measure options beyond the paper: mAP and ANMRR of each, on one data set.

    Without --steps and --rerank a set of them is tried: each by itself, then together. Several folders of features are
    measured each by itself, and side by side.
    """
    with reported_errors() as skipped:
        from rsir_fast.archive import Features
        from rsir_fast.protocols.compare_ge2018 import OPTIONS, Option, compare_ge2018
        from rsir_fast.report.grid import to_csv, to_latex, to_markdown, to_terminal
        from rsir_fast.report.options import options_grid
        from rsir_fast.retrieval import concatenated

        opt.check_device(device)
        loaded = [(shared_path(str(folder)), Features.load(folder)) for folder in features]
        skipped += dict.fromkeys(entry for _, made in loaded for entry in made.skipped)
        if len(loaded) > 1:
            loaded.append(("all side by side", concatenated([made for _, made in loaded])))
        given = [Option(), *(Option(chain, last) for chain in ["", *(steps or [])] for last in ["", *(rerank or [])])]
        options = list(dict.fromkeys(given)) if steps or rerank else OPTIONS
        total = len(loaded) * len(options)
        note(f"{total} evaluations of {len(loaded[0][1])} queries", quiet)
        result = compare_ge2018(loaded, options, threads=threads, device=device)
        grid = options_grid(result)
        if json:
            typer.echo(result.to_json(), nl=False)
        elif form is Form.table:
            print_result(to_terminal(grid))
        else:
            typer.echo({"markdown": to_markdown, "csv": to_csv, "latex": to_latex}[form.value](grid), nl=False)

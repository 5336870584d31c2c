"""``rsir compare``: options beyond the paper on features; evaluations beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsir_fast.base.looking import is_file, is_there
from rsir_fast.base.shared import shared_path
from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli import options as opt
from rsir_fast.cli.session import note, print_result, reported_errors
from rsir_fast.errors import DatasetError

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Skipped
    from rsir_fast.protocols.compare_ge2018 import Option
    from rsir_fast.protocols.result import Result
    from rsir_fast.report.grid import Grid

_ELSEWHERE = "Chosen here, measured there"


class Form(str, Enum):
    """How a table is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


def compare(
    given: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FEATURES...|RESULT...]",
            help="Folders written by `rsir features`, of the same images; or results of `rsir evaluate` (their folder "
            "or result.json), of the same queries.",
        ),
    ] = None,
    choose_on: Annotated[
        Path | None,
        typer.Option(
            "--choose-on",
            help="Features on which the best of all options is chosen, by mAP.",
            rich_help_panel=_ELSEWHERE,
        ),
    ] = None,
    report_on: Annotated[
        Path | None,
        typer.Option(
            "--report-on",
            help="Features of other images, on which the chosen option alone is measured, beside the paper's method.",
            rich_help_panel=_ELSEWHERE,
        ),
    ] = None,
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
    form: Annotated[Form, typer.Option("--form", help="How the tables are written.")] = Form.table,
    threads: opt.Threads = None,
    device: opt.Device = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Measure options beyond the paper on features; or test evaluations against one another.

    FEATURES: mAP and ANMRR of each option, on one data set. Without --steps and --rerank a set of them is tried: each
    by itself, then together. Several folders of features are measured each by itself, and side by side.

    --choose-on A --report-on B: the same options on A, the best of them alone on B, as nothing was chosen there.

    RESULT RESULT...: mAP of each with intervals by query and by class, and of every pair the difference with interval
    and p-value, by query and by class, corrected for the number of pairs.
    """
    with reported_errors() as skipped:
        found = list(given or [])
        results = [path for path in found if _is_result(path)]
        if choose_on is not None or report_on is not None:
            if choose_on is None or report_on is None or found:
                raise ValueError(
                    "--choose-on: expected --choose-on FEATURES and --report-on FEATURES, and no other folders, got "
                    f"{'one of them' if not found else f'{found[0]} as well'}"
                )
            opt.check_device(device)
            made, grids = _choose(choose_on, report_on, _options(steps, rerank), threads, device, quiet, skipped)
        elif results:
            if len(results) < len(found):
                other = next(path for path in found if path not in results)
                if not opt.is_features_folder(other):
                    what = "no result.json in it" if is_there(other) else "no such file or folder"
                    raise DatasetError(f"{other}: expected a result of `rsir evaluate`, found {what}; name another")
                raise ValueError(f"expected results alone or features alone, got {results[0]} and {other}")
            why = "is for features; results are compared as they are"
            opt.refuse_given(why, steps=steps, rerank=rerank, threads=threads, device=device)
            made, grids = _test(results)
        elif found:
            opt.check_device(device)
            made, grids = _measure(found, _options(steps, rerank), threads, device, quiet, skipped)
        else:
            raise ValueError(
                "expected folders of `rsir features`, results of `rsir evaluate`, or --choose-on and --report-on, "
                "got none"
            )
        _print(made, grids, form, json)


def _options(steps: list[str] | None, rerank: list[str] | None) -> Sequence[Option]:
    from rsir_fast.protocols.compare_ge2018 import OPTIONS, Option

    given = [Option(), *(Option(chain, last) for chain in ["", *(steps or [])] for last in ["", *(rerank or [])])]
    return list(dict.fromkeys(given)) if steps or rerank else OPTIONS


def _load(path: Path, skipped: list[Skipped]) -> tuple[str, Features]:
    from rsir_fast.archive import Features

    made = Features.load(path)
    skipped += [entry for entry in made.skipped if entry not in skipped]
    return shared_path(str(path)), made


def _measure(
    folders: Sequence[Path],
    options: Sequence[Option],
    threads: int | None,
    device: str | None,
    quiet: bool,
    skipped: list[Skipped],
) -> tuple[Result, list[Grid]]:
    """Measure options on features of the same images."""
    from rsir_fast.protocols.compare_ge2018 import compare_ge2018
    from rsir_fast.report.options import options_grid
    from rsir_fast.retrieval import concatenated

    loaded = [_load(folder, skipped) for folder in folders]
    if len(loaded) > 1:
        loaded.append(("all side by side", concatenated([made for _, made in loaded])))
    note(f"{len(loaded) * len(options)} evaluations of {len(loaded[0][1])} queries", quiet)
    result = compare_ge2018(loaded, options, threads=threads, device=device)
    return result, [options_grid(result)]


def _choose(
    choose_on: Path,
    report_on: Path,
    options: Sequence[Option],
    threads: int | None,
    device: str | None,
    quiet: bool,
    skipped: list[Skipped],
) -> tuple[Result, list[Grid]]:
    """Choose an option on some features, measure it on others."""
    from rsir_fast.protocols.choose_ge2018 import choose_ge2018
    from rsir_fast.report.options import choice_grids

    first, second = (_load(folder, skipped) for folder in (choose_on, report_on))
    note(f"{len(options)} evaluations of {len(first[1])} queries, 2 of {len(second[1])}", quiet)
    result = choose_ge2018(first, second, options, threads=threads, device=device)
    return result, choice_grids(result)


def _test(paths: Sequence[Path]) -> tuple[Result, list[Grid]]:
    """Test results against one another."""
    from rsir_fast.protocols.compare_results import compare_results, load_evaluation
    from rsir_fast.report.compared import compared_grids

    result = compare_results([(shared_path(str(path)), load_evaluation(path)) for path in paths])
    return result, compared_grids(result)


def _is_result(path: Path) -> bool:
    """Tell a result from a folder of features."""
    return is_file(path) or (is_file(path / "result.json") and not opt.is_features_folder(path))


def _print(result: Result, grids: Sequence[Grid], form: Form, json: bool) -> None:
    """Print a result as JSON, or its tables, an empty line between them."""
    from rsir_fast.report.grid import to_csv, to_latex, to_markdown, to_terminal

    if json:
        typer.echo(result.to_json(), nl=False)
    elif form is Form.table:
        for grid in grids:
            print_result(to_terminal(grid))
    else:
        written = {"markdown": to_markdown, "csv": to_csv, "latex": to_latex}[form.value]
        typer.echo("\n".join(map(written, grids)), nl=False)

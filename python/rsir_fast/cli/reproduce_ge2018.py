"""``rsir reproduce ge2018``: every table and figure of the first paper in one command."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsir_fast.base.freed_memory import keep_freed_memory
from rsir_fast.base.looking import is_folder, is_there
from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli import options as opt
from rsir_fast.cli.groups import ImageOptions, MachineOptions, PrintOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.reproducing import check_tables_folder, left, write_tables
from rsir_fast.cli.session import note, plural, reported_errors
from rsir_fast.errors import DatasetError, RsirError

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset

_ROWS = "Rows"
_BEYOND = "Beyond the paper: each adds a row to every network of --encoder, on top of those before"


@dataclass(frozen=True)
class RowOptions:
    """Which rows there are beside the paper's networks."""

    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            "-e",
            callback=checked.encoders_of_rows,
            help="Networks, NAME or NAME:LAYER, and shallow descriptors beside the paper's networks, or none; repeat. "
            "How a descriptor is compared: normalize=row, feature, minmax or none, distance=l1 behind a comma. "
            "\\[default: squeezenet1_1, mobilenet_v2, bovw-150, bovw-15000, morphological-62, colour-histogram, hog, "
            "lbp]",
            autocompletion=values.complete_encoder_of_row,
            rich_help_panel=_ROWS,
            show_default=False,
        ),
    ] = None
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Row that all others are compared with, such as cnn-m:fc6. \\[default: the first with figures]",
            autocompletion=values.complete_row,
            rich_help_panel=_ROWS,
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True)
class BeyondOptions:
    """What goes beyond the paper."""

    turns: Annotated[
        bool, typer.Option("--turns", help="Mean over the image's eight turns.", rich_help_panel=_BEYOND)
    ] = False
    steps: Annotated[
        str,
        typer.Option(
            callback=checked.steps,
            help="Post-processing, as in `rsir evaluate ge2018`.",
            autocompletion=values.parts_of(values.STEPS),
            rich_help_panel=_BEYOND,
            show_default=False,
        ),
    ] = ""
    rerank: Annotated[
        str,
        typer.Option(
            callback=checked.to_rerank,
            help="Re-ranking, as in `rsir evaluate ge2018`.",
            autocompletion=values.parts_of(values.STAGES),
            rich_help_panel=_BEYOND,
            show_default=False,
        ),
    ] = ""


@dataclass(frozen=True)
class _Images(ImageOptions):
    download: Annotated[
        bool, typer.Option("--download", help="Fetch weight files, and UC Merced, that are not here.")
    ] = False


def ge2018(
    *,
    data: Annotated[
        list[str],
        typer.Argument(
            help="FOLDER of images in class folders, or NAME=FOLDER: its name in the tables. As many as there are."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for features and tables. \\[default: runs/reproduce-ge2018-NAMES]"),
    ] = None,
    weights_folder: Annotated[
        Path | None,
        typer.Option("--weights-folder", help="Folder of weight files, searched before the usual places."),
    ] = None,
    rows: RowOptions,
    beyond: BeyondOptions,
    batch_size: opt.BatchSize = None,
    precision: opt.PrecisionMode = opt.Precision.float32,
    images: _Images,
    all_rows: opt.AllRows = False,
    machine: MachineOptions,
    output: PrintOptions,
) -> None:
    """Measure every row of Ge et al. 2018 on every data set, beside the published numbers.

    Rows: CNN-Alex, CNN-M, CNN-16, CNN-19 with pool5, fc6, fc7, as far as weight files are here (a note says which
    are missing), shallow descriptors, further networks. Writes mAP of each data set (Tables 2 and 3), dimension,
    ANMRR and times (Table 4) as Markdown, CSV and LaTeX, mAP by class, P-R and precision by number (Figures 3 to 5) as
    SVG, all of it as report.html, and result.json: by the same command to the same bytes. Interrupted, the same
    command again goes on where it was.
    """
    target: Path | None = out
    with reported_errors(lambda: left(target, "runs/*/*/result.json", "features/*/*")) as skipped:
        from rsir_fast.datasets import Skipped
        from rsir_fast.encoders.word import is_descriptor, parse_row
        from rsir_fast.protocols.methods import BASELINES, FURTHER, list_methods, list_sources
        from rsir_fast.protocols.reproduce_ge2018 import reproduce_ge2018

        keep_freed_memory()
        opt.check_device(machine.device)
        encoders = _listed(rows.encoder, (*FURTHER, *BASELINES))
        backbones = [name for name in encoders if not is_descriptor(parse_row(name).encoder)]
        descriptors = [name for name in encoders if name not in backbones]
        list_methods(list_sources(backbones, descriptors, **asdict(beyond)), rows.reference)
        weights = None if weights_folder is None else weights_folder.expanduser()
        if weights is not None and not is_folder(weights):
            found = "a file" if is_there(weights) else "nothing there"
            raise RsirError(f"{weights}: expected a folder of weight files, found {found}; check --weights-folder")
        datasets = _datasets(data, images, output.quiet)
        target = target or Path("runs") / "-".join(["reproduce", "ge2018", *datasets]).replace("/", "_")
        check_tables_folder(target)
        with shown_progress(output.quiet) as progress:
            result = reproduce_ge2018(
                datasets,
                out=target,
                weights=weights,
                backbones=backbones,
                descriptors=descriptors,
                **asdict(beyond),
                reference=rows.reference,
                download=images.download,
                batch_size=batch_size or 32,
                precision=precision.value,
                **asdict(machine),
                progress=progress,
            )
        for entry in result.datasets:
            for row in entry.measured:
                if row.remark:
                    note(f"rsir: {entry.name}, {row.method}: {row.remark}")
            skipped += [Skipped(one.item, one.reason) for one in entry.dataset.skipped]
        write_tables(result, target, all_rows=all_rows, json=output.json)


def _datasets(given: list[str], images: ImageOptions, quiet: bool) -> dict[str, Dataset]:
    """Open the data sets, by their names in the tables."""
    from rsir_fast.datasets import open_dataset

    found: dict[str, Dataset] = {}
    for text in given:
        # A folder may have a = in its own name.
        name, told, folder = ("", "", text) if is_there(Path(text)) else text.partition("=")
        path = Path(folder if told else text).expanduser()
        if told and not (name and folder):
            raise ValueError(f"DATA: expected FOLDER or NAME=FOLDER, got {text!r}")
        if opt.is_features_folder(path):
            raise DatasetError(f"expected a folder of images, got {path}, which rsir wrote")
        fetched = {**asdict(images), "download": images.download and not is_there(path)}
        dataset = open_dataset(path, **fetched)
        name = name if told else dataset.name
        if name in found:
            raise ValueError(f"DATA: expected different names, got {name} twice; name them: NAME=FOLDER")
        found[name] = dataset
        note(f"{name}: {plural(len(dataset), 'image')}, {plural(len(dataset.classes), 'class')}", quiet)
        for remark in dataset.notes:
            note(f"note: {remark}", quiet)
    return found


def _listed(given: list[str] | None, default: tuple[str, ...]) -> list[str]:
    if given is not None and "none" in given and len(given) > 1:
        raise ValueError(f"--encoder: expected names, or none by itself, got {', '.join(given)}")
    return list(default) if given is None else [name for name in given if name != "none"]

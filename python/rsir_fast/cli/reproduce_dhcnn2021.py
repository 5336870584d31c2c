"""``rsir reproduce dhcnn2021``: from images to the whole table of a paper in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.reproducing import check_tables_folder, left, write_tables
from rsir_fast.cli.session import (
    note,
    plural,
    reported_errors,
)


def dhcnn2021(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for features, models and tables. \\[default: runs/reproduce-dhcnn2021-DATA-NETWORK-LAYER]",
        ),
    ] = None,
    bits: Annotated[
        list[str] | None,
        typer.Option(
            callback=checked.lengths,
            help="Hash lengths, 8 to 1024: 16,32,64, or the option several times. \\[default: 16,32,64]",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=opt.MOST_RESULTS, help="How many, from 0 on: each draws split, weights and order.")
    ] = 3,
    freeze_backbone: rec.Frozen = False,
    train: rec.TrainShare = 0.8,
    compare_weightings: Annotated[
        bool, typer.Option("--compare-weightings", help="DHCNN twice: loss weighting and beta of both releases.")
    ] = False,
    recipe: rec.RecipeOption = rec.RecipeName.modern,
    epochs: rec.Epochs = None,
    batch_size: rec.Images = None,
    learning_rate: rec.LearningRate = None,
    beta: rec.Beta = None,
    eta: rec.Eta = None,
    loss_weighting: rec.Weighting = None,
    similarity_gradient: rec.Gradient = None,
    accumulate: rec.Accumulate = 1,
    encoder: opt.EncoderWord = "mobilenet_v2",
    weights: opt.Weights = None,
    precision: opt.PrecisionMode = opt.Precision.float32,
    bands: opt.Bands = None,
    scale: opt.Scale = None,
    all_items: opt.AllItems = False,
    all_rows: opt.AllRows = False,
    threads: opt.Threads = None,
    workers: opt.Workers = None,
    device: opt.Device = None,
    download: opt.Download = True,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Train and evaluate DHCNN (Song et al. 2021) for every hash length and seed, beside hashing without labels.

    Baselines: ITQ and random projection of the backbone's features, and these features without hashing. Writes
    result.json, table.md, table.csv, table.tex, report.html and plots, by the same command to the same bytes.
    Interrupted, the same command again goes on where it was.
    """
    target: Path | None = out
    with reported_errors(lambda: left(target, "*/*/result.json", "features")) as skipped:
        if compare_weightings:
            rec.refuse_together(
                context, "--compare-weightings", ("beta", "loss_weighting"), "takes those of both releases"
            )
        from rsir_fast.datasets import Skipped
        from rsir_fast.protocols.reproduce_dhcnn2021 import reproduce_dhcnn2021

        loss = beta, eta, loss_weighting, similarity_gradient
        chosen = rec.recipe_of(recipe, batch_size, learning_rate, *loss)
        lengths = _lengths(bits or ["16,32,64"])
        network = opt.EncoderOptions(encoder, weights, workers, device=device)
        dataset, loaded = opt.open_both(
            data, network, all_items=all_items, download=download, quiet=quiet, bands=bands, scale=scale
        )
        if target is None:
            parts = ["reproduce", "dhcnn2021", dataset.name, loaded.name, loaded.layer]
            target = Path("runs") / "-".join([*parts, *(["frozen"] if freeze_backbone else [])]).replace("/", "_")
        check_tables_folder(target)
        images, classes = plural(len(dataset), "image"), plural(len(dataset.classes), "class")
        note(f"{dataset.name}: {images}, {classes}; {loaded.provenance['description']}, {loaded.layer}", quiet)
        with shown_progress(quiet) as progress:
            result = reproduce_dhcnn2021(
                dataset,
                network.load,
                out=target,
                lengths=lengths,
                seeds=range(seeds),
                freeze_backbone=freeze_backbone,
                train=train,
                recipe=chosen,
                epochs=epochs,
                compare_weightings=compare_weightings,
                device=device,
                precision=precision.value,
                accumulate=accumulate,
                workers=workers,
                threads=threads,
                progress=progress,
            )
        skipped += [Skipped(one.item, one.reason) for one in result.dataset.skipped]
        write_tables(result, target, all_rows=all_rows, json=json)


def _lengths(given: list[str]) -> list[int]:
    """Return the hash lengths that the options name, each once, the shortest first."""
    return sorted({int(part) for text in given for part in text.split(",")})

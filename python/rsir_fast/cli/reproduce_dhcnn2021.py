"""``rsir reproduce dhcnn2021``: from images to the whole table of a paper in one command."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.groups import ImageOptions, MachineOptions, PrintOptions
from rsir_fast.cli.hash_tables import HashRunOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.reproducing import left, write_tables
from rsir_fast.cli.session import (
    note,
    plural,
    reported_errors,
)


@dataclass(frozen=True)
class TableOptions(HashRunOptions):
    """Which runs are made."""

    train: rec.TrainShareOrPaper = None
    compare_weightings: Annotated[
        bool, typer.Option("--compare-weightings", help="DHCNN twice: loss weighting and beta of both releases.")
    ] = False

    def check(self, context: typer.Context) -> None:
        """Refuse options that one another decide."""
        if self.compare_weightings:
            rec.refuse_together(
                context, "--compare-weightings", ("beta", "loss_weighting", "paper"), "takes those of both releases"
            )
        super().check(context)


def dhcnn2021(
    context: typer.Context,
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for features, models and tables. \\[default: runs/reproduce-dhcnn2021-DATA-NETWORK-LAYER]",
        ),
    ] = None,
    runs: TableOptions,
    harder: rec.HarderOptions,
    learning: rec.RecipeOptions,
    backbone: rec.BackboneOptions,
    images: ImageOptions,
    all_rows: opt.AllRows = False,
    machine: MachineOptions,
    output: PrintOptions,
) -> None:
    """Train and evaluate DHCNN (Song et al. 2021) for every hash length and seed, beside hashing without labels.

    Baselines: ITQ and random projection of the backbone's features, and these features without hashing. Behind each
    model stand its own labels as codes and the products of its class probabilities. Writes result.json, table.md,
    table.csv, table.tex, report.html and plots, by the same command to the same bytes. Interrupted, the same command
    again goes on where it was. --unseen ranks images of classes that were not trained on.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: left(target, "*/*/result.json", "features")) as skipped:
        runs.check(context)
        wrong = harder.wrong(context)
        from rsir_fast.datasets import Skipped
        from rsir_fast.protocols.hash_retrieval import CUTOFFS
        from rsir_fast.protocols.reproduce_dhcnn2021 import reproduce_dhcnn2021

        network = backbone.run_as(machine.workers, machine.device)
        dataset, loaded = opt.open_both(data, network, quiet=quiet, **asdict(images))
        paper = learning.setting(dataset.name)
        share = rec.train_share(runs.train, paper)
        target = runs.begin("dhcnn2021", dataset, loaded, target, share, harder.shots)
        found = f"{plural(len(dataset), 'image')}, {plural(len(dataset.classes), 'class')}"
        note(f"{dataset.name}: {found}; {loaded.provenance['description']}, {loaded.layer}", quiet)
        with shown_progress(quiet) as progress:
            result = reproduce_dhcnn2021(
                dataset,
                network.load,
                out=target,
                **runs.settings,
                train=share,
                shots=harder.shots,
                label_noise=wrong,
                recipe=learning.chosen(backbone.encoder, paper),
                epochs=learning.epochs,
                compare_weightings=runs.compare_weightings,
                cutoffs=CUTOFFS if paper is None else paper.cutoffs,
                device=machine.device,
                precision=backbone.precision.value,
                accumulate=learning.accumulate,
                workers=machine.workers,
                threads=machine.threads,
                engine=machine.engine,
                progress=progress,
            )
        skipped += [Skipped(one.item, one.reason) for one in result.dataset.skipped]
        write_tables(result, target, all_rows=all_rows, json=output.json)

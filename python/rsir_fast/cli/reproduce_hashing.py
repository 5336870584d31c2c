"""``rsir reproduce hashing``: DHCNN and its rivals by one network, split and recipe, in one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.groups import ImageOptions, MachineOptions, PrintOptions
from rsir_fast.cli.hash_tables import HashRunOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.reproducing import left, write_tables
from rsir_fast.cli.session import note, plural, reported_errors

if TYPE_CHECKING:
    from rsir_fast.protocols import HashingTableResult


@dataclass(frozen=True)
class MethodOptions(HashRunOptions):
    """Which runs are made."""

    methods: Annotated[
        list[str] | None,
        typer.Option(
            callback=checked.methods,
            help="Of dhcnn, dpsh, hashnet, greedyhash, csq, dsh, dhn, idhn; of metric learning, real-valued: triplet, "
            "multi-similarity, proxy-anchor. dpsh,csq, or the option several times. \\[default: all]",
        ),
    ] = None

    @property
    def named(self) -> list[str]:
        """The methods, each once, in the order of the table."""
        from rsir_fast.hashing import METHODS

        asked = {name for text in self.methods or METHODS for name in text.split(",")}
        return [name for name in METHODS if name in asked]


def hashing(
    context: typer.Context,
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for features, models and tables. \\[default: runs/reproduce-hashing-DATA-NETWORK-LAYER]",
        ),
    ] = None,
    runs: MethodOptions,
    harder: rec.HarderOptions,
    learning: rec.LearningOptions,
    backbone: rec.BackboneOptions,
    images: ImageOptions,
    all_rows: opt.AllRows = False,
    machine: MachineOptions,
    output: PrintOptions,
) -> None:
    """Train and evaluate methods of hashing by one network, split, recipe and seeds: one table.

    Each has the loss of its paper with its paper's parameters. Beside them stand ITQ, random projection, the features
    without hashing, and metric learning with as many real values as the codes have bits. Writes result.json, table.md,
    table.csv, table.tex, report.html and plots, by the same command to the same bytes; time and memory of each method
    stay apart. Interrupted, the same command again goes on where it was. --unseen ranks images of classes that were
    not trained on.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: left(target, "*/*/result.json", "features")) as skipped:
        runs.check(context)
        wrong = harder.wrong(context)
        from rsir_fast.datasets import Skipped
        from rsir_fast.protocols.reproduce_hashing import reproduce_hashing

        network = backbone.run_as(machine.workers, machine.device)
        dataset, loaded = opt.open_both(data, network, quiet=quiet, **asdict(images))
        share = rec.train_share(runs.train, None)
        target = runs.begin("hashing", dataset, loaded, target, share, harder.shots)
        found = f"{plural(len(dataset), 'image')}, {plural(len(dataset.classes), 'class')}"
        note(f"{dataset.name}: {found}; {loaded.provenance['description']}, {loaded.layer}", quiet)
        with shown_progress(quiet) as progress:
            result = reproduce_hashing(
                dataset,
                network.load,
                out=target,
                methods=runs.named,
                **runs.settings,
                train=share,
                shots=harder.shots,
                label_noise=wrong,
                recipe=learning.with_given(backbone.encoder),
                epochs=learning.epochs,
                device=machine.device,
                precision=backbone.precision.value,
                workers=machine.workers,
                threads=machine.threads,
                engine=machine.engine,
                progress=progress,
            )
        skipped += [Skipped(one.item, one.reason) for one in result.dataset.skipped]
        for line in _costs(result):
            note(line, quiet)
        write_tables(result, target, all_rows=all_rows, json=output.json)


def _costs(result: HashingTableResult) -> list[str]:
    """Say what each method took."""
    lines = []
    for cost in result.costs:
        memory = "" if cost.peak_bytes is None else f", {cost.peak_bytes / 2**20:,.0f} MiB at most in the process"
        lines.append(f"{cost.method}: {cost.seconds:.1f} s a run ({plural(cost.runs, 'run')}){memory}")
    return lines

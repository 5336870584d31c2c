"""``rsir evaluate multilabel``: images with several labels each, from images or features to figures and a report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.base.text import printable
from rsir_fast.cli import options as opt
from rsir_fast.cli.choices import Gain
from rsir_fast.cli.evaluating import check_out, default_out, extracted, placed, write_and_print
from rsir_fast.cli.groups import ImageOptions, MeasureOptions, NetworkOptions, PrintOptions, RunOptions
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors
from rsir_fast.errors import DatasetError

if TYPE_CHECKING:
    from rsir_fast.datasets import LabelTable


@dataclass(frozen=True)
class LabelOptions:
    """Whose labels, and how they are measured."""

    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Table of labels (.csv, .txt, .xlsx), folder of tables, or BigEarthNet's folder of patches. "
            "Default: what lies beside the images.",
            show_default=False,
        ),
    ] = None
    gain: Annotated[Gain, typer.Option(help="Of NDCG: exponential, 2^r - 1 of r shared labels; linear, r.")] = (
        Gain.exponential
    )
    cutoffs: opt.Cutoffs = None

    @property
    def settings(self) -> dict[str, Any]:
        """What the library is told."""
        return {"gain": self.gain.value, **MeasureOptions(self.cutoffs).measures}


def multilabel(
    context: typer.Context,
    *,
    source: Annotated[Path, typer.Argument(help="Folder of images with a table of labels, or of features or codes.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for features and report. \\[default: runs/multilabel-DATA-NETWORK]"),
    ] = None,
    network: NetworkOptions,
    field: opt.FieldName = None,
    measured: LabelOptions,
    per_class: Annotated[bool, typer.Option("--per-class", help="Also print the figures of each label.")] = False,
    images: ImageOptions,
    root: opt.Root = None,
    run: RunOptions,
    output: PrintOptions,
) -> None:
    """Evaluate retrieval of images with several labels each: any-match mAP, weighted mAP, NDCG, ACG.

    Every image in turn queries all others; it is relevant if it shares a label, the more the better. Features are
    ranked by Euclidean distance, codes of a trained model by Hamming distance. Labels are read as DLRSD, the
    multi-label UC Merced, MLRSNet and BigEarthNet-S2 publish them. Writes result.json, queries.csv and report.html.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: kept((target or Path()) / "features", AGAIN)) as skipped:
        if opt.is_features_folder(source):
            opt.refuse_network_options(context, "device", "force")
            from rsir_fast.archive import Features

            loaded = Features.load(source)
            if "hash" in loaded.provenance and field is not None:
                raise ValueError(f"--field: expected none for the codes of a model, got {field}; leave it out")
            features = placed(loaded if "hash" in loaded.provenance else loaded.field(field), root, quiet)
            target = out or default_out("multilabel", features.name, str(features.provenance.get("name", "features")))
            check_out(target, "multilabel")
        else:
            if root is not None:
                raise ValueError("--root: expected a folder of features to go with it, got a folder of images")
            maker = network.run_as(run.workers, run.device, run.decoder, run.engine, quiet)
            dataset, encoder = opt.open_both(source, maker, quiet=quiet, **asdict(images))
            encoder.spec.searched(field)  # before the work
            _table(dataset.root, measured.labels).of(dataset.items)
            target = out or default_out("multilabel", dataset.name, encoder.name, encoder.layer)
            check_out(target, "multilabel", force=run.force)
            features = extracted(dataset, encoder, maker, target, force=run.force, quiet=quiet, classes=False)
            features = features if "hash" in features.provenance else features.field(field)
        skipped += features.skipped
        from rsir_fast.protocols import evaluate_multilabel

        sets = _table(features.root, measured.labels).of(features.items)
        note(f"rank: {len(features)} queries x {len(features)} images, {len(sets.names)} labels", quiet)
        result = evaluate_multilabel(features, sets, threads=run.threads, **measured.settings)
        write_and_print(result, features, target, per_class=per_class, json=output.json)


def _table(root: Path | None, labels: Path | None) -> LabelTable:
    """Read the label sets of images, from where they are said to be or from beside the images.

    Raises
    ------
    DatasetError
        If there are none.
    """
    from rsir_fast.datasets import find_label_table, read_label_table

    table = read_label_table(labels) if labels is not None else None if root is None else find_label_table(root)
    if table is None:
        beside = "the images" if root is None else printable(root)
        raise DatasetError(
            f"expected a table of labels beside {beside}, such as multilabels.csv or Labels/*.csv, found none; name it "
            "with --labels"
        )
    return table

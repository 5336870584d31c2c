"""``rsir evaluate dhcnn2021``: from a trained model's codes and labels to figures and a report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli.evaluating import check_out, default_out, extracted, placed, write_and_print
from rsir_fast.cli.groups import ImageOptions, MeasureOptions, NetworkOptions, PrintOptions, RunOptions, ShownOptions
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.archive import Features


@dataclass(frozen=True)
class _Shown(ShownOptions):
    examples: opt.Examples = 15


def dhcnn2021(
    context: typer.Context,
    *,
    source: Annotated[
        Path, typer.Argument(help="Folder of features that a model made, or of the images, together with --encoder.")
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            "-e",
            callback=checked.encoder,
            help="model.safetensors of `rsir train dhcnn`, for images; FILE,turns=mean: over the image's eight turns.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for codes and report. \\[default: runs/dhcnn2021-DATA-NETWORK-LAYER]"),
    ] = None,
    measured: MeasureOptions,
    gallery: Annotated[
        str,
        typer.Option(
            callback=checked.galleries,
            help="What test images are ranked against, the headline's first: train, test, rest (all but the queries), "
            "all.",
        ),
    ] = "train,test",
    shown: _Shown,
    batch_size: opt.BatchSize = None,
    images: ImageOptions,
    root: opt.Root = None,
    run: RunOptions,
    output: PrintOptions,
) -> None:
    """Evaluate by the protocol of Song et al. 2021: mAP of hash codes, precision and recall, accuracy of labels.

    The model's test images are the queries; its training images, and the test images themselves, are the database
    (--gallery names others).
    Codes are made first (into OUT/features; what a former or interrupted run left there is used again), or read from a
    folder written by `rsir features --encoder model.safetensors`. Writes result.json, queries.csv (AP of every query),
    report.html and five SVG plots.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: kept((target or Path()) / "features", AGAIN)) as skipped:
        asked = measured.measures
        if opt.is_features_folder(source):
            opt.refuse_network_options(context, "device", "force", but="encoder")
            from rsir_fast.archive import Features

            features = placed(Features.load(source), root, quiet)
            from rsir_fast.retrieval.coded import made_by_model

            made_by_model(features)
            if encoder is not None:
                _check_model(features, encoder)
            made = features.provenance
            target = out or _default_out(features.name, str(made.get("name")), str(made.get("layer")))
            check_out(target)
        elif encoder is None:
            raise ValueError(
                f"SOURCE: expected a folder of features that a model made, or images together with --encoder "
                f"model.safetensors of `rsir train dhcnn`, got {source} without --encoder"
            )
        else:
            if root is not None:
                raise ValueError("--root: expected a folder of features to go with it, got a folder of images")
            from rsir_fast.encoders.word import parse_word
            from rsir_fast.protocols import check_split

            word = parse_word(encoder)
            if not word.is_model:
                raise ValueError(f"encoder: expected model.safetensors of `rsir train dhcnn`, got {encoder}")
            network = NetworkOptions(encoder, None, batch_size).run_as(
                run.workers, run.device, run.decoder, run.engine, quiet
            )
            dataset, loaded = opt.open_both(source, network, quiet=quiet, **asdict(images))
            trained: Any = loaded.provenance["hash"]
            check_split(dataset, trained)  # before the work
            target = out or _default_out(
                dataset.name, loaded.name, loaded.layer, *(["turns"] if word.turns == "mean" else [])
            )
            features = extracted(dataset, loaded, network, target, force=run.force, quiet=quiet)
        skipped += features.skipped
        from rsir_fast.protocols import evaluate_dhcnn2021

        note(f"rank: {len(features)} images", quiet)
        places: Any = tuple(gallery.split(","))
        result = evaluate_dhcnn2021(features, gallery=places, examples=shown.examples, threads=run.threads, **asked)
        for remark in result.dataset.notes:
            if remark not in features.notes:
                note(f"note: {remark}", quiet)
        write_and_print(result, features, target, per_class=shown.per_class, json=output.json)


def _check_model(features: Features, encoder: str) -> None:
    """Raise FeaturesError unless the file is the model that made the features."""
    from rsir_fast.encoders.differences import differences, told
    from rsir_fast.encoders.load import load_encoder

    found = load_encoder(encoder).spec
    made = features.spec
    changed = {} if made is None else differences(made, found, ignoring=("reader", "precision", "view"))
    if made is None or changed:
        raise FeaturesError(
            f"{features.name}: expected the model that made these features, got another "
            f"({told(changed) or 'they name no file'}); leave --encoder out, or make the features by it"
        )


def _default_out(dataset: str, network: str, layer: str, *more: str) -> Path:
    return default_out("dhcnn2021", dataset, network, *layer.split(", hash "), *more)

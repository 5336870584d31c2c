"""``rsir evaluate dhcnn2021``: from a trained model's codes and labels to figures and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.evaluating import check_out, default_out, extracted, placed, write_and_print
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.extraction import Features


def dhcnn2021(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="Folder of `rsir features --model`, or of the images, together with --model.")
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="model.safetensors of `rsir train dhcnn`, for images.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for codes and report. \\[default: runs/dhcnn2021-DATA-NETWORK-LAYER]"),
    ] = None,
    turns: opt.Turns = False,
    examples: Annotated[
        int, typer.Option(min=0, max=opt.MOST_RESULTS, help="Results shown for each example query.")
    ] = 15,
    per_class: Annotated[bool, typer.Option("--per-class", help="Also print the figures of each class.")] = False,
    batch_size: opt.BatchSize = 32,
    precision: opt.PrecisionMode = opt.Precision.float32,
    bands: opt.Bands = None,
    scale: opt.Scale = None,
    all_items: opt.AllItems = False,
    download: opt.Download = True,
    root: opt.Root = None,
    threads: opt.Threads = None,
    workers: opt.Workers = None,
    device: opt.Device = None,
    decoder: opt.JpegDecoder = opt.Decoder.cpu,
    force: opt.Force = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Evaluate by the protocol of Song et al. 2021: mAP of hash codes, precision and recall, accuracy of labels.

    The model's test images are the queries; its training images, and the test images themselves, are the database.
    Codes are made first (into OUT/features; what a former or interrupted run left there is used again), or read from a
    folder written by `rsir features --model`. Writes result.json, queries.csv (AP of every query),
    report.html and five SVG plots.
    """
    target: Path | None = out
    with reported_errors(lambda: kept((target or Path()) / "features", AGAIN)) as skipped:
        if opt.is_features_folder(source):
            opt.refuse_network_options(context, "device")
            from rsir_fast.extraction import Features

            features = placed(Features.load(source), root, quiet)
            from rsir_fast.hashing.coded import made_by_model

            made_by_model(features)
            if model is not None:
                _check_model(features, model)
            made = features.provenance
            target = out or _default_out(features.name, str(made.get("name")), str(made.get("layer")))
            check_out(target)
        elif model is None:
            raise ValueError(
                f"SOURCE: expected a folder made by `rsir features --model`, or images together with --model "
                f"model.safetensors of `rsir train dhcnn`, got {source} without --model"
            )
        else:
            if root is not None:
                raise ValueError("--root: expected a folder of features to go with it, got a folder of images")
            from rsir_fast.protocols import check_split

            run = batch_size, precision, workers, device, decoder
            network = opt.NetworkOptions("dhcnn", None, None, opt.Resize.whole, *run, model, turns)
            dataset, loaded = opt.open_both(
                source, network, all_items=all_items, download=download, quiet=quiet, bands=bands, scale=scale
            )
            trained: Any = loaded.provenance["hash"]
            check_split(dataset, trained)  # before the work
            target = out or _default_out(dataset.name, loaded.name, loaded.layer, *(["turns"] if turns else []))
            features = extracted(dataset, loaded, network, target, force=force, quiet=quiet)
        skipped += features.skipped
        from rsir_fast.protocols import evaluate_dhcnn2021

        note(f"rank: {len(features)} images", quiet)
        evaluation = evaluate_dhcnn2021(features, examples=examples, threads=threads)
        for remark in evaluation.result["dataset"]["notes"]:
            if remark not in features.notes:
                note(f"note: {remark}", quiet)
        write_and_print(evaluation, features, target, per_class=per_class, json=json)


def _check_model(features: Features, model: Path) -> None:
    """Raise FeaturesError unless the file is the model that made the features."""
    from rsir_fast.backbones.weights import file_digest
    from rsir_fast.hashing import HashModel

    HashModel.load(model)  # says so if it is no model at all
    made, found = features.provenance.get("weights") or {}, file_digest(model)
    if made.get("sha256") != found:
        raise FeaturesError(
            f"{features.name}: expected the model that made these features, {made.get('file', 'unknown')} (SHA-256 "
            f"{str(made.get('sha256', ''))[:16]}...), got {model} (SHA-256 {found[:16]}...); leave --model out, or "
            "make the features by it"
        )


def _default_out(dataset: str, network: str, layer: str, *more: str) -> Path:
    return default_out("dhcnn2021", dataset, network, *layer.split(", hash "), *more)

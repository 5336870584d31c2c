"""``rsir evaluate dhcnn2021``: from a trained model's codes and labels to figures and a report."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.choices import TrainedQueries
from rsir_fast.cli.evaluating import check_out, default_out, extracted, placed, write_and_print
from rsir_fast.cli.groups import ImageOptions, MeasureOptions, NetworkOptions, PrintOptions, RunOptions, ShownOptions
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors
from rsir_fast.cli.tested import ASKING, TestedOptions
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Split

_GALLERY = "train,test"


@dataclass(frozen=True)
class AskingOptions(TestedOptions):
    """Which images ask, and for what."""

    split: Annotated[
        str | None,
        typer.Option(
            callback=checked.split,
            help="Another split than the model's own: 80/20 and the like, drawn in every class; a split in a file "
            "(.json); or a list of training images (train.txt).",
            rich_help_panel=ASKING,
        ),
    ] = None
    trained_queries: Annotated[
        TrainedQueries,
        typer.Option(
            help="Test images of --split that the model was trained on: refuse the split, leave them out, or keep "
            "them. The result says how many.",
            rich_help_panel=ASKING,
        ),
    ] = TrainedQueries.refuse
    gallery: Annotated[
        str,
        typer.Option(
            callback=checked.galleries,
            help="What test images are ranked against, the headline's first: train, test, rest (all but the queries), "
            "all.",
            rich_help_panel=ASKING,
        ),
    ] = _GALLERY

    def check(self, context: typer.Context) -> None:
        """Refuse options that do not go together."""
        if self.split is None:
            others = ("seed", "trained_queries")
            rec.refuse_together(context, "no --split", others, "would name other images than the model's")
        else:
            self.refuse_seed_of_file(context)

    def told(self, split: Split | None) -> list[str]:
        """Say what the figures are of, in words for a folder's name."""
        told = super().told(split)
        if self.trained_queries is not TrainedQueries.refuse:
            told += [self.trained_queries.value]
        return told + ([] if self.gallery == _GALLERY else [f"vs-{self.gallery}"])


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
            help="model.safetensors of `rsir train`, for images; FILE,turns=mean: over the image's eight turns.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for codes and report. \\[default: runs/dhcnn2021-DATA-NETWORK-LAYER]"),
    ] = None,
    measured: MeasureOptions,
    asking: AskingOptions,
    shown: _Shown,
    batch_size: opt.BatchSize = None,
    images: ImageOptions,
    root: opt.Root = None,
    run: RunOptions,
    output: PrintOptions,
) -> None:
    """Evaluate by the protocol of Song et al. 2021: mAP of hash codes, precision and recall, accuracy of labels.

    Of any method of `rsir train`; where it gives no labels there is no accuracy. The model's test images are the
    queries; its training images, and the test images themselves, are the database (--gallery names others). --split
    takes those of another split, such as published lists.

    Codes are made first (into OUT/features; what a former or interrupted run left there is used again), or read from a
    folder written by `rsir features --encoder model.safetensors`. Writes result.json, queries.csv (AP of every query),
    report.html and SVG plots.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: kept((target or Path()) / "features", AGAIN)) as skipped:
        asking.check(context)
        asked = measured.measures
        trained: Any
        if opt.is_features_folder(source):
            opt.refuse_network_options(context, "device", "force", but="encoder")
            from rsir_fast.archive import Features
            from rsir_fast.protocols import check_split

            features = placed(Features.load(source), root, quiet)
            from rsir_fast.retrieval.coded import made_by_model

            trained = made_by_model(features)
            if encoder is not None:
                _check_model(features, encoder)
            made = features.provenance
            split = asking.split_of_features(features)
            told = [*_method(trained), *asking.told(split)]
            target = out or _default_out(features.name, str(made.get("name")), str(made.get("layer")), told)
            check_out(target, "dhcnn2021")
            check_split(features, trained, split, asking.trained_queries.value)
        elif encoder is None:
            raise ValueError(
                f"SOURCE: expected a folder of features that a model made, or images together with --encoder "
                f"model.safetensors of `rsir train`, got {source} without --encoder"
            )
        else:
            if root is not None:
                raise ValueError("--root: expected a folder of features to go with it, got a folder of images")
            from rsir_fast.encoders.word import parse_word
            from rsir_fast.protocols import check_split

            word = parse_word(encoder)
            if not word.is_model:
                raise ValueError(f"encoder: expected model.safetensors of `rsir train`, got {encoder}")
            network = NetworkOptions(encoder, None, batch_size).run_as(
                run.workers, run.device, run.decoder, run.engine, quiet
            )
            dataset, loaded = opt.open_both(source, network, quiet=quiet, **asdict(images))
            trained = loaded.provenance["hash"]
            split = asking.split_of(dataset)
            check_split(dataset, trained, split, asking.trained_queries.value)  # before the work
            told = [*_method(trained), *(["turns"] if word.turns == "mean" else []), *asking.told(split)]
            target = out or _default_out(dataset.name, loaded.name, loaded.layer, told)
            check_out(target, "dhcnn2021", force=run.force)
            features = extracted(dataset, loaded, network, target, force=run.force, quiet=quiet)
        skipped += features.skipped
        from rsir_fast.protocols import evaluate_dhcnn2021

        note(f"rank: {len(features)} images", quiet)
        places: Any = tuple(asking.gallery.split(","))
        result = evaluate_dhcnn2021(
            features,
            split=split,
            split_file=asking.file,
            trained_queries=asking.trained_queries.value,
            gallery=places,
            examples=shown.examples,
            threads=run.threads,
            **asked,
        )
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


def _method(made: dict[str, Any]) -> list[str]:
    """Return the name of the method that a model was trained by, but for DHCNN."""
    from rsir_fast.encoders.hash_training import Training

    word = Training.model_validate(made["training"]).word
    return [] if word == "dhcnn" else [word]


def _default_out(dataset: str, network: str, layer: str, told: list[str]) -> Path:
    more = (re.sub("[^A-Za-z0-9.-]+", "_", text) for text in told)
    return default_out("dhcnn2021", dataset, network, *layer.split(", hash "), *more)

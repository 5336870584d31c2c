"""``rsir evaluate ge2018``: from images or features to figures and a report."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.evaluating import check_out, default_out, extracted, placed, write_and_print
from rsir_fast.cli.groups import ImageOptions, MeasureOptions, NetworkOptions, PrintOptions, RunOptions, ShownOptions
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors
from rsir_fast.cli.tested import ASKING, TestedOptions

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Split
    from rsir_fast.protocols import Between


_BEYOND = "Beyond the paper"


@dataclass(frozen=True)
class MethodOptions(MeasureOptions):
    """How images are compared and measured: settings of `rsir_fast.evaluate_ge2018`."""

    normalize: Annotated[
        opt.Normalization | None,
        typer.Option(
            help="Gaussian normalisation by row (the paper; default without --steps) or feature; minmax: each feature "
            "onto 0 to 1; none.",
            show_default=False,
        ),
    ] = None
    distance: Annotated[
        opt.Distance, typer.Option(help="Euclidean (the paper), or L1: on the CPU, for short vectors.")
    ] = opt.Distance.euclidean
    anmrr_k: Annotated[opt.AnmrrK, typer.Option(help="K of ANMRR: 2 NG (the paper's field), or MPEG-7's.")] = (
        opt.AnmrrK.two_ng
    )
    anmrr_penalty: Annotated[
        opt.AnmrrPenalty,
        typer.Option(help="Rank that a relevant image beyond K is counted at: 1.25 K, or K + 1; both are in use."),
    ] = opt.AnmrrPenalty.quarter
    steps: opt.Steps = ""
    rerank: opt.Rerank = ""
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="Features of the same images (layers, sizes, networks) to put beside; repeat.",
            rich_help_panel=_BEYOND,
        ),
    ] = None

    @property
    def normalized(self) -> str:
        """The normalisation, by default that of the paper, or none before steps."""
        from rsir_fast.retrieval.query import normalize_by_default

        return normalize_by_default(None, self.steps) if self.normalize is None else self.normalize.value

    @property
    def settings(self) -> dict[str, Any]:
        """What the library is told."""
        chains = {"steps": self.steps, "rerank": self.rerank}
        anmrr = {"anmrr_k": self.anmrr_k.value, "anmrr_penalty": self.anmrr_penalty.value}
        return {"normalize": self.normalized, "distance": self.distance.value, **anmrr, **chains}


@dataclass(frozen=True)
class GalleryOptions(TestedOptions):
    """Who asks whom, where not every image asks for all others."""

    gallery: Annotated[
        str | None,
        typer.Option(
            callback=checked.gallery,
            help="What they are ranked against: train (default with --split), test, rest (all but the queries), all; "
            "or a folder of features of another data set.",
            rich_help_panel=ASKING,
        ),
    ] = None
    label_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Classes of the queries to those of the other data set: a JSON object, or CSV of two columns. "
            "Default: equal names.",
            rich_help_panel=ASKING,
        ),
    ] = None

    def check(self, context: typer.Context, method: MethodOptions) -> None:
        """Refuse options that do not go together, before the work."""
        other = self.gallery is not None and self.gallery not in checked.GALLERIES
        if other:
            rec.refuse_together(context, "a folder as --gallery", ("split", "seed"), "is ranked for every image")
        elif self.split is None:
            rec.refuse_together(context, "no --split", ("gallery", "seed"), "says which images are in it")
        else:
            self.refuse_seed_of_file(context)
        if not other:
            rec.refuse_together(context, "no folder as --gallery", ("label_map",), "has the other classes")
        if not other and self.split is None:
            return
        wrong = {
            "--rerank": bool(method.rerank),
            "--distance l1": method.distance is opt.Distance.l1,
            "--normalize minmax": method.normalized == "minmax",
        }
        for option, given in wrong.items():
            if given:
                raise ValueError(f"{option}: expected none beside --split or --gallery: every image asks for all there")

    def told(self, split: Split | None) -> list[str]:
        """Say who asks whom, in words for a folder's name."""
        return super().told(split) + ([self.gallery.replace("/", "-")] if self.gallery else [])

    def between(self, features: Features, field: str | None, split: Split | None) -> Between | None:
        """Return who asks whom; None where every image asks for all others."""
        from rsir_fast.archive import Features
        from rsir_fast.datasets import read_label_map
        from rsir_fast.protocols import between_datasets, between_parts

        if self.gallery is not None and self.gallery not in checked.GALLERIES:
            known = None if self.label_map is None else read_label_map(self.label_map)
            return between_datasets(features, Features.load(self.gallery).field(field), known)
        part: Any = self.gallery or "train"
        return None if split is None else between_parts(features, split, part, self.file)


def ge2018(
    context: typer.Context,
    *,
    source: Annotated[Path, typer.Argument(help="Folder of images in class folders, or of features.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for features and report. \\[default: runs/ge2018-DATA-NETWORK-LAYER]"),
    ] = None,
    network: NetworkOptions,
    field: opt.FieldName = None,
    method: MethodOptions,
    asking: GalleryOptions,
    shown: ShownOptions,
    images: ImageOptions,
    root: opt.Root = None,
    run: RunOptions,
    output: PrintOptions,
) -> None:
    """Evaluate by the protocol of Ge et al. 2018: mAP, ANMRR, precision and recall.

    Features are extracted first (into OUT/features; what a former or interrupted run left there is used again), or
    read from a folder written by `rsir features`. On a CUDA device the ranking runs there as well: the same figures,
    to the last bit. Writes result.json, queries.csv (AP of every query), report.html and three SVG
    plots.

    Beyond the paper, without labels: turns= and sizes= of --encoder, --with, --steps and --rerank; `rsir compare`
    measures what each adds. By default the paper's method. With --split test images ask alone; with features of
    another data set as --gallery all images ask for those; both are ranked on the CPU.
    """
    target: Path | None = out
    quiet = output.quiet
    with reported_errors(lambda: kept((target or Path()) / "features", AGAIN)) as skipped:
        asking.check(context, method)
        asked = method.measures
        told = [text for text in (method.steps, method.rerank) if text]
        if method.distance is not opt.Distance.euclidean:
            told += [method.normalized, method.distance.value]
        if opt.is_features_folder(source):
            opt.refuse_network_options(context, "force")
            opt.check_device(run.device)
            from rsir_fast.archive import Features
            from rsir_fast.retrieval import concatenated

            features = concatenated([Features.load(folder).field(field) for folder in (source, *(method.beside or ()))])
            features = placed(features, root, quiet)
            split = asking.split_of_features(features)
            told += asking.told(split)
            made = features.provenance
            name = (features.name, str(made.get("name", "features")), str(made.get("layer", features.dim)))
            target = out or _default_out(*name, method.normalized, told)
            check_out(target, "ge2018")
        else:
            from rsir_fast.encoders.word import parse_word

            for option, given in (("--with", method.beside), ("--root", root)):
                if given:
                    raise ValueError(f"{option}: expected a folder of features to go with it, got a folder of images")
            # Words are few: they cost nothing to understand again.
            word = parse_word(network.encoder)
            told += ["turns"] * (word.turns == "mean") + [",".join(map(str, word.sizes))] * bool(word.sizes)
            # A descriptor runs on the CPU; the device is that of the ranking then.
            place = None if word.is_descriptor else run.device
            maker = network.run_as(run.workers, place, run.decoder, run.engine, quiet)
            opt.check_device(run.device)
            dataset, loaded = opt.open_both(source, maker, quiet=quiet, **asdict(images))
            loaded.spec.searched(field)  # before the work
            split = asking.split_of(dataset)
            told += asking.told(split)
            target = out or _default_out(dataset.name, loaded.name, loaded.layer, method.normalized, told)
            check_out(target, "ge2018", force=run.force)
            features = extracted(dataset, loaded, maker, target, force=run.force, quiet=quiet).field(field)
        skipped += features.skipped
        how = {"examples": shown.examples, "threads": run.threads, "device": run.device, **method.settings, **asked}
        between = asking.between(features, field, split)
        if between is not None:
            for remark in between.notes:
                note(remark, quiet)
            for setting in ("device", "rerank", "distance"):
                how.pop(setting)
            from rsir_fast.protocols import evaluate_between

            result = evaluate_between(between, **how)
            write_and_print(result, features, target, per_class=shown.per_class, json=output.json)
            return
        evaluate_and_report(features, target, how, per_class=shown.per_class, quiet=quiet, json=output.json)


def evaluate_and_report(
    features: Features, out: Path, settings: dict[str, Any], *, per_class: bool, quiet: bool, json: bool
) -> Path:
    """Evaluate, write the report, print the result; return the path of the report."""
    from rsir_fast.protocols import evaluate_ge2018

    note(f"rank: {len(features)} queries x {len(features)} images, {features.dim} values an image", quiet)
    return write_and_print(evaluate_ge2018(features, **settings), features, out, per_class=per_class, json=json)


def _default_out(dataset: str, network: str, layer: str, normalize: str, told: list[str]) -> Path:
    more = [] if normalize == "row" or told else [normalize]
    return default_out(
        "ge2018", dataset, network, layer, *more, *(re.sub("[^A-Za-z0-9.]+", "_", text) for text in told)
    )

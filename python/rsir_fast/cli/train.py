"""``rsir train dhcnn`` and ``rsir train hashing``: from class folders to a model of hash codes, or of real values."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import completion as values
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec
from rsir_fast.cli.groups import EngineOptions, ImageOptions, PrintOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.session import (
    AGAIN,
    kept,
    note,
    plural,
    print_json,
    reported_errors,
)

if TYPE_CHECKING:
    from rsir_fast.hashing import Recipe


@dataclass(frozen=True)
class ModelOptions:
    """What is trained."""

    bits: Annotated[int, typer.Option(min=checked.SHORTEST, max=checked.LONGEST, help="Hash length.")] = 64
    freeze_backbone: rec.Frozen = False
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Folder of `rsir features --encoder NAME,turns=each`, in place of computing features.",
        ),
    ] = None


@dataclass(frozen=True)
class ValuesOptions(ModelOptions):
    """What is trained, where it need be no codes."""

    bits: Annotated[
        int,
        typer.Option(
            min=checked.SHORTEST, max=checked.LONGEST, help="Hash length; of metric learning how many real values."
        ),
    ] = 64


@dataclass(frozen=True)
class SplitOptions(rec.HarderOptions):
    """Which images are trained on, and by which labels."""

    train: rec.TrainShare = None
    split: rec.SplitWord = None
    save_split: rec.SaveSplit = None
    seed: Annotated[
        int, typer.Option(min=0, max=opt.LAST_SEED, help="Of split, new weights, order and augmentation.")
    ] = 0


@dataclass(frozen=True)
class PaperSplitOptions(SplitOptions):
    """The same, where a paper's setting may say the share."""

    train: rec.TrainShareOrPaper = None


@dataclass(frozen=True)
class WholeOptions(rec.LearningOptions):
    """How a method is trained, by itself."""

    accumulate: rec.Accumulate = 1


@dataclass(frozen=True)
class _Machine(EngineOptions):
    resume: opt.Resume = False


def dhcnn(
    context: typer.Context,
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the model. \\[default: runs/dhcnn-DATA-NETWORK-LAYER-BITS]"),
    ] = None,
    model: ModelOptions,
    parts: PaperSplitOptions,
    learning: rec.RecipeOptions,
    backbone: rec.BackboneOptions,
    images: ImageOptions,
    machine: _Machine,
    output: PrintOptions,
) -> None:
    """Train DHCNN (Song et al. 2021): hash codes and semantic labels in one network.

    80 % of every class are for training (--train, --split), the rest is never looked at. Writes model.safetensors and,
    after every epoch, log.jsonl and checkpoint.pt into OUT: interrupted, the same command again goes on, to the same
    weights. On several devices or machines: torchrun --nproc-per-node N --no-python rsir train dhcnn ...
    """

    def course(dataset: str) -> _Course:
        paper = learning.setting(dataset)
        return _Course(learning.chosen(backbone.encoder, paper), rec.train_share(parts.train, paper))

    _train(
        context,
        "dhcnn",
        course,
        data=data,
        out=out,
        model=model,
        parts=parts,
        learning=learning,
        backbone=backbone,
        images=images,
        machine=machine,
        output=output,
    )


def hashing(
    context: typer.Context,
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders.")],
    method: Annotated[
        str,
        typer.Option(
            callback=checked.method,
            help="dhcnn, dpsh, hashnet, greedyhash, csq, dsh, dhn, idhn; of metric learning, real-valued: triplet, "
            "multi-similarity, proxy-anchor.",
            autocompletion=values.one_of(checked.HASHING),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the model. \\[default: runs/METHOD-DATA-NETWORK-LAYER-BITS]"),
    ] = None,
    model: ValuesOptions,
    parts: SplitOptions,
    learning: WholeOptions,
    backbone: rec.BackboneOptions,
    images: ImageOptions,
    machine: _Machine,
    output: PrintOptions,
) -> None:
    """Train a method of hashing or metric learning by the recipe of them all: the model of `rsir reproduce hashing`.

    Each has the loss of its paper with its paper's parameters; the options of DHCNN's loss are those of `rsir train
    dhcnn`, which --method dhcnn is without them. 80 % of every class are for training (--train, --split), the rest is
    never looked at. Writes model.safetensors and, after every epoch, log.jsonl and checkpoint.pt into OUT: interrupted,
    the same command again goes on, to the same weights.

    dhcnn, greedyhash and csq give labels, the others none. triplet, multi-similarity and proxy-anchor learn real values
    u compared by their angle, no codes: evaluate and search the field u (--field u --steps l2). Methods that compare
    the images of a batch (hashnet, dsh, dhn and these three) train in one process, without --accumulate.
    """

    def course(_: str) -> _Course:
        from rsir_fast.hashing import METHODS

        return _Course(learning.with_given(backbone.encoder, METHODS[method]()), rec.train_share(parts.train, None))

    _train(
        context,
        method,
        course,
        data=data,
        out=out,
        model=model,
        parts=parts,
        learning=learning,
        backbone=backbone,
        images=images,
        machine=machine,
        output=output,
    )


@dataclass(frozen=True)
class _Course:
    """By what is trained, and on which share of every class where no split is named."""

    recipe: Recipe
    train: float


def _train(
    context: typer.Context,
    method: str,
    course: Callable[[str], _Course],
    *,
    data: Path,
    out: Path | None,
    model: ModelOptions,
    parts: SplitOptions,
    learning: rec.RecipeOptions | WholeOptions,
    backbone: rec.BackboneOptions,
    images: ImageOptions,
    machine: _Machine,
    output: PrintOptions,
) -> None:
    """Train a method by the course that a data set of some name has, and say where the model is."""
    target: Path | None = out
    quiet, device = output.quiet, machine.device

    def left() -> str:
        from rsir_fast.training import has_checkpoint

        if has_checkpoint(target):
            return f"the last whole epoch is kept in {target}; {AGAIN}"
        return kept((target or Path()) / "features", AGAIN)

    with reported_errors(left) as skipped:
        if parts.split is not None:
            rec.refuse_together(context, "--split", ("train",), "says which images to train on")
        wrong = parts.wrong(context)
        if model.features is not None:
            rec.refuse_together(context, "--features", ("engine",), "are computed already")
        from rsir_fast.archive import Features
        from rsir_fast.datasets import Skipped, low_shot, save_split, split_of, stratified_split
        from rsir_fast.hashing import train_dhcnn
        from rsir_fast.hashing.train import check_itself
        from rsir_fast.hashing.training import check_parts
        from rsir_fast.training import joined_processes

        network = backbone.run_as(machine.workers, device)
        dataset, loaded = opt.open_both(data, network, quiet=quiet, **asdict(images))
        check_itself(loaded.backbone)  # before anything is recommended or written
        chosen = course(dataset.name)
        recipe = chosen.recipe
        check_parts(recipe, learning.accumulate)
        name = "-".join([method, dataset.name, loaded.name, loaded.layer, str(model.bits)]).replace("/", "_")
        target = Path("runs") / name if target is None else target
        found = f"{plural(len(dataset), 'image')}, {plural(len(dataset.classes), 'class')}"
        start = time.perf_counter()
        if parts.split is None:
            drawn = stratified_split(dataset, train=chosen.train, seed=parts.seed)
        else:
            drawn = split_of(parts.split, dataset, parts.seed)
        if parts.shots is not None:
            drawn = low_shot(drawn, dataset, parts.shots, parts.seed)
        with (
            joined_processes(device) as (place, first),
            shown_progress(quiet or not first) as progress,
        ):
            what = f"{found}; {loaded.provenance['description']}, {loaded.layer}"
            note(f"{dataset.name}: {what}; {recipe.loss.title}", quiet or not first)
            if parts.save_split is not None and first:
                save_split(drawn, parts.save_split)
            if model.freeze_backbone and model.features is None and recipe.augment:
                note(_passes(_each_turn(context, data), target, len(drawn.train)), quiet or not first)
            trained = train_dhcnn(
                dataset,
                loaded,
                bits=model.bits,
                recipe=recipe,
                epochs=learning.epochs,
                split=drawn,
                shots=parts.shots,
                label_noise=wrong,
                freeze_backbone=model.freeze_backbone,
                features=None if model.features is None else Features.load(model.features),
                seed=parts.seed,
                out=target,
                resume=True,
                device=place,
                precision=backbone.precision.value,
                accumulate=learning.accumulate,
                workers=machine.workers,
                engine=machine.engine,
                progress=progress,
            )
        if not first:
            return
        skipped += [Skipped(**entry) for entry in trained.training["skipped"]]
        path = target / "model.safetensors"
        if output.json:
            summary: dict[str, Any] = {
                "model": str(path),
                "method": method,
                "bits": model.bits,
                "classes": list(trained.classes),
                "skipped": trained.training["skipped"],
            }
            print_json({**summary, "training": trained.training, "seconds": time.perf_counter() - start})
        else:
            typer.echo(f"model: {path.absolute()}")


def _each_turn(context: typer.Context, data: Path) -> str:
    """Return the command that makes the features of every turn by the same network, reader and images."""
    precision = context.params["precision"].value
    options = ",turns=each" + (f",precision={precision}" if precision != "float32" else "")
    words = ["rsir", "features", str(data), "--encoder", f"{context.params['encoder']}{options}"]
    for name in ("weights", "bands", "scale", "all_items", "device", "engine"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[name]
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(getattr(value, "value", value))])]
    return shlex.join(words)


def _passes(each_turn: str, target: Path, images: int) -> str:
    from rsir_fast.archive.folders import features_state
    from rsir_fast.backbones import TURNS

    if features_state(target / "features") == "finished":
        return f"the features of every image's {TURNS} turns are in {target / 'features'}"
    return (
        f"{TURNS} forward passes an image, for its {TURNS} turns ({images:,} images: {TURNS * images:,} passes); to "
        f"make them once for several trainings: {each_turn} --out FOLDER, then --features FOLDER"
    )

"""``rsir train pretrain``: from class folders to weights of one of the paper's networks."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.base.freed_memory import keep_freed_memory
from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli.groups import PrintOptions, ReaderOptions, WorkOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.session import AGAIN, note, plural, print_json, reported_errors

if TYPE_CHECKING:
    from rsir_fast.pretraining import PretrainingRecipe


class NetworkName(str, Enum):
    """The networks that can be trained from nothing."""

    cnn_alex = "cnn-alex"
    cnn_m = "cnn-m"
    cnn_16 = "cnn-16"
    cnn_19 = "cnn-19"
    cnn_f = "cnn-f"
    cnn_s = "cnn-s"


class Schedule(str, Enum):
    """When the learning rate becomes a tenth."""

    steps = "steps"
    plateau = "plateau"


class Initial(str, Enum):
    """Initial weights."""

    paper = "paper"
    glorot = "glorot"


_RECIPE = "Recipe"


@dataclass(frozen=True)
class PretrainOptions:
    """How to train."""

    epochs: Annotated[int, typer.Option(min=1, max=opt.MOST_EPOCHS, rich_help_panel=_RECIPE)] = 90
    batch_size: Annotated[
        int, typer.Option(min=1, max=opt.MOST_IMAGES, help="Images a step, of all processes.", rich_help_panel=_RECIPE)
    ] = 256
    learning_rate: Annotated[
        float, typer.Option(callback=checked.number(above=0), help="Of the first epochs.", rich_help_panel=_RECIPE)
    ] = 0.01
    schedule: Annotated[
        Schedule,
        typer.Option(help="A tenth at fixed epochs, or when top-1 has not improved.", rich_help_panel=_RECIPE),
    ] = Schedule.steps
    drops: Annotated[
        str | None,
        typer.Option(help="Epochs of steps: 30,60,80. Default: 1/3, 2/3, 8/9 of all.", rich_help_panel=_RECIPE),
    ] = None
    patience: Annotated[
        int, typer.Option(min=1, max=opt.MOST_EPOCHS, help="Epochs of plateau.", rich_help_panel=_RECIPE)
    ] = 5
    init: Annotated[
        Initial,
        typer.Option(help="paper: N(0, 0.01). glorot: for cnn-16 and cnn-19.", rich_help_panel=_RECIPE),
    ] = Initial.paper

    def recipe(self) -> PretrainingRecipe:
        """Return the recipe; drops are refused before anything heavy is imported."""
        drops = _epochs(self.drops, self.epochs, self.schedule)
        from rsir_fast.pretraining import PretrainingRecipe

        return PretrainingRecipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule=self.schedule.value,
            drops=drops,
            patience=self.patience,
            initialization=self.init.value,
        )


@dataclass(frozen=True)
class _Machine(WorkOptions):
    resume: opt.Resume = False


def pretrain(
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images in class folders, or of train/ and val/ with those.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the weights. \\[default: runs/pretrain-DATA-NETWORK]"),
    ] = None,
    network: Annotated[NetworkName, typer.Option("--encoder", "-e", help="Network.")] = NetworkName.cnn_alex,
    width: Annotated[
        float,
        typer.Option(
            callback=checked.number(above=0, most=1), help="Share of channels and units, for small experiments."
        ),
    ] = 1.0,
    learning: PretrainOptions,
    seed: Annotated[
        int, typer.Option(min=0, max=opt.LAST_SEED, help="Of split, weights, order, crops and dropout.")
    ] = 0,
    accumulate: Annotated[
        int, typer.Option(min=1, max=opt.MOST_IMAGES, help="Parts in which a batch passes the network.")
    ] = 1,
    reader: ReaderOptions,
    precision: opt.PrecisionMode = opt.Precision.float32,
    machine: _Machine,
    output: PrintOptions,
) -> None:
    """Train a network of Ge et al. 2018 from nothing: their step 1, pre-training.

    Writes weights.safetensors, which other commands take as --weights, log.jsonl and, after every epoch, checkpoint.pt
    into OUT: interrupted, the same command again goes on, to the same weights. Without val/, a fifth of every class
    is for validation. On several devices or machines:
    torchrun --nproc-per-node N --no-python rsir train pretrain ...
    """
    target = Path("runs") / f"pretrain-{data.absolute().name}-{network.value}" if out is None else out

    def left() -> str:
        from rsir_fast.training import has_checkpoint

        there = has_checkpoint(target)
        return f"the last whole epoch is kept in {target}; {AGAIN}" if there else "nothing was finished"

    quiet = output.quiet
    with reported_errors(left) as skipped:
        recipe = learning.recipe()
        from rsir_fast.pretraining import pretrain as run
        from rsir_fast.pretraining.images import open_images
        from rsir_fast.training import joined_processes

        keep_freed_memory()
        images = open_images(data, seed=seed, **asdict(reader))
        parts = f"{plural(len(images.train), 'image')} to train on, {len(images.validation)} to validate on"
        classes = plural(len(images.train.classes), "class")
        start = time.perf_counter()
        with joined_processes(machine.device) as (place, first), shown_progress(quiet or not first) as progress:
            note(f"{images.train.name}: {parts}, {classes}; {network.value}", quiet or not first)
            for remark in dict.fromkeys((*images.train.notes, *images.validation.notes)):
                note(f"note: {remark}", quiet or not first)
            made = run(
                images.train,
                network.value,
                width=width,
                recipe=recipe,
                validation=images.validation,
                seed=seed,
                out=target,
                resume=True,
                device=place,
                precision=precision.value,
                accumulate=accumulate,
                workers=machine.workers,
                progress=progress,
            )
        if not first:
            return
        skipped += made.skipped
        path, result = target / "weights.safetensors", made.training["result"]
        if output.json:
            summary: dict[str, Any] = {"weights": str(path), "network": network.value, "width": width}
            summary["skipped"] = [entry._asdict() for entry in made.skipped]
            print_json({**summary, "training": made.training, "seconds": time.perf_counter() - start})
        else:
            note(f"validation: top-1 {result['top1']:.4f}, top-5 {result['top5']:.4f}", quiet)
            typer.echo(f"weights: {path.absolute()}")


def _epochs(drops: str | None, epochs: int, schedule: Schedule) -> tuple[int, ...] | None:
    """Return the epochs of the drops, refused before anything heavy is imported."""
    if drops is None:
        return None
    try:
        found = tuple(int(part) for part in drops.split(","))
    except ValueError:
        raise ValueError(f"--drops: expected epochs such as 30,60,80, got {drops!r}") from None
    rising = list(found) == sorted({drop for drop in found if 1 <= drop <= epochs})
    if not rising or schedule is not Schedule.steps:
        raise ValueError(
            f"--drops: expected rising epochs from 1 to {epochs}, for --schedule steps, got {drops} for --schedule "
            f"{schedule.value}"
        )
    return found

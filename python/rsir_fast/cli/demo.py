"""``rsir demo``: the whole road once, from scenes to a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.evaluate_ge2018 import evaluate_and_report
from rsir_fast.cli.evaluating import check_out, extracted
from rsir_fast.cli.groups import EngineOptions, PrintOptions, ReaderOptions
from rsir_fast.cli.session import AGAIN, kept, note, reported_errors


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Argument(help="Your images, in class folders. Default: synthetic scenes.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for scenes, features, report. \\[default: runs/demo, or runs/demo-DATA]",
        ),
    ] = None,
    scenes_per_class: Annotated[
        int, typer.Option("--scenes-per-class", min=2, max=opt.MOST_IMAGES, help="Synthetic scenes a class.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, max=opt.LAST_SEED, help="Seed of the synthetic scenes.")] = 0,
    encoder: opt.EncoderWord = "mobilenet_v2",
    weights: opt.Weights = None,
    reader: ReaderOptions,
    machine: EngineOptions,
    force: opt.Force = False,
    output: PrintOptions,
) -> None:
    """Make or take scenes, extract features, evaluate, and write a report to look at."""
    target = out or Path("runs") / ("demo" if data is None else f"demo-{data.resolve().name}")
    quiet, device = output.quiet, machine.device
    with reported_errors(lambda: kept(target / "features", AGAIN)) as skipped:
        from rsir_fast.datasets import generate_scenes

        check_out(target)
        network = opt.EncoderOptions(
            encoder, weights, machine.workers, device=device, engine=machine.engine, quiet=quiet
        )
        if data is None:
            opt.refuse_given(
                "expected your own images to go with it, got none: the scenes drawn here need neither",
                **asdict(reader),
            )
            note(f"scenes: {target / 'scenes'}", quiet)
            dataset = generate_scenes(target / "scenes", per_class=scenes_per_class, seed=seed, force=force)
            loaded = network.load()
        else:
            dataset, loaded = opt.open_both(
                data, network, all_items=False, download=True, quiet=quiet, **asdict(reader)
            )
        features = extracted(dataset, loaded, network, target, force=force, quiet=quiet)
        skipped += features.skipped
        evaluate_and_report(features, target, {"device": device}, per_class=False, quiet=quiet, json=output.json)

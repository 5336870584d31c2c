"""``rsir features``: from a folder of images to a feature matrix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.evaluating import say_more
from rsir_fast.cli.groups import EngineOptions, ImageOptions, NetworkOptions, PrintOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.session import (
    AGAIN,
    kept,
    note,
    plural,
    print_json,
    reported_errors,
)


@dataclass(frozen=True)
class MakingOptions(EngineOptions):
    """How features are made."""

    decoder: opt.JpegDecoder = None
    resume: opt.Resume = False
    force: opt.Force = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, compute nothing.")] = False


def features(
    *,
    data: Annotated[Path, typer.Argument(help="Folder of images: a benchmark, class folders, or images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the features.")],
    network: NetworkOptions,
    images: ImageOptions,
    making: MakingOptions,
    output: PrintOptions,
) -> None:
    """Compute the features of a folder of images.

    OUT becomes an archive of them. Interrupted, the same command again goes on and gives the identical matrix; after
    images were added, changed or removed, it makes OUT what they are now. Images that cannot be read are left out,
    listed at the end, and make the exit code 3.
    """
    quiet, force = output.quiet, making.force
    with reported_errors(lambda: kept(out, AGAIN)) as left_out:
        maker = network.run_as(making.workers, making.device, making.decoder, making.engine, quiet)
        from rsir_fast.archive.columns import known_spec
        from rsir_fast.archive.folders import check_encoder, check_folder
        from rsir_fast.archive.versions import numbers
        from rsir_fast.encoders.former import run_of

        opened = {**asdict(images), "download": images.download and not making.dry_run}
        dataset, loaded = opt.open_both(data, maker, quiet=quiet, **opened)
        what = "descriptor" if "descriptor" in loaded.provenance else "backbone"
        found = {"dataset": dataset.name, "images": len(dataset), "classes": len(dataset.classes)}
        summary: dict[str, Any] = {**found, what: loaded.provenance, "out": str(out)}
        if making.dry_run:
            left_out += dataset.unreadable
            check_folder(out, resume=True, force=force)
            spec = known_spec({**loaded.provenance, **dataset.reader.provenance()})
            if spec is not None and not force:
                check_encoder(out, spec)
            summary["dry_run"] = True
        else:
            # The same request again is answered by what is there; a different one is refused.
            before = [] if force else numbers(out)
            where = {"out": out, "resume": True, "force": force}
            with shown_progress(quiet) as progress:
                result = maker.features(dataset, loaded, progress=progress, **where)
            left_out += result.skipped
            say_more(dataset, result, quiet)
            if before:
                note(_what_changed(out, before[-1], numbers(out)[-1]), quiet)
            skipped = [entry._asdict() for entry in result.skipped]
            if what == "descriptor":
                summary[what] = result.provenance  # with what it learnt
            else:
                summary["engine"] = run_of(result.provenance).engine
            summary |= {"rows": len(result), "dim": result.dim, "skipped": skipped, "timing": result.timing}
        if output.json:
            print_json(summary)
        else:
            typer.echo("\n".join(_lines(summary)))


def _what_changed(out: Path, before: int, now: int) -> str:
    from rsir_fast.archive.versions import version_file

    change = version_file(out, now).change
    if now == before or change is None:
        return f"{out} was finished already"
    return f"{out}: version {now}, {plural(change.added, 'image')} added, {change.removed} removed"


def _lines(summary: dict[str, Any]) -> list[str]:
    lines = [
        f"data set  {summary['dataset']}: {plural(summary['images'], 'image')}, {plural(summary['classes'], 'class')}",
        *(_network(summary["backbone"]) if "backbone" in summary else _descriptor(summary["descriptor"])),
    ]
    if summary.get("dry_run"):
        return [*lines, f"dry run: nothing written to {summary['out']}"]
    timing = summary["timing"]
    if timing.get("images_per_s"):
        rate = f"{timing['images_per_s']:.1f} images/s"
        if timing.get("forward_images_per_s"):
            rate += f" (bare forward pass {timing['forward_images_per_s']:.1f}, {summary['engine']})"
        lines.append(f"speed     {timing['images']} images in {timing['seconds']:.1f} s, {rate}")
    if "decoded_on_device" in timing:
        lines.append(
            f"decoded   {timing['decoded_on_device']} images on the device, {timing['decoded_on_cpu']} on the CPU"
        )
    return [*lines, f"features  {summary['rows']} x {summary['dim']} float32 in {summary['out']}"]


def _network(made: dict[str, Any]) -> list[str]:
    # What a hash model says of itself names its layer already.
    layer = "" if "hash" in made else f", {made['layer']}"
    return [
        f"network   {made['description']}{layer} ({made['dim']} values an image)",
        f"weights   {made['weights']['file']}, SHA-256 {made['weights']['sha256'][:16]}...",
    ]


def _descriptor(made: dict[str, Any]) -> list[str]:
    lines = [f"made by   {made['description']}, {made['layer']} ({made['dim']} values an image)"]
    learnt = made["descriptor"].get("learnt")
    if learnt is not None:
        lines.append(
            f"words     from {learnt['sampled']:,} of {learnt['local_descriptors']:,} local descriptors, "
            f"SHA-256 {learnt['sha256'][:16]}..."
        )
    return lines

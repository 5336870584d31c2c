"""What the commands ``rsir evaluate ...`` do alike: features of a data set, and a report on them."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from functools import partial
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rsir_fast.base.looking import is_folder, refuse_no_folder
from rsir_fast.base.shared import shared_command, within
from rsir_fast.base.text import printable, short
from rsir_fast.cli import options as opt
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.session import note, plural, print_result
from rsir_fast.errors import ImageError, RsirError

if TYPE_CHECKING:
    from PIL import Image

    from rsir_fast.archive import Features
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.protocols import EvaluationResult
    from rsir_fast.report.views import Reported


def extracted(
    dataset: Dataset,
    backbone: Encoder,
    maker: opt.EncoderOptions,
    out: Path,
    *,
    force: bool,
    quiet: bool,
    classes: bool = True,
) -> Features:
    """Extract, or take up, the features of a data set, by default one with classes, into ``OUT/features``."""
    from rsir_fast.protocols import check_classes

    if classes:
        check_classes(dataset.name, dataset.labels)
    check_out(out)
    images, groups = plural(len(dataset), "image"), plural(len(dataset.classes), "class")
    note(f"{dataset.name}: {images}, {groups}; {backbone.provenance['description']}, {backbone.layer}", quiet)
    with shown_progress(quiet) as progress:
        where = {"out": out / "features", "resume": True, "force": force}
        made = maker.features(dataset, backbone, progress=progress, **where)
    say_more(dataset, made, quiet)
    return made


def say_more(dataset: Dataset, made: Features, quiet: bool) -> None:
    """Say what is to be said of features beside the notes of their data set."""
    for remark in made.notes:
        if remark not in dataset.notes:
            note(f"note: {remark}", quiet)


def placed(features: Features, root: Path | None, quiet: bool) -> Features:
    """Return features that know where their images are now; say if these are not where they were."""
    from rsir_fast.extraction.whereabouts import files_of, missing, moved_to

    there = features if root is None else moved_to(features, root)
    lost = missing(there)
    if lost:
        where = f"{len(lost)} of {plural(len(files_of(there)), 'image')} are not in {printable(there.root)} any more"
        hint = "say with --root where they are now" if root is None else "their pictures and paths lead nowhere"
        note(f"note: {where}, the first {printable(lost[0])}; {hint}", quiet)
    return there


def check_out(out: Path, protocol: str | None = None, *, force: bool = False) -> None:
    """Raise RsirError, before the work, if the report could not be written, or would lie among what is not its own.

    Parameters
    ----------
    out
    protocol
        Of the report, whose own results are replaced.
    force
        Replace a result of another protocol as well.
    """
    refuse_no_folder(out, "the report", RsirError, "--out")
    if not is_folder(out):
        return
    kept = _protocol_in(out)
    if None not in (protocol, kept) and kept != protocol and not force:
        raise RsirError(
            f"{short(out)}: expected a new folder, or one of a result of {protocol}, found a result of {kept}; choose "
            "another with --out"
        )
    image = None if kept is not None else _image_in(out)
    if image is not None:
        raise RsirError(
            f"{short(out)}: expected a new folder for the report, found images, such as {printable(image)}; choose "
            "another with --out"
        )


def _protocol_in(out: Path) -> str | None:
    """Return the protocol of the result that is there; None where there is none that can be read."""
    try:
        found = loads((out / "result.json").read_bytes())
    except (OSError, ValueError):
        return None
    return str(found.get("protocol", "something else")) if isinstance(found, dict) else "something else"


def _image_in(out: Path) -> str | None:
    """Return an image that lies in a folder, or in a folder in it, as those of a data set do."""
    from rsir_fast.datasets.scan import is_image_name

    names = _names(out)
    for folder in (Path(), *(Path(name) for name in names if is_folder(out / name))):
        image = next(filter(is_image_name, _names(out / folder)), None)
        if image is not None:
            return str(folder / image)
    return None


def _names(folder: Path) -> list[str]:
    """Return what lies in a folder; nothing of one that cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def write_and_print(result: EvaluationResult, features: Features, out: Path, *, per_class: bool, json: bool) -> Path:
    """Write the report, print the result; return the path of the report."""
    from rsir_fast.report import write_report
    from rsir_fast.report.describe import notes

    if result.features.non_finite_rows:
        note(f"rsir: {notes(result)[-1]}")
    load_image = None if features.root is None else partial(_shared_image, features.as_dataset())
    machine = {
        "Machine": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    paths = write_report(out, result, load_image, command=own_command(), machine=machine)
    conclude(result, paths["report.html"], json=json, per_class=per_class)
    return paths["report.html"]


def own_command() -> str:
    """Return the command line that gives a result again."""
    return shlex.join(["rsir", *shared_command(sys.argv[1:])])


def conclude(result: Reported, report: Path, *, json: bool, per_class: bool = False, all_rows: bool = False) -> None:
    """Print the result, and where its report is."""
    from rsir_fast.report import result_table

    if json:
        typer.echo(result.to_json(), nl=False)
    else:
        print_result(result_table(result, per_class=per_class, all_rows=all_rows))
        typer.echo(f"report: {report.absolute()}")


def _shared_image(dataset: Dataset, item: int) -> Image.Image:
    """Load an image for a page; why it cannot be read is said without where it lies."""
    try:
        return dataset.load_image(item)
    except ImageError as error:
        raise ImageError(within(str(error), dataset.root)) from None


def default_out(*parts: str) -> Path:
    """Return the folder under ``runs`` that these names make."""
    return Path("runs") / "-".join(parts).replace("/", "_")

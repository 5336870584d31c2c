"""What the commands show on stderr of how far they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rsir_fast.cli.session import note

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from rsir_fast.base.progress import Progress

LOG_INTERVAL_S = 10.0

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show images, rate and time left, and name the runs that begin.

    Of what is extracted a bar on a terminal; else, and of trainings, a line every ten seconds and at the end.
    """
    if quiet:
        yield None
        return
    images = _ImagesBar() if sys.stderr.isatty() else _log_of_images()
    trained = _log_of_training()

    def show(progress: Progress) -> None:
        if progress.stage == "run":
            note(f"{progress.done + 1} of {progress.total}: {progress.what}")
        elif progress.epoch:
            trained(progress)
        else:
            images(progress)

    try:
        yield show
    finally:
        if isinstance(images, _ImagesBar):
            images.stop()


def _log_of_images() -> Callable[[Progress], None]:
    last = time.monotonic()

    def log(progress: Progress) -> None:
        nonlocal last
        if progress.eta_s is None or (time.monotonic() - last < LOG_INTERVAL_S and progress.done < progress.total):
            return
        last = time.monotonic()
        noun = "rows" if progress.stage == "import" else "images"
        note(
            f"{progress.stage}: {progress.done}/{progress.total} {noun}, {progress.rate:.1f} {noun}/s, "
            f"{progress.eta_s:.0f} s left"
        )

    return log


def _log_of_training() -> Callable[[Progress], None]:
    last = time.monotonic()

    def log(progress: Progress) -> None:
        nonlocal last
        ended = progress.epoch == progress.epochs and progress.done == progress.total
        if time.monotonic() - last < LOG_INTERVAL_S and not ended:
            return
        last = time.monotonic()
        terms = ", ".join(f"{name} {value:.4f}" for name, value in progress.terms.items())
        note(
            f"{progress.stage}: epoch {progress.epoch}/{progress.epochs}, {progress.done}/{progress.total} images, "
            f"{terms}, rate {progress.learning_rate:.2g}, {progress.rate:.0f} images/s, {progress.eta_s:.0f} s left"
        )

    return log


class _ImagesBar:
    """A bar that is there from the first image on."""

    def __init__(self) -> None:
        self.bar: Bar | None = None

    def __call__(self, progress: Progress) -> None:
        if self.bar is None:
            self.bar = _bar()
            self.bar.start()
            self.task = self.bar.add_task(progress.stage, total=None, rate=0.0, eta="?")
        self.bar.update(
            self.task,
            description=progress.stage,
            completed=progress.done,
            total=progress.total,
            rate=progress.rate,
            eta="?" if progress.eta_s is None else f"{progress.eta_s:.0f} s",
        )

    def stop(self) -> None:
        """Leave it on the terminal as it is."""
        if self.bar is not None:
            self.bar.stop()


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} images/s"),
        TimeElapsedColumn(),
        TextColumn("ETA {task.fields[eta]}"),
        console=Console(stderr=True),
    )

"""Counts the images of a run and tells whoever watches it."""

from __future__ import annotations

import time
from typing import Any

from rsir_fast.base.progress import OnProgress, Progress, Stage, is_stopped
from rsir_fast.errors import RsirError

__all__ = ["Meter"]


class Meter:
    """Counts images and tells the caller."""

    def __init__(self, stage: Stage, total: int, before: int, progress: OnProgress | None) -> None:
        self.stage, self.total, self.before, self.progress = stage, total, before, progress
        self.images = self.skipped = 0
        self.start = time.perf_counter()
        self.seconds = 0.0
        self.report(Progress(stage, before, total))

    def add(self, images: int, skipped: int) -> None:
        """Count some images of this run."""
        self.images += images
        self.skipped += skipped
        self.seconds = time.perf_counter() - self.start
        done, rate = self.before + self.images, self.images / self.seconds
        self.report(Progress(self.stage, done, self.total, rate, (self.total - done) / rate, self.skipped))

    def report(self, at: Progress) -> None:
        """Tell the caller, who may stop the run."""
        if is_stopped(self.progress, at):
            raise RsirError(f"extraction stopped after {at.done} of {at.total} images")

    def timing(self) -> dict[str, Any]:
        """Figures of this run."""
        rate = self.images / self.seconds if self.seconds else None
        return {"images": self.images, "seconds": self.seconds, "images_per_s": rate}

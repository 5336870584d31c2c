"""What was left out because it could not be read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Skipped"]


class Skipped(NamedTuple):
    """An image, or a folder of images, that could not be read, and why."""

    item: str
    reason: str

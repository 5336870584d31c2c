"""Errors a user can act on: each message names what was expected, what came, and the fix."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ArchiveError",
    "DatasetError",
    "FeaturesError",
    "ImageError",
    "MachineError",
    "NoImageReadError",
    "RsirError",
    "RsirWarning",
    "TrainingError",
    "WeightFileError",
]


class RsirError(Exception):
    """Base of all errors that rsir_fast raises for bad input files; the command line prints it as one line."""


class RsirWarning(UserWarning):
    """Something was mended on the way; the command line prints it as one line."""


class DatasetError(RsirError, ValueError):
    """A data set folder, split file or archive is missing or is not what it should be."""


class ImageError(RsirError, ValueError):
    """One image cannot be read; extraction lists it as skipped and goes on."""


class MachineError(RsirError):
    """The machine failed, not the file: disk, memory, permissions. A run stops and records nothing."""


class NoImageReadError(RsirError):
    """Not one image of a data set could be read: nothing is written.

    Parameters
    ----------
    name
        Of the data set.
    skipped
        Item and reason of each.
    """

    def __init__(self, name: str, skipped: Sequence[tuple[str, str]]) -> None:
        first = skipped[0][1] if skipped else "there are none"
        super().__init__(
            f"{name}: expected images that can be read, found none among {len(skipped)}; the first: {first}"
        )
        self.skipped = tuple(skipped)


class WeightFileError(RsirError, ValueError):
    """A weight file is missing, damaged, unsafe, or does not fit the network."""


class FeaturesError(RsirError, ValueError):
    """A stored feature matrix is missing, incomplete, damaged, or made with other settings."""


class ArchiveError(FeaturesError):
    """An archive is missing, damaged, held by others, or of another encoder."""


class TrainingError(RsirError):
    """A training cannot start, cannot go on, or was stopped."""

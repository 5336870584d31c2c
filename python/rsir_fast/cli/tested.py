"""Options of `rsir evaluate ...`: a split whose test images ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli import recipes as rec

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Dataset, Split

__all__ = ["ASKING", "TestedOptions"]

ASKING = "Who asks whom"

_SHOWN = 8
"""Hexadecimal digits of a split's digest in a name."""


@dataclass(frozen=True)
class TestedOptions:
    """Which images ask."""

    split: Annotated[
        str | None,
        typer.Option(
            callback=checked.split,
            help="Test images ask alone: 80/20 and the like, drawn in every class; a split in a file (.json); or a "
            "list of training images (train.txt).",
            rich_help_panel=ASKING,
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(min=0, max=opt.LAST_SEED, help="Of a split that is drawn.", rich_help_panel=ASKING)
    ] = 0

    @property
    def drawn(self) -> bool:
        """Whether the split is drawn here, not read from a file."""
        from rsir_fast.datasets.split_files import preset_share

        return self.split is not None and preset_share(self.split) is not None

    @property
    def file(self) -> str | None:
        """Name of the file that the split is read from."""
        return None if self.split is None or self.drawn else Path(self.split).name

    def told(self, split: Split | None) -> list[str]:
        """Say which split it is in words for a folder's name; of a file, two of one name are not one split."""
        if self.split is None or split is None:
            return []
        if not self.drawn:
            return [str(self.file), split.digest[:_SHOWN]]
        return [self.split, *([f"seed{self.seed}"] * bool(self.seed))]

    def refuse_seed_of_file(self, context: typer.Context) -> None:
        """Refuse a seed where nothing is drawn."""
        if not self.drawn:
            rec.refuse_together(context, "a split in a file", ("seed",), "is drawn already")

    def split_of(self, dataset: Dataset) -> Split | None:
        """Return the split of a data set, if one is asked for."""
        from rsir_fast.base.text import printable
        from rsir_fast.datasets import split_of
        from rsir_fast.errors import DatasetError

        if self.split is None:
            return None
        found = split_of(self.split, dataset, self.seed)
        if not found.test:
            raise DatasetError(f"{printable(self.split)}: leaves no images to test on; name another split")
        return found

    def split_of_features(self, features: Features) -> Split | None:
        """Return the split of the images of features, of those that could not be read as well."""
        if self.split is None:
            return None
        from rsir_fast.protocols.unread import with_unread

        return self.split_of(with_unread(features, unknown=not self.drawn))

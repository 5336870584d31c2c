"""Options that commands of ``rsir archive`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ArchiveFolder", "VersionNumber"]

ArchiveFolder = Annotated[Path, typer.Argument(help="Folder of an archive, as `rsir features` writes it.")]
VersionNumber = Annotated[
    int | None,
    typer.Option("--version", min=1, help="Number of a version. Default: the newest.", show_default=False),
]

"""The options that say how image files are read, understood before anything else is done."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Bands", "Scale"]

PANEL = "Images"


def _bands(text: str | None) -> str | None:
    _understand(bands=text)
    return text


def _scale(text: str | None) -> str | None:
    _understand(scale=text)
    return text


def _understand(bands: str | None = None, scale: str | None = None) -> None:
    if bands is None and scale is None:
        return
    from rsir_fast.datasets import Reader

    try:
        Reader.parse(bands, scale)
    except ValueError as error:
        raise typer.BadParameter(str(error).partition(": ")[2]) from None


Bands = Annotated[
    str | None,
    typer.Option(
        "--bands",
        callback=_bands,
        help="Bands that become red, green, blue (4,3,2), or one for grey, from 1. Default: as the file says.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        callback=_scale,
        help="To 8 bits: 0:3000 (samples), minmax, or percentile:2,98 (of each image). Default: by the number of bits.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]

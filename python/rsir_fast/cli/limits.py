"""The options that limit what one image may cost, for every command that reads images."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from rsir_fast.cli.checked import number

__all__ = ["with_limits"]

_PANEL = "Images"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def amount(text: str) -> int:
    """Understand an amount of memory.

    Examples
    --------
    >>> amount("4GiB"), amount("500 MB"), amount("65536")
    (4294967296, 500000000, 65536)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    size = int(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
    if size < 1:
        raise typer.BadParameter(f"expected an amount of memory such as 4GiB or 500MB, got {text!r}")
    return size


_OPTIONS: dict[str, Any] = {
    "image_memory": Annotated[
        int | None,
        typer.Option(
            "--image-memory",
            parser=amount,
            metavar="SIZE",
            help="Memory of all images being decoded, such as 4GiB. Default: a quarter of the machine's.",
            rich_help_panel=_PANEL,
        ),
    ],
    "max_pixels": Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            min=1,
            help="Larger images are refused. Default: 268435456, which is 16384 x 16384.",
            rich_help_panel=_PANEL,
        ),
    ],
    "max_pixels_per_byte": Annotated[
        float | None,
        typer.Option(
            "--max-pixels-per-byte",
            callback=number(above=0),
            help="Images of more for each byte of the file, and of more than 2^26, are refused. Default: 128.",
            rich_help_panel=_PANEL,
        ),
    ],
    "image_seconds": Annotated[
        float | None,
        typer.Option(
            "--image-seconds",
            callback=number(above=0),
            help="Images whose header promises a longer decoding are refused. Default: 60.",
            rich_help_panel=_PANEL,
        ),
    ],
}
"""By the fields of `rsir_fast.datasets.Limits`."""


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `rsir_fast.datasets.Limits`, in force while it runs."""

    @functools.wraps(command)
    def limited(*arguments: Any, **options: Any) -> None:
        asked = {name: value for name in _OPTIONS if (value := options.pop(name, None)) is not None}
        if not asked:
            command(*arguments, **options)
            return
        from rsir_fast.datasets import limits_of_images

        with limits_of_images(**asked):
            command(*arguments, **options)

    signature = inspect.signature(command, eval_str=True)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    parameters = [*signature.parameters.values(), *more]
    shown: Any = limited
    shown.__signature__ = signature.replace(parameters=parameters)
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return limited

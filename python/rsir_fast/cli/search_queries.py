"""Options of ``rsir search`` that say what is searched for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__ = ["AskedOptions", "numbers"]

_ASKED = "What is searched for, in place of QUERIES"


@dataclass(frozen=True)
class AskedOptions:
    """What is searched for, beside images."""

    ids: Annotated[
        list[int] | None, typer.Option("--id", min=0, help="An item of the archive; repeat.", rich_help_panel=_ASKED)
    ] = None
    at: Annotated[
        str | None,
        typer.Option(metavar="LON,LAT", help="The item that shows this place (WGS 84).", rich_help_panel=_ASKED),
    ] = None
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", help="Words, where the encoder reads text; repeat.", rich_help_panel=_ASKED),
    ] = None
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npy", help="Vectors as the archive has them, a row each.", rich_help_panel=_ASKED),
    ] = None
    liked: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|IMAGE", help="One query of several examples; repeat.", rich_help_panel=_ASKED),
    ] = None
    unliked: Annotated[
        list[str] | None, typer.Option(metavar="ID|IMAGE", help="What it is unlike; repeat.", rich_help_panel=_ASKED)
    ] = None
    strategy: Annotated[
        Literal["mean", "best"],
        typer.Option(
            help="mean: nearest to 2 mean(liked) - mean(unliked). best: to the nearest liked; what is as near to "
            "an unliked comes last.",
            rich_help_panel=_ASKED,
        ),
    ] = "mean"
    window: Annotated[
        str | None,
        typer.Option(metavar="C,R,W,H", help="Of the raster QUERIES: these pixels.", rich_help_panel=_ASKED),
    ] = None

    def query(self, images: list[Path] | None, **how: Any) -> Any:
        """Return the query.

        Raises
        ------
        ValueError
            If nothing is asked, or in several ways.
        """
        from rsir_fast.retrieval import Query

        if not (images or self.ids or self.at or self.texts or self.vectors or self.liked):
            raise ValueError(
                "QUERIES: expected images, or --id, --at, --text, --vectors or --liked, got nothing; say what is "
                "searched for"
            )
        return Query(
            images=tuple(_windows(images or [], self.window)),
            ids=tuple(self.ids or ()),
            at=None if self.at is None else numbers("at", "LON,LAT", self.at, 2),
            texts=tuple(self.texts or ()),
            vectors=() if self.vectors is None else _vectors(self.vectors),
            liked=_examples(self.liked),
            unliked=_examples(self.unliked),
            strategy=self.strategy,
            **how,
        )


def numbers(name: str, form: str, text: str, count: int) -> Any:
    """Understand so many numbers parted by commas."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if len(found) != count:
        raise ValueError(f"{name}: expected {form} in degrees, got {text!r}")
    return found


def _windows(images: list[Path], window: str | None) -> list[str]:
    if window is None:
        return list(map(str, images))
    from rsir_fast.datasets.windows import Window, item_name

    if len(images) != 1:
        raise ValueError(f"window: expected one raster to go with it, got {len(images)}")
    return [item_name(str(images[0]), Window.parse(window))]


def _examples(words: list[str] | None) -> tuple[int | str, ...]:
    return tuple(int(word) if word.isdecimal() else word for word in words or ())


def _vectors(path: Path) -> Any:
    import numpy as np

    from rsir_fast.base.reading import reading
    from rsir_fast.errors import RsirError

    with reading(path, "vectors in a .npy file", "give another file", RsirError):
        found = np.load(path, allow_pickle=False)
        if found.ndim not in (1, 2) or found.dtype.kind not in "fiu" or not found.size:
            raise ValueError(f"{found.dtype} {list(found.shape)} is no vector, nor rows of them")
    return np.atleast_2d(found.astype(np.float32)).tolist()

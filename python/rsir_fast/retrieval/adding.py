"""Images and tiles of rasters into an archive, by its own encoder and recipe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.folders import learnt_file
from rsir_fast.archive.gone import ids_gone
from rsir_fast.archive.inputs import Input
from rsir_fast.archive.remove import remove
from rsir_fast.archive.roots import Roots
from rsir_fast.archive.stored import last_run
from rsir_fast.archive.versions import is_archive, newest
from rsir_fast.base.ids import without
from rsir_fast.base.looking import is_folder
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset, Reader, Skipped, open_dataset
from rsir_fast.datasets.dates import Dating
from rsir_fast.datasets.raster_files import find_rasters
from rsir_fast.datasets.tiles import cut
from rsir_fast.datasets.tiling import Tiling
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError, DatasetError
from rsir_fast.extraction import encode
from rsir_fast.extraction.sinks import inputs_of
from rsir_fast.extraction.stamps import Stamps

__all__ = [
    "Added",
    "Data",
    "Forecast",
    "add",
    "dataset_for",
    "encoder_of_archive",
    "forecast",
    "reader_of",
    "refuse_other_tiling",
]

Data = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Dataset

_TRIED = 64
"""Items by which the time of all is foretold."""


@dataclass(frozen=True)
class Added:
    """What came of adding.

    Attributes
    ----------
    version : int
        Of the archive now; as before where nothing was new.
    added, removed : int
        Items: new or changed ones, and those that were before or are gone.
    items : int
        That the archive has now.
    empty : int
        Tiles left out, now or before, as too much of them has no data.
    gone : tuple of str
        Items of the same folders whose file or window is not there any more; with `mirror` they are removed.
    skipped : tuple of Skipped
        What could not be read of what was to be added.
    timing : dict
        Figures of the run.
    """

    version: int
    added: int
    removed: int
    items: int
    empty: int
    gone: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    timing: dict[str, Any]


@dataclass(frozen=True)
class Forecast:
    """What adding would do.

    Attributes
    ----------
    items, new : int
        Of the data set, and those of them that the archive does not have as they are.
    bytes : int
        That the new ones take on the disk, about.
    seconds : float or None
        That encoding takes, measured on a few; None where nothing is new, or a vocabulary is learnt first.
    """

    items: int
    new: int
    bytes: int
    seconds: float | None


def reader_of(spec: Spec) -> Reader:
    """Return how the images of an encoder are read."""
    return Reader.parse(spec.reader.bands, spec.reader.scale)


def dataset_for(
    folder: Path, data: Data, *, tiling: Tiling | None, reader: Reader, dating: Dating | None = None
) -> Dataset:
    """Return what is to be added: rasters cut by a recipe, or a folder of images.

    Parameters
    ----------
    folder
        Of the archive.
    data
        A data set, as it is; paths, patterns and folders of rasters; without a recipe, or where it holds no raster, a
        folder as `rsir_fast.open_dataset` takes it.
    tiling, reader, dating
        The recipe: windows, bands and scale, times. Those of a data set are its own, but for a reader that is open.

    Raises
    ------
    DatasetError, ValueError
        As `rsir_fast.tiles` and `rsir_fast.open_dataset`; also if data and archive lie in one another.
    """
    if isinstance(data, Dataset):
        found = data if data.root is None else replace(data, reader=data.reader.or_else(reader))
    else:
        named = [data] if isinstance(data, str | os.PathLike) else list(data)
        _refuse_around(folder, named)
        if tiling is not None and not _holds_no_raster(named):
            found = cut(named, tiling, reader, dating)
        elif len(named) == 1 and is_folder(named[0]):
            found = replace(open_dataset(named[0]), reader=reader)
        else:
            raise DatasetError(
                f"{printable(named[0]) if named else 'data'}: expected one folder of images, or rasters and the size "
                "of their tiles, got files without a size; say it (size=256, --size 256)"
            )
    if found.root is not None and _real(found.root).is_relative_to(_real(folder)):
        raise DatasetError(
            f"{printable(found.root)}: expected images outside of the archive {printable(folder)}; move them"
        )
    return found


def refuse_other_tiling(folder: Path, tiling: Tiling | None) -> None:
    """Refuse tiles for an archive that has others.

    Raises
    ------
    ArchiveError
    """
    there = newest(folder)[0].tiling if is_archive(folder) else tiling
    if there is not None and there != tiling:
        now = "images that are not cut" if tiling is None else f"tiles of {tiling}"
        raise ArchiveError(
            f"{printable(folder)}: expected tiles of {there}, as it has, got {now}; use `rsir archive add`, which "
            "takes the archive's own, or choose another folder"
        )


def add(
    folder: Path,
    dataset: Dataset,
    encoder: Encoder,
    *,
    mirror: bool = False,
    progress: OnProgress | None = None,
    **how: Any,
) -> tuple[Features, Added]:
    """Encode what an archive does not have, and keep all else.

    Parameters
    ----------
    folder
        The archive, or a new or empty folder.
    dataset, encoder
        What is added, and by what.
    mirror
        Remove items of the same folders that are gone.
    progress, **how
        As for `rsir_fast.encode`; what is not given is as it was for the archive.

    Returns
    -------
    tuple of Features, Added
        The archive as it is now, and what has changed.
    """
    before = Snapshot(folder) if is_archive(folder) else None
    run = last_run(folder) or {}
    if "batch_size" in run and how.get("batch_size") is None:
        how["batch_size"] = int(run["batch_size"])
    features = encode(dataset, encoder, out=folder, resume=True, mirror=False, progress=progress, **how)
    now = Snapshot(folder, before=before)
    gone: tuple[str, ...] = ()
    if dataset.root is not None:
        roots = Roots(folder, dataset.root)
        inputs = inputs_of(dataset, Stamps(dataset), roots)
        ids = ids_gone(now, roots.looked_through, {each.key for each in inputs})
        places = np.flatnonzero(np.isin(now.ids, ids))
        gone = tuple(now.items[place] for place in places.tolist())
        if mirror and len(ids):
            now = remove(folder, ids, before=now)
    old = np.empty(0, np.int64) if before is None else before.ids
    return features, Added(
        version=now.version.number,
        added=len(without(now.ids, old)),
        removed=len(without(old, now.ids)),
        items=len(now),
        empty=sum(each.empty for each in now.skipped),
        gone=gone,
        skipped=features.skipped,
        timing=features.timing,
    )


def forecast(folder: Path, dataset: Dataset, encoder: Encoder, **how: Any) -> Forecast:
    """Tell what `add` would do, and write nothing; some of what is new is encoded, for the time."""
    before = Snapshot(folder) if is_archive(folder) else None
    new = _new(before, inputs_of(dataset, Stamps(dataset), Roots(folder, dataset.root)))
    row = 100 + sum(np.dtype(field.dtype).itemsize * field.width for field in encoder.fields)
    seconds = None
    if new and getattr(encoder.runs, "fitted", True):
        first = new[:: max(1, len(new) // _TRIED)][:_TRIED]
        timing = encode(dataset.subset(first), encoder, **how).timing
        seconds = timing["seconds"] / len(first) * len(new)
    return Forecast(len(dataset), len(new), row * len(new), seconds)


def encoder_of_archive(folder: Path, spec: Spec, weights: str | os.PathLike[str] | None = None) -> Encoder:
    """Load the encoder of an archive; what it learnt is found in it."""
    from rsir_fast.encoders.load import load_encoder

    return load_encoder(spec, weights=weights or learnt_file(folder))


def _new(before: Snapshot | None, inputs: Sequence[Input]) -> list[int]:
    """Return the numbers of the inputs that an archive does not have as they are."""
    if before is None:
        return list(range(len(inputs)))
    keys = {each.key for each in inputs}
    there = {each.key: each for each in before.skipped if each.key in keys}
    known: dict[Any, Any] = dict(there)
    for segment in before.segments:
        which = segment.tables.of_keys(keys)
        which = which[np.isin(segment.ids[which], before.ids)]
        known |= {row.key: row for row in segment.tables.rows(which)}
    return [number for number, each in enumerate(inputs) if each.key not in known or not each.is_as(known[each.key])]


def _holds_no_raster(named: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether it is one folder, of other images."""
    if len(named) != 1 or not is_folder(named[0]):
        return False
    try:
        find_rasters(named[0])
    except DatasetError:
        return True
    return False


def _refuse_around(folder: Path, named: Iterable[str | os.PathLike[str]]) -> None:
    for each in named:
        if is_folder(each) and _real(folder).is_relative_to(_real(each)):
            raise DatasetError(
                f"{printable(folder)}: expected an archive outside of {printable(each)}, which is read; choose another "
                "folder"
            )


def _real(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.realpath(path))

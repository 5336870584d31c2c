"""Run a descriptor over a data set."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rsir_fast.base.progress import OnProgress
from rsir_fast.base.reading import as_record, reading
from rsir_fast.base.sealed import checked, checksums, seal
from rsir_fast.datasets import Dataset, open_dataset
from rsir_fast.descriptors.descriptor import Descriptor, Learnt
from rsir_fast.descriptors.ordered import in_order
from rsir_fast.errors import FeaturesError, ImageError
from rsir_fast.extraction import Features
from rsir_fast.extraction.fill import Rows, at_least, check_resumable, fill
from rsir_fast.extraction.loader import default_workers
from rsir_fast.extraction.records import DESCRIPTOR
from rsir_fast.extraction.stamps import Stamps
from rsir_fast.extraction.store import check_folder, check_settings

__all__ = ["describe_dataset", "read_learnt"]

_METADATA = "rsir_fast"


def describe_dataset(
    dataset: Any,
    descriptor: Descriptor,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    shard_size: int = 128,
    resume: bool = False,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Features:
    """Describe every readable image, at its full size.

    Parameters
    ----------
    dataset : Dataset, path, ImageFolder or torch map-style data set
        Whatever `rsir_fast.datasets.open_dataset` takes.
    descriptor : Descriptor
        One that learns and has not yet (a vocabulary) learns from this data set first, which reads every image once
        more; one that has keeps what it learnt elsewhere.
    out : path, optional
        Folder for the features, as `rsir_fast.extract` writes it, and for what was learnt (``descriptor.safetensors``).
        Without it both stay in memory.
    workers : int, optional
        Threads; 0: none. Default: one a core, at most 32. Never changes a bit.
    shard_size : int
        Images a shard: what an interruption can lose.
    resume : bool
        Go on with what an interrupted run left in `out`, vocabulary included: the matrix is the same, bit for bit. A
        finished matrix of the same data and settings is taken as it is.
    force : bool
        Replace features in `out`.
    progress : callable, optional
        Called with a `Progress` after every image, first for what is learnt, then for the descriptions; returning
        False stops the run (finished shards stay).

    Returns
    -------
    Features
        Rows in the order of the data set; unreadable images are left out and listed in ``skipped``. ``timing`` has
        ``images``, ``seconds``, ``images_per_s`` of the descriptions and, where this run learnt something, ``learn_s``.

    Raises
    ------
    DatasetError
        If there is no such data set, or it has too little to learn from.
    FeaturesError
        If `out` cannot be used; the message says why.
    ImportError
        If a package of the extra ``shallow`` is missing.
    RsirError
        If `progress` stopped the run.

    Notes
    -----
    Memory: the matrix of a shard, and some images a thread.

    Examples
    --------
    >>> from rsir_fast.descriptors import ColourHistogram
    >>> scenes = [(np.full((32, 32, 3), level, np.uint8), 0) for level in (0, 128, 255)]
    >>> features = describe_dataset(scenes, ColourHistogram(bins=2), workers=0)
    >>> features.matrix[1].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    shard = at_least(1, shard_size, "shard_size")
    workers = default_workers() if workers is None else at_least(0, workers, "workers")
    descriptor.check()
    data = open_dataset(dataset)
    folder = None if out is None else Path(out)
    if folder is not None:
        check_resumable(data, resume)
        check_folder(folder, resume=resume, force=force)
    learnt_in: dict[str, Any] = {}
    recipe = {"kind": descriptor.kind, "parameters": descriptor.parameters}
    if not descriptor.fitted:
        stamps = Stamps(data)
        same_data = stamps.fingerprint()
        if folder is not None and resume and not force:
            # Before anything is learnt, which may take long.
            check_settings(folder, {"dataset": same_data, "descriptor": dict(recipe)})
        recipe["dataset"] = same_data
        descriptor.learnt = read_learnt(folder, recipe) if folder is not None and resume and not force else None
        if descriptor.learnt is None:
            start = time.perf_counter()
            descriptor.fit(data, workers=workers, progress=progress)
            stamps.check()
            learnt_in["learn_s"] = time.perf_counter() - start
    learnt = descriptor.learnt
    return fill(
        data,
        lambda numbers: _rows(data, descriptor, numbers, workers),
        dim=descriptor.dim,
        provenance=descriptor.provenance,
        shard=shard,
        out=folder,
        resume=resume,
        force=force,
        progress=progress,
        timing=lambda: learnt_in,
        keep=None if learnt is None else {DESCRIPTOR: _written(learnt, recipe)},
    )


def _rows(data: Dataset, descriptor: Descriptor, numbers: Sequence[int], workers: int) -> Generator[Rows, None, None]:
    """Yield the description of each image, or why there is none."""

    def describe(number: int) -> NDArray[np.float32] | str:
        try:
            return data.made_of(number, descriptor.describe)
        except ImageError as error:
            return str(error)

    def rows(number: int) -> Rows:
        found = describe(number)
        return Rows(None, 1, [(number, found)]) if isinstance(found, str) else Rows(found[None], 1, [])

    return in_order(rows, numbers, workers)


class _Stored(BaseModel):
    """Metadata of a file of what was learnt."""

    recipe: dict[str, Any]
    facts: dict[str, Any]


def _written(learnt: Learnt, recipe: dict[str, Any]) -> bytes:
    content = json.dumps({"recipe": recipe, "facts": learnt.facts}, sort_keys=True)
    return seal(learnt.arrays, {_METADATA: content})


def read_learnt(folder: Path, recipe: dict[str, Any] | None = None) -> Learnt | None:
    """Return what the descriptor of a folder of features learnt.

    Parameters
    ----------
    folder
        Of features, finished or not.
    recipe
        Kind, parameters and data that it must have been learnt by.

    Returns
    -------
    Learnt or None
        None if there is nothing, it was learnt otherwise, or it is damaged.
    """
    from safetensors import safe_open

    path = folder / DESCRIPTOR
    try:
        with (
            reading(path, "what a descriptor learnt", "describe the images again", FeaturesError),
            safe_open(path, framework="numpy") as file,
        ):
            stored = as_record(_Stored, file.metadata()[_METADATA])
            if recipe is not None and stored.recipe != recipe:
                return None
            table = checksums(file.metadata())
            arrays = {name: checked(name, file.get_tensor(name), table) for name in file.keys()}  # noqa: SIM118
            return Learnt(arrays, stored.facts)
    except FeaturesError:
        return None

"""Run a descriptor over a data set."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.archive.folders import DESCRIPTOR, check_folder, features_state, learnt_file
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset
from rsir_fast.descriptors import Descriptor
from rsir_fast.descriptors.descriptor import Learnt
from rsir_fast.descriptors.learnt import read_learnt, written
from rsir_fast.descriptors.ordered import in_order
from rsir_fast.errors import FeaturesError, ImageError
from rsir_fast.extraction.fill import Rows, check_resumable, fill
from rsir_fast.extraction.stamps import Stamps

__all__ = ["describe"]


def describe(
    data: Dataset,
    descriptor: Descriptor,
    *,
    out: Path | None,
    workers: int,
    shard: int,
    resume: bool,
    force: bool,
    progress: OnProgress | None,
) -> Features:
    """Describe every readable image at its full size; arguments as for `rsir_fast.encode`.

    One that learns and has not yet learns from this data set first.
    """
    descriptor.check()
    if out is not None:
        check_resumable(data, resume)
        check_folder(out, resume=resume, force=force)
    learnt_in: dict[str, Any] = {}
    recipe = {"kind": descriptor.kind, "parameters": descriptor.parameters}
    if not descriptor.fitted:
        stamps = Stamps(data)
        recipe["dataset"] = stamps.fingerprint()
        if out is not None and resume and not force:
            descriptor.learnt = _learnt_before(out, descriptor, recipe)
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
        out=out,
        resume=resume,
        force=force,
        progress=progress,
        timing=lambda: learnt_in,
        keep=None if learnt is None else {DESCRIPTOR: written(learnt, recipe)},
    )


def _learnt_before(out: Path, descriptor: Descriptor, recipe: dict[str, Any]) -> Learnt | None:
    """Return what was learnt from the same images by a run before; None if there was none.

    Raises
    ------
    FeaturesError
        If features there are by what was learnt from other images: before anything is learnt, which may take long.
    """
    file = learnt_file(out)
    if file is None:
        return None
    found = read_learnt(file, recipe)
    if found is None and features_state(out) == "finished":
        raise FeaturesError(
            f"{printable(out)} holds features of what {descriptor.name} learnt from other images, or by other "
            f"parameters: go on with that (--weights {printable(file)}), or choose another folder, or learn anew and "
            "replace them (force, --force)"
        )
    return found


def _rows(data: Dataset, descriptor: Descriptor, numbers: Sequence[int], workers: int) -> Generator[Rows, None, None]:
    """Yield the description of each image, or why there is none."""

    def described(number: int) -> NDArray[np.float32] | str:
        try:
            return data.made_of(number, descriptor.describe)
        except ImageError as error:
            return str(error)

    def rows(number: int) -> Rows:
        found = described(number)
        return Rows(None, 1, [(number, found)]) if isinstance(found, str) else Rows(found[None], 1, [])

    return in_order(rows, numbers, workers)

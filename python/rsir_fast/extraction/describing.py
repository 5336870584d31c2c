"""Run a descriptor over a data set."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.archive import Features
from rsir_fast.archive.folders import DESCRIPTOR, check_folder, learnt_file
from rsir_fast.archive.snapshot import refuse_other_encoder
from rsir_fast.archive.versions import is_archive, newest
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset
from rsir_fast.datasets.skipped import unread
from rsir_fast.descriptors import Descriptor
from rsir_fast.descriptors.descriptor import Learnt
from rsir_fast.descriptors.learnt import read_learnt, written
from rsir_fast.descriptors.ordered import in_order
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.spec import parse_spec
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
    mirror: bool,
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
            descriptor.learnt = _learnt_before(out, data, descriptor, recipe)
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
        mirror=mirror,
        progress=progress,
        timing=lambda: learnt_in,
        keep=None if learnt is None or _is_kept(out, learnt) else {DESCRIPTOR: written(learnt, recipe)},
    )


def _learnt_before(out: Path, data: Dataset, descriptor: Descriptor, recipe: dict[str, Any]) -> Learnt | None:
    """Return what was learnt from the same images by a run before; None if there was none, or it is damaged.

    Raises
    ------
    FeaturesError
        If features there are of another encoder, or by what was learnt from other images: before anything is learnt,
        which may take long.
    """
    file = learnt_file(out)
    finished = is_archive(out)
    if finished:
        before, _ = newest(out, mend=True)
        ours = spec_of({**descriptor.provenance, **data.reader.provenance()})
        refuse_other_encoder(out, parse_spec(before.spec), ours, ignoring=("learnt",))
    if file is None:
        return None
    found = read_learnt(file, recipe)
    alike = {key: recipe[key] for key in ("kind", "parameters")}
    if found is None and finished and read_learnt(file, alike) is not None:
        raise FeaturesError(
            f"{printable(out)} holds features of what {descriptor.name} learnt from other images: go on with that "
            f"(--weights {printable(file)}), or choose another folder, or learn anew and replace them (force, --force)"
        )
    return found


def _is_kept(out: Path | None, learnt: Learnt) -> bool:
    """Whether what was learnt is in a folder already, by whatever recipe."""
    file = None if out is None else learnt_file(out)
    there = None if file is None else read_learnt(file)
    if there is None or there.arrays.keys() != learnt.arrays.keys():
        return False
    return all(np.array_equal(there.arrays[key], array) for key, array in learnt.arrays.items())


def _rows(data: Dataset, descriptor: Descriptor, numbers: Sequence[int], workers: int) -> Generator[Rows, None, None]:
    """Yield the description of each image, or why there is none."""

    def rows(number: int) -> Rows:
        try:
            found = data.made_of(number, descriptor.describe)
        except ImageError as error:
            return Rows(None, 1, [unread(number, error)])
        return Rows(found[None], 1, [])

    return in_order(rows, numbers, workers)

"""What a hash network is trained on: features of its backbone, or images in memory or in a file mapped to it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rsir_fast.archive import Features
from rsir_fast.backbones import Backbone, Preprocessing
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset, Reader, Skipped
from rsir_fast.encoders.differences import differences, told
from rsir_fast.encoders.former import spec_of
from rsir_fast.errors import FeaturesError, NoImageReadError
from rsir_fast.extraction.loader import batches, default_workers
from rsir_fast.extraction.stamps import Stamps

__all__ = ["Inputs", "check_items", "check_network", "load_images", "of_training_images"]

MAX_IN_MEMORY = 4 << 30
"""Bytes of images beyond which they lie in a temporary file that is mapped into memory."""

AT_ONCE = 64


def check_network(features: Features, backbone: Backbone, reader: Reader) -> None:
    """Raise FeaturesError unless features are those of a backbone, of images read in a certain way.

    Their precision may be another: the head is trained on what there is.
    """
    wanted = spec_of({**backbone.provenance, **reader.provenance()})
    if features.spec is None:
        raise FeaturesError(f"features of {features.name}: expected those of {wanted.title}, found an unknown encoder")
    ignored = {"precision", "dtype", *(["reader"] if features.root is None else [])}
    found = differences(features.spec, wanted, ignoring=ignored)
    if found:
        turns = found.get("turns", "").endswith("each")
        each = "; make them by `rsir features --encoder NAME,turns=each`" if turns else ""
        raise FeaturesError(
            f"features of {features.name}: expected those of the network that is trained, {wanted.title}, found others "
            f"({told(found)}){each}"
        )


def check_items(features: Features, items: Sequence[str], what: str) -> None:
    """Raise FeaturesError where items, in words `what`, are neither among features nor among their unreadable ones."""
    known = {*features.items, *(entry.item for entry in features.skipped)}
    missing = [item for item in items if item not in known]
    if missing:
        raise FeaturesError(
            f"features of {features.name}: expected those of all {what}, {len(missing)} are missing, first "
            f"{printable(missing[0])}; make them of the whole data set"
        )


class Inputs(NamedTuple):
    """What a network is trained on.

    Attributes
    ----------
    values
        Features, float32 [n, dim], or [n, 8, dim] of all turns; or images, uint8 [n, 3, size, size].
    labels
        Int64 [n].
    skipped
        Training images that could not be read.
    """

    values: Tensor
    labels: Tensor
    skipped: list[Skipped]


def of_training_images(features: Features, train: Dataset, backbone: Backbone) -> Inputs:
    """Return the features of the training images.

    Raises
    ------
    FeaturesError
        If they are of another network, or training images are missing that are not among its unreadable ones.
    """
    check_network(features, backbone, train.reader)
    check_items(features, train.items, "training images")
    row = {item: number for number, item in enumerate(features.items)}
    kept = [number for number, item in enumerate(train.items) if item in row]
    rows = [row[train.items[number]] for number in kept]
    turns = [features[field.name][rows] for field in features.fields if field.kind == "vector"]
    matrix = torch.from_numpy(np.stack(turns, axis=1) if "turns" in backbone.provenance else turns[0])
    wanted = set(train.items)
    skipped = [entry for entry in features.skipped if entry.item in wanted]
    return Inputs(matrix, torch.from_numpy(train.require_labels()[kept]), skipped)


def load_images(
    train: Dataset,
    preprocessing: Preprocessing,
    workers: int | None = None,
) -> Inputs:
    """Return the readable images.

    More than 4 GiB lie in a file without a name, in the folder of temporary files: it goes with the process.

    Raises
    ------
    NoImageReadError
        If there is none.
    MachineError
        If the machine failed to read one.
    """
    labels, dtype = train.require_labels(), preprocessing.prepared_dtype
    shape = (len(train), *preprocessing.shape)
    images: np.ndarray[tuple[int, ...], np.dtype[Any]]
    size_in_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size_in_bytes > MAX_IN_MEMORY:
        with tempfile.TemporaryFile(prefix="rsir-images-") as file:
            os.posix_fallocate(file.fileno(), 0, size_in_bytes)  # a full disk is an error now, not a crash later
            images = np.memmap(file, dtype, "w+", shape=shape)
    else:
        images = np.empty(shape, dtype)
    kept: list[int] = []
    stamps = Stamps(train)
    skipped: list[Skipped] = []
    threads = default_workers() if workers is None else workers
    first = 0
    for batch in batches(train, preprocessing, range(len(train)), AT_ONCE, threads):
        unreadable = {each.number for each in batch.skipped}
        skipped += [Skipped(train.items[each.number], each.reason) for each in batch.skipped]
        kept += [number for number in range(first, first + batch.count) if number not in unreadable]
        images[len(kept) - len(batch.images) : len(kept)] = batch.images.numpy()
        first += batch.count
    stamps.check()
    if not kept:
        raise NoImageReadError(train.name, [*train.unreadable, *skipped])
    return Inputs(torch.from_numpy(images[: len(kept)]), torch.from_numpy(labels[kept]), skipped)

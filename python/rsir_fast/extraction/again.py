"""Query images through the network as the database's images went through it, so that their bits are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import torch

from rsir_fast.backbones import Backbone
from rsir_fast.datasets import Dataset
from rsir_fast.encoders.differences import run_differences
from rsir_fast.encoders.former import run_of
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.extract import extract
from rsir_fast.extraction.features import Features
from rsir_fast.extraction.run import Decoder

__all__ = ["extract_like"]


def extract_like(database: Features, dataset: Dataset, backbone: Backbone, *, device: str | None = None) -> Features:
    """Compute features of other images exactly as those of a database were computed.

    With its batch size, precision, number of threads, decoder and kind of device an image of the database has the bits
    of its row there: its distance to itself is exactly 0.

    Parameters
    ----------
    database : Features
        From `rsir_fast.extract`.
    dataset : Dataset
    backbone : Backbone
        That of the database.
    device : str, optional
        In place of the kind that the database was made on.

    Returns
    -------
    Features
        Its ``notes`` say what could not be as it was, and what follows.

    Notes
    -----
    A single image costs a whole batch.
    """
    made = database.provenance.get("extraction") or {}
    was_cpu = made.get("device", "cpu") == "cpu"
    if device is None:
        device = "cuda" if not was_cpu and torch.cuda.is_available() else "cpu" if was_cpu else None
    on_cuda = device is None or usable_device(device).type == "cuda"
    decoder: Decoder = "cuda" if "decoder" in made and on_cuda and torch.cuda.is_available() else "cpu"
    with _threads(made.get("cpu_threads")):
        found = extract(
            dataset,
            backbone,
            batch_size=int(made.get("batch_size", 1)),
            precision=made.get("precision", "float32"),
            device=device,
            decoder=decoder,
            workers=0,
        )
    # Bits do not depend on our own version; of the last batch's filling `_doubts` knows more.
    changed = run_differences(run_of(database.provenance), run_of(found.provenance), ignoring=("rsir_fast", "padded"))
    doubts = [*_doubts(database), *(f"another {words} ({how})" for words, how in changed.items())]
    if not doubts:
        return found
    note = f"no image's distance to itself need be exactly 0: {'; '.join(doubts)}"
    return replace(found, notes=(*found.notes, note))


def _doubts(database: Features) -> Iterator[str]:
    if database.provenance.get("extraction", {}).get("padded") is not True:
        yield "the database is of an older version, whose last batch was smaller"
    if database.timing.get("same_at_every_place") is False:
        yield "the bits of the database depend on an image's place in the batch"


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

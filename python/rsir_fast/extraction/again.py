"""Query images through the network as the database's images went through it, so that their bits are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.descriptors import Descriptor
from rsir_fast.encoders.differences import run_differences
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.encoders.former import run_of
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.encode import encode
from rsir_fast.extraction.engines.choose import installed, remedy
from rsir_fast.extraction.run import Decoder

__all__ = ["encode_like", "encoder_of"]


def encoder_of(database: Features, weights: str | Path | None = None) -> Encoder:
    """Load the encoder that made features, and no other.

    Parameters
    ----------
    database : Features
    weights : path or str, optional
        As for `rsir_fast.load_encoder`.

    Raises
    ------
    FeaturesError
        If the features do not say which encoder made them, or by a model in memory.
    """
    if database.spec is not None:
        return load_encoder(database.spec, weights=weights)
    made = database.provenance.get("weights")
    if "hash" in database.provenance and isinstance(made, dict) and not made.get("sha256"):
        raise FeaturesError(
            f"the features of {database.name} were made by a model in memory, which cannot be known again; "
            "make them by a file with `rsir features --encoder model.safetensors`"
        )
    raise FeaturesError(
        f"{database.name}: expected features that say which encoder made them; make them with `rsir features`"
    )


def encode_like(
    database: Features, dataset: Any, encoder: Any, *, device: str | None = None, engine: EngineName | None = None
) -> Features:
    """Compute features of other images exactly as those of a database were computed.

    With its batch size, number of threads, decoder, engine and kind of device an image of the database has the bits of
    its row there: its distance to itself is exactly 0.

    Parameters
    ----------
    database : Features
        From `rsir_fast.encode`.
    dataset : Dataset, or whatever `rsir_fast.encode` takes
    encoder : Encoder, or whatever `rsir_fast.load_encoder` takes
        That of the database: `encoder_of`.
    device : str, optional
        In place of the kind that the database was made on; none for a descriptor.
    engine : {"torch", "onnx", "openvino", "auto"}, optional
        In place of that of the database, which ``"auto"`` is as well; none for a descriptor. Where that is not
        installed, or runs on no such device, torch.

    Returns
    -------
    Features
        Their ``notes`` say what could not be as it was, and what follows.

    Notes
    -----
    A single image costs a whole batch.
    """
    encoder = load_encoder(encoder)
    if isinstance(encoder.runs, Descriptor):
        return encode(dataset, encoder, device=device, engine=engine, workers=0)
    made = database.provenance.get("extraction") or {}
    was_cpu = made.get("device", "cpu") == "cpu"
    if device is None:
        device = "cuda" if not was_cpu and torch.cuda.is_available() else "cpu" if was_cpu else None
    on_cuda = device is None or usable_device(device).type == "cuda"
    decoder: Decoder = "cuda" if "decoder" in made and on_cuda and torch.cuda.is_available() else "cpu"
    recorded = made.get("engine", "torch")
    if engine in (None, "auto"):
        elsewhere = device is not None and usable_device(device).type != "cpu"
        engine = "torch" if elsewhere or not installed(recorded) else recorded
    with _threads(made.get("cpu_threads")):
        found = encode(
            dataset,
            encoder,
            batch_size=int(made.get("batch_size", 1)),
            device=device,
            decoder=decoder,
            engine=engine,
            workers=0,
        )
    # Bits do not depend on our own version; of the last batch's filling `_doubts` knows more.
    changed = run_differences(run_of(database.provenance), run_of(found.provenance), ignoring=("rsir_fast", "padded"))
    doubts = [*_doubts(database), *(f"another {words} ({how})" for words, how in changed.items())]
    if not installed(recorded):
        doubts.append(f"to have {recorded}: {remedy(recorded)}")
    if not doubts:
        return found
    note = f"no image's distance to itself need be exactly 0: {'; '.join(doubts)}"
    return replace(found, notes=(*found.notes, note))


def _doubts(database: Features) -> Iterator[str]:
    runs = database.provenance.get("runs", ())
    if runs:
        yield f"the database was made by {len(runs)} runs that differ"
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

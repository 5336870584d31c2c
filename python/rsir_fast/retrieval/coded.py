"""Features that a hash model made, and what they say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, InstanceOf

from rsir_fast.archive import Features
from rsir_fast.base.reading import reading
from rsir_fast.encoders.hash_training import MAX_BITS, Training
from rsir_fast.errors import FeaturesError

__all__ = ["made_by_model", "remarks_on_codes"]


def made_by_model(features: Features) -> dict[str, Any]:
    """Return what features say of the model that made them: ``bits``, ``classes``, ``training``.

    Raises
    ------
    FeaturesError
        If a network made them that gives no codes, or their rows are of another length.
    """
    made: dict[str, Any] | None = features.provenance.get("hash")
    if made is not None:
        remedy = "make them again with `rsir features --encoder model.safetensors`"
        with reading(Path(features.name), "what a hash model says of its features", remedy, FeaturesError):
            _Made.model_validate(made)
    if made is None:
        raise FeaturesError(
            f"{features.name}: expected features of a hash model, made by `rsir features --encoder model.safetensors`, "
            f"found those of {features.provenance.get('name', 'another network')}"
        )
    bits, classes = int(made["bits"]), len(made["classes"])
    if features.dim != bits + classes:
        raise FeaturesError(
            f"{features.name}: expected rows of {bits} values of the hash layer and {classes} probabilities, "
            f"found {features.dim} values"
        )
    return made


def remarks_on_codes(features: Features) -> tuple[str, ...]:
    """Say that codes are but the signs of real values, where a model learnt these."""
    training = _Made.model_validate(made_by_model(features)).training
    if not training.embeds:
        return ()
    return (
        f"{training.method} learns real values compared by their angle, and no codes: these are their signs; the "
        "method is the field u with steps l2",
    )


class _Made(BaseModel):
    """What features say of the model that made them."""

    bits: Annotated[int, Field(ge=1, le=MAX_BITS)]
    classes: list[InstanceOf[str]]
    training: Training = Training()

"""What an encoder writes of an image: named fields, each a row of numbers."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, model_validator

__all__ = ["FieldSpec", "Frozen", "Sha256", "canonical_digest"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Values that stay as they are; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def canonical_digest(content: Any) -> str:
    """Return the SHA-256 of canonical JSON: keys in order, no spaces, ASCII, numbers as Python writes them.

    Examples
    --------
    >>> canonical_digest({"b": 1.0, "a": [2]}) == canonical_digest({"a": (2,), "b": 1.0})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class FieldSpec(Frozen):
    """One field: the same numbers for every image, always [rows, width].

    Attributes
    ----------
    name : str
        ``gap``, ``fc6``, ``codes``; ``gap@3`` of an image's third turn.
    kind : {"vector", "code", "scores"}
        A vector is searched by Euclidean distance, a code (packed bits) by Hamming distance, scores are never searched.
    dtype : {"float32", "float16", "uint8"}
    width : int
        Numbers a row.
    bits : int or None
        Of a code.
    classes : tuple of str or None
        Of scores, one a number.
    encoder : str or None
        SHA-256 of what its encoder means, as far as this field goes: the same whatever other fields are made beside
        it. None for vectors of an unknown encoder.

    Examples
    --------
    >>> FieldSpec(name="codes", kind="code", dtype="uint8", width=8, bits=64).is_searched
    True
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(@[1-7])?$", max_length=200)]
    kind: Literal["vector", "code", "scores"]
    dtype: Literal["float32", "float16", "uint8"]
    width: Annotated[int, Field(ge=1, le=1 << 31)]
    bits: Annotated[int, Field(ge=1)] | None = None
    classes: tuple[InstanceOf[str], ...] | None = None
    encoder: Sha256 | None = None

    @model_validator(mode="after")
    def _fits(self) -> FieldSpec:
        numbers = {"vector": ("float32", "float16"), "code": ("uint8",), "scores": ("float32",)}[self.kind]
        if self.dtype not in numbers:
            raise ValueError(f"field {self.name}: expected {' or '.join(numbers)} for a {self.kind}, got {self.dtype}")
        if (self.kind == "code") != (self.bits is not None) or (self.kind == "scores") != (self.classes is not None):
            raise ValueError(
                f"field {self.name}: expected bits for a code and classes for scores, and for nothing else"
            )
        if self.bits is not None and self.width != -(-self.bits // 8):
            raise ValueError(
                f"field {self.name}: expected {-(-self.bits // 8)} bytes of {self.bits} bits, got {self.width}"
            )
        if self.classes is not None and self.width != len(self.classes):
            raise ValueError(f"field {self.name}: expected scores of {len(self.classes)} classes, got {self.width}")
        return self

    @property
    def is_turn(self) -> bool:
        """Whether it is of a turned image, kept for training alone."""
        return "@" in self.name

    @property
    def is_searched(self) -> bool:
        """Whether there is a distance for it, and images as they are in it."""
        return self.kind != "scores" and not self.is_turn

    def digest(self) -> str:
        """Return the SHA-256 of what its numbers mean; values equal to their default are left out."""
        return canonical_digest(self.model_dump(exclude_defaults=True))

"""An encoder: a spec, and what runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones import Backbone
from rsir_fast.base.shown import Shown
from rsir_fast.descriptors import Descriptor
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.spec import Spec

__all__ = ["Encoder"]


class Encoder(Shown):
    """What makes vectors of images; from `rsir_fast.load_encoder`.

    Attributes
    ----------
    runs : Backbone or Descriptor
        What computes: a network with its preprocessing, or a shallow descriptor.
    precision : {"float32", "bfloat16"}
        Of a network.
    """

    def __init__(self, runs: Backbone | Descriptor, precision: Literal["float32", "bfloat16"] = "float32") -> None:
        self.runs = runs
        self.precision = precision

    @property
    def provenance(self) -> dict[str, Any]:
        """What its features say of themselves, JSON-able."""
        return dict(self.runs.provenance)

    @property
    def spec(self) -> Spec:
        """What it means. Of a descriptor that learns from the images first: without what it will have learnt."""
        return spec_of({**self.runs.provenance, "extraction": {"precision": self.precision}})

    @property
    def fields(self) -> tuple[FieldSpec, ...]:
        """What it writes of an image."""
        return self.spec.fields

    @property
    def name(self) -> str:
        """Of the network or descriptor."""
        return self.runs.name

    @property
    def layer(self) -> str:
        """Where the network is cut; of a descriptor, what its values are."""
        return self.runs.layer

    @property
    def backbone(self) -> Backbone:
        """The network.

        Raises
        ------
        ValueError
            For a descriptor, which has none.
        """
        if isinstance(self.runs, Descriptor):
            raise ValueError(f"encoder: expected a network, got {self.name}, which runs none")
        return self.runs

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of texts among those of images: those of the images that they fit are nearest.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        ndarray, float32 [n, width]
            Of length 1, as those of images: the smaller the Euclidean distance, the larger the cosine.

        Raises
        ------
        ValueError
            If the encoder reads no text, or images as means over turns or sizes; for a text without words, or too long.
        """
        read = None if isinstance(self.runs, Descriptor) else self.runs.texts
        self.spec.check_text()
        if read is None:
            raise ValueError(f"text: expected a model with a vocabulary of its own, got {self.name}; ask by images")
        vectors: NDArray[np.float32] = read(texts).numpy()
        return vectors

    def _facts(self) -> dict[str, str]:
        try:
            spec = self.spec
        except ValueError:  # a hash network whose model is not known
            return {"encoder": f"{self.name}:{self.layer}"}
        fields = [f"{field.name} {field.width}" for field in spec.fields if not field.is_turn]
        weights = self.provenance.get("weights", {})
        return {"encoder": spec.title, "fields": " + ".join(fields), "weights": str(weights.get("file", ""))}

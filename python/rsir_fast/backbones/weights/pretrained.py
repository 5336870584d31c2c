"""What a weight file of ``rsir train pretrain`` says of itself: network, width, mean, classes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsir_fast.backbones.weights.normalization import Normalization
from rsir_fast.backbones.weights.refusing import refuse

__all__ = ["PreTraining"]

_KEY, _FORMAT, _VERSION = "rsir_fast", "rsir_fast pretrained", 1


@dataclass(frozen=True)
class PreTraining:
    """The metadata of such a file: safetensors with tensors conv1.weight ... fc8.bias.

    Parameters
    ----------
    network : str
        ``"cnn-alex"``, ...
    width : float
        Share of the channels and units, above 0 and at most 1.
    mean : tuple of float
        Of R, G and B, 0-255: subtracted from every pixel.
    classes : tuple of str
        In the order of fc8.
    training : dict
        JSON-able: data set, recipe, seed, accuracy.

    Examples
    --------
    >>> made = PreTraining("cnn-m", 1.0, (123.68, 116.779, 103.939), ("airport", "beach"), {"dataset": "scenes"})
    >>> PreTraining.read(Path("weights.safetensors"), made.metadata()) == made
    True
    >>> made.note
    'pre-trained on scenes, 2 classes'
    """

    network: str
    width: float
    mean: tuple[float, float, float]
    classes: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def normalization(self) -> Normalization:
        """What its network takes."""
        return Normalization("RGB", 1.0, self.mean)

    @property
    def note(self) -> str:
        """A few words for descriptions."""
        data = str(self.training.get("dataset", "an unnamed data set"))
        scaled = "" if self.width == 1 else f", width {self.width:g}"
        return f"pre-trained on {data}, {len(self.classes)} classes{scaled}"

    def metadata(self) -> dict[str, str]:
        """Return it as safetensors' metadata."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "network": self.network,
            "width": self.width,
            "mean": list(self.mean),
            "classes": list(self.classes),
            "training": self.training,
        }
        return {_KEY: json.dumps(content)}

    @classmethod
    def read(cls, path: Path, metadata: Mapping[str, str] | None) -> PreTraining | None:
        """Read it from safetensors' metadata; None where they are not of this kind.

        Raises
        ------
        WeightFileError
            If they say that they are, but hold other things; or of another kind that this package writes.
        """
        try:
            content = json.loads((metadata or {}).get(_KEY, "null"))
        except (ValueError, RecursionError):
            return None
        kind = content.get("format") if isinstance(content, dict) else None
        if kind == "rsir_fast dhcnn":
            refuse(path, "weights of a network", "a hash model of `rsir train`", "name it with --encoder")
        if kind != _FORMAT:
            return None
        fix = "export it again, with this version of rsir_fast"
        if content.get("version") != _VERSION:
            refuse(path, f"weights of `rsir train pretrain`, version {_VERSION}", content.get("version"), fix)
        if not _is_sound(content):
            refuse(path, "metadata with network, width, mean, classes and training", "others", fix)
        red, green, blue = map(float, content["mean"])
        return cls(
            content["network"],
            float(content["width"]),
            (red, green, blue),
            tuple(content["classes"]),
            content["training"],
        )


def _is_sound(content: dict[str, Any]) -> bool:
    mean, width, classes = content.get("mean"), content.get("width"), content.get("classes")
    return (
        isinstance(content.get("network"), str)
        and isinstance(width, (int, float))
        and 0 < width <= 1
        and isinstance(mean, list)
        and len(mean) == 3
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in mean)
        and isinstance(classes, list)
        and all(isinstance(name, str) for name in classes)
        and isinstance(content.get("training"), dict)
    )

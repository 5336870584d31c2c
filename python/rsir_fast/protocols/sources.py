"""What makes features for a table: it gives them, layer by layer, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.backbones import Backbone, averaged, every_layer, load_backbone
from rsir_fast.backbones.catalogue import known_files
from rsir_fast.backbones.weights import local_weights, locate_weights, verify
from rsir_fast.datasets import Dataset
from rsir_fast.descriptors import describe_dataset, load_descriptor
from rsir_fast.errors import DatasetError, WeightFileError
from rsir_fast.extraction import Features, Progress, extract
from rsir_fast.protocols.methods import Source
from rsir_fast.protocols.runs import slug
from rsir_fast.training import Precision

__all__ = ["Made", "Maker"]


@dataclass(frozen=True)
class Made:
    """Features by layer ("" for a descriptor), and why there are none."""

    features: dict[str, Features] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Maker:
    """Makes the features of sources.

    Parameters
    ----------
    weights : path, optional
        Folder searched for weight files before the usual places.
    download : bool
        Fetch weight files that are nowhere here.
    batch_size, precision, device, workers
        As in `rsir_fast.extract`.
    progress : callable, optional
        As in `rsir_fast.extract`.
    """

    weights: Path | None = None
    download: bool = False
    batch_size: int = 32
    precision: Precision = "float32"
    device: Any = None
    workers: int | None = None
    progress: Callable[[Progress], bool | None] | None = None

    def __call__(self, source: Source, data: Dataset, out: Path) -> Made:
        """Make the features of a data set, or take up those in a folder of their own in `out`."""
        return self._extract(source, data, out) if source.layers else self._describe(source, data, out)

    def _describe(self, source: Source, data: Dataset, out: Path) -> Made:
        place = out / source.maker
        try:
            descriptor = load_descriptor(source.maker)
            found = describe_dataset(
                data, descriptor, out=place, resume=True, workers=self.workers, progress=self.progress
            )
        except (ImportError, DatasetError) as error:
            return Made(missing={"": str(error)})
        return Made({"": found})

    def _extract(self, source: Source, data: Dataset, out: Path) -> Made:
        backbone, missing = self._load(source)
        if backbone is None:
            return Made(missing=missing)
        layers = [layer for layer in source.layers if layer not in missing]
        several = every_layer(backbone) if len(layers) > 1 else averaged(backbone, turns=source.turns)
        # Other weights may reach other layers: those features have a place of their own.
        place = out / slug(" ".join([source.maker, *layers, "turns" if source.turns else ""]))
        run: dict[str, Any] = {"batch_size": self.batch_size, "precision": self.precision, "device": self.device}
        found = extract(data, several, out=place, resume=True, workers=self.workers, progress=self.progress, **run)
        return Made({layer: _of_layer(found, layer) for layer in layers}, missing)

    def _load(self, source: Source) -> tuple[Backbone | None, dict[str, str]]:
        """Return the network, cut at the deepest of the layers that a weight file reaches, and what none reaches."""
        files = known_files(source.maker)
        local = list(local_weights(files, self.weights))
        unusable: dict[Path, str] = {}
        for number, layer in enumerate(reversed(source.layers)):
            for located in local:
                try:
                    verify(located)
                    backbone = load_backbone(source.maker, layer, located.path)
                except WeightFileError as error:
                    unusable[located.path] = str(error)
                    continue
                _set_source(backbone, located.source)
                beyond = source.layers[len(source.layers) - number :]
                reaches = f"weights not found: {files[0].name}; {located.path.name} ends at {layer}"
                return backbone, dict.fromkeys(beyond, reaches)
            if self.download and number == 0:
                try:
                    located = locate_weights(source.maker, None, [file for file in files if file.url])
                except WeightFileError as error:
                    unusable[Path()] = str(error)
                else:
                    backbone = load_backbone(source.maker, layer, located.path)
                    _set_source(backbone, located.source)
                    return backbone, {}
        # What a file that is there has wrong says more than that another is not there.
        why = [f"weights not found: {files[0].name}", *unusable.values()]
        return None, dict.fromkeys(source.layers, "; ".join(why))


def _set_source(backbone: Backbone, source: str) -> None:
    """Say which place the weights came from; to the loader every path is an explicit one."""
    weights = backbone.provenance["weights"]
    assert isinstance(weights, dict)
    backbone.provenance["weights"] = {**weights, "source": source}


def _of_layer(features: Features, layer: str) -> Features:
    """Return one layer of features that have several; its provenance is that of a network cut there."""
    made = features.provenance
    if "layers" not in made:
        return features
    first = 0
    for name, dim in made["layers"]:
        if name == layer:
            break
        first += dim
    matrix = np.ascontiguousarray(features.matrix[:, first : first + dim])
    kept = {key: value for key, value in made.items() if key != "layers"}
    return replace(features, matrix=matrix, provenance={**kept, "layer": layer, "dim": dim})

"""What makes features for a table: it gives them, layer by layer, or says why it cannot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsir_fast.archive import Features
from rsir_fast.backbones import Backbone, averaged, every_layer, load_backbone
from rsir_fast.backbones.catalogue import known_files
from rsir_fast.backbones.weights import Located, local_weights, locate_weights, verify
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.shared import without_folders
from rsir_fast.datasets import Dataset
from rsir_fast.descriptors import load_descriptor
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.errors import DatasetError, NoImageReadError, WeightFileError
from rsir_fast.extraction import encode
from rsir_fast.extraction.stamps import fingerprint
from rsir_fast.protocols.methods import Source
from rsir_fast.protocols.runs import slug
from rsir_fast.training import Precision

__all__ = ["Made", "Maker"]


@dataclass(frozen=True)
class Made:
    """The features of one pass, by layer ("" for a descriptor); or why there are none.

    Attributes
    ----------
    found
        All layers side by side; None if there is none.
    missing
        By layer, why it is not there.
    remark
        On what is there, such as a weight file that was passed over.
    unread
        Where no image could be read: says which, and why.
    """

    found: Features | None = None
    missing: dict[str, str] = field(default_factory=dict)
    remark: str = ""
    unread: NoImageReadError | None = None

    def of_layer(self, layer: str) -> Features:
        """Return one layer, with the provenance of a network that is cut there."""
        assert self.found is not None
        return self.found.field(layer) if "layers" in self.found.provenance else self.found


@dataclass(frozen=True)
class Maker:
    """Makes the features of sources.

    Parameters
    ----------
    weights : path, optional
        Folder searched for weight files before the usual places.
    download : bool
        Fetch weight files that are nowhere here.
    batch_size, precision, device, workers, engine
        As in `rsir_fast.encode`.
    progress : callable, optional
        As in `rsir_fast.encode`.
    """

    weights: Path | None = None
    download: bool = False
    batch_size: int = 32
    precision: Precision = "float32"
    device: Any = None
    workers: int | None = None
    engine: EngineName | None = None
    progress: OnProgress | None = None

    def __call__(self, source: Source, data: Dataset, out: Path) -> Made:
        """Make the features of a data set, or take up those in a folder of their own in `out`."""
        try:
            return self._extract(source, data, out) if source.layers else self._describe(source, data, out)
        except NoImageReadError as error:
            return Made(missing=dict.fromkeys(source.layers or ("",), str(error)), unread=error)

    def _describe(self, source: Source, data: Dataset, out: Path) -> Made:
        try:
            descriptor = load_descriptor(source.maker)
            place = _place(out, data, source.maker, descriptor.parameters, descriptor.choices)
            found = encode(data, descriptor, out=place, resume=True, workers=self.workers, progress=self.progress)
        except (ImportError, DatasetError) as error:
            return Made(missing={"": str(error)})
        return Made(found)

    def _extract(self, source: Source, data: Dataset, out: Path) -> Made:
        backbone, missing, remark = self._load(source)
        if backbone is None:
            return Made(missing=missing)
        layers = [layer for layer in source.layers if layer not in missing]
        assert not (source.turns and len(layers) > 1)
        whole = every_layer(backbone) if len(layers) > 1 else averaged(backbone, turns=source.turns)
        run: dict[str, Any] = {"batch_size": self.batch_size, "device": self.device, "engine": self.engine}
        weights = backbone.provenance["weights"]
        assert isinstance(weights, dict)
        name = " ".join([source.maker, *layers, *(["turns"] if source.turns else [])])
        engine = [] if self.engine in (None, "torch") else [self.engine]
        place = _place(out, data, name, weights["sha256"], self.batch_size, self.precision, str(self.device), *engine)
        made = Encoder(whole, self.precision)
        found = encode(data, made, out=place, resume=True, workers=self.workers, progress=self.progress, **run)
        return Made(found, missing, remark)

    def _load(self, source: Source) -> tuple[Backbone | None, dict[str, str], str]:
        """Return the network, cut at the deepest of the layers that a file reaches; what none reaches; a remark."""
        files = known_files(source.maker)
        refused: dict[str, str] = {}
        usable: list[Located] = []
        for located in local_weights(files, self.weights):
            wrong = _wrong(located)
            if wrong:
                refused[str(located.path)] = wrong
            else:
                usable.append(located)
        wanted = f"weights not found: {files[0].name}"
        for number, layer in enumerate(reversed(source.layers)):
            for attempt in [*usable, *([None] if self.download and number == 0 else [])]:
                try:
                    located = attempt or locate_weights(source.maker, None, [file for file in files if file.url])
                    backbone = load_backbone(source.maker, layer, located.path)
                except WeightFileError as error:
                    refused["download" if attempt is None else str(attempt.path)] = str(error)
                    continue
                _set_source(backbone, located.source)
                refused.pop(str(located.path), None)
                beyond = source.layers[len(source.layers) - number :]
                ends = f"{wanted}; {located.path.name} ends at {layer}"
                return backbone, dict.fromkeys(beyond, _joined(ends, refused)), _joined("", refused)
        return None, dict.fromkeys(source.layers, _joined(wanted, refused)), ""


def _wrong(located: Located) -> str:
    """Say why a file is not the published one of its name; nothing if it is."""
    try:
        verify(located)
    except WeightFileError as error:
        return str(error)
    return ""


def _joined(reason: str, refused: dict[str, str]) -> str:
    """Add what is wrong with files that could have been taken, by their names."""
    whys = (f"passed over: {without_folders(why)}" for why in refused.values())
    return "; ".join(text for text in (reason, *whys) if text)


def _place(out: Path, data: Dataset, name: str, *decided_by: Any) -> Path:
    """Return a folder of its own for everything that decides a matrix: other settings leave it as it is."""
    digest = hashlib.sha256(json.dumps([fingerprint(data), *decided_by]).encode("ascii")).hexdigest()
    return out / f"{slug(name)}-{digest[:8]}"


def _set_source(backbone: Backbone, source: str) -> None:
    """Say which place the weights came from; to the loader every path is an explicit one."""
    weights = backbone.provenance["weights"]
    assert isinstance(weights, dict)
    backbone.provenance["weights"] = {**weights, "source": source}

"""A trained hash network in one file, with everything that is needed to use it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, InstanceOf
from safetensors import safe_open
from torch import Tensor, nn

from rsir_fast.backbones import Backbone, Preprocessing
from rsir_fast.backbones.load import empty_backbone
from rsir_fast.backbones.preprocessing import PICTURE, RESAMPLE, Resample, ResizeMode
from rsir_fast.backbones.weights import file_digest
from rsir_fast.base.durable import write_durably
from rsir_fast.base.reading import parse_json, reading
from rsir_fast.base.sealed import checked, checksums, seal
from rsir_fast.base.shown import Shown, counted
from rsir_fast.datasets import Reader
from rsir_fast.encoders.hash_network import DHCNN, HashHead
from rsir_fast.encoders.hash_training import MAX_BITS, MIN_BITS, Training
from rsir_fast.errors import WeightFileError

__all__ = ["HashModel", "Training"]

_MARK = {"format": "rsir_fast dhcnn", "version": 1}
MEAN_IMAGE = "preprocessing.mean_image"


@dataclass(frozen=True, repr=False)
class HashModel(Shown):
    """A trained network, the names of its labels, and how it came to be.

    Attributes
    ----------
    network : DHCNN
    classes : tuple of str
        Names of the semantic labels, in the order of the classifier.
    training : dict
        JSON-able: data set, split, recipe, seed, versions.
    """

    network: DHCNN
    classes: tuple[str, ...]
    training: dict[str, Any]

    @property
    def bits(self) -> int:
        """Hash length."""
        return self.network.head.bits

    def _facts(self) -> dict[str, str]:
        trunk, data = self.network.backbone, self.training.get("dataset")
        return {
            "codes": f"{self.bits} bits",
            "labels": counted(len(self.classes), "class", "classes"),
            "network": f"{trunk.name}:{trunk.layer}",
            "trained on": f"trained on {data}" if data else "",
        }

    def as_backbone(self, file: Path | None = None) -> Backbone:
        """Return the network as one for `rsir_fast.encode`: a feature row is u, then the labels' probabilities.

        Parameters
        ----------
        file : path, optional
            That of the model, for the provenance.

        Returns
        -------
        Backbone
            Of ``dim = bits + len(classes)``; its provenance has ``hash`` with ``bits``, ``classes`` and ``training``.
        """
        trunk, method = self.network.backbone, self.training.get("method")
        unit = "values" if self.training.get("embeds") else "bits"
        whole = Backbone(
            _Encoder(trunk.network, self.network.head),
            name=trunk.name,
            layer=f"{trunk.layer}, hash {self.bits}",
            dim=self.bits + len(self.classes),
            preprocessing=trunk.preprocessing,
            description=f"{method or 'DHCNN'} of {self.bits} {unit} on {trunk.name}, {trunk.layer}",
            weights={
                "file": "none: in memory" if file is None else file.name,
                "sha256": "" if file is None else file_digest(file),
                "source": "rsir train dhcnn" if method is None else "rsir train hashing",
            },
        )
        whole.provenance |= Reader.of(self.training).provenance()
        whole.provenance["hash"] = {"bits": self.bits, "classes": list(self.classes), "training": self.training}
        return whole

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors, in one step; an existing file is replaced.

        Parameters
        ----------
        path
            File to write; its folder is made if need be.
        """
        write_durably(Path(path), self._content())

    def digest(self) -> str:
        """Return the SHA-256 of the file that `save` writes."""
        return hashlib.sha256(self._content()).hexdigest()

    def _content(self) -> bytes:
        trunk = self.network.backbone
        content = {
            **_MARK,
            "bits": self.bits,
            "classes": list(self.classes),
            "backbone": trunk.provenance,
            "training": self.training,
        }
        if self.network.head.classifies != "values":  # left out as in files of before
            content["classifies"] = self.network.head.classifies
        tensors = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        if trunk.preprocessing.mean_image is not None:
            tensors[MEAN_IMAGE] = torch.from_numpy(trunk.preprocessing.mean_image.copy())
        return seal(tensors, {"rsir_fast": json.dumps(content)})

    @classmethod
    def load(cls, path: str | Path) -> HashModel:
        """Read a model that `save` wrote.

        Returns
        -------
        HashModel
            On the CPU, in eval mode.

        Raises
        ------
        WeightFileError
            If the file is missing, damaged, no such model, or its tensors do not fit its description.
        """
        path = Path(path)
        remedy = "copy it again, train it again, or use the rsir_fast version that wrote it"
        content, read, written = _read(path)
        with reading(path, "the tensors of the network that the file describes", remedy, WeightFileError):
            tensors = {name: checked(name, tensor, written) for name, tensor in read.items()}
            described = content.backbone
            trunk = _Trunk.model_validate(described)
            steps = trunk.preprocessing.steps(tensors.pop(MEAN_IMAGE, None))
            dim = len(tensors["head.mean"])
            backbone = empty_backbone(
                trunk.name, trunk.layer, dim=dim, preprocessing=steps, provenance=described, width=trunk.width
            )
            head = HashHead(dim, content.bits, len(content.classes), classifies=content.classifies)
            network = DHCNN(backbone, head)
            # Copies: what the file gives is mapped to it, and may begin anywhere.
            kinds = {key: value.dtype for key, value in network.state_dict().items()}
            copies = {key: value.to(kinds.get(key, value.dtype), copy=True) for key, value in tensors.items()}
            network.load_state_dict(copies, assign=True)
            wrong = next((key for key, value in network.state_dict().items() if not value.isfinite().all()), None)
            if wrong is not None:
                raise ValueError(f"NaN or infinite values in {wrong}")
            return cls(network.requires_grad_(False).eval(), tuple(content.classes), content.training)


class _Encoder(nn.Module):
    """Network input to u and probabilities."""

    def __init__(self, trunk: nn.Module, head: HashHead) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, values: Tensor) -> Tensor:
        u, logits = self.head(self.trunk(values).flatten(1).float())
        return torch.cat([u, logits.softmax(1)], dim=1)


class _Steps(BaseModel):
    """Preprocessing as a model file describes it."""

    input_size: Annotated[int, Field(ge=1, le=1 << 14)]
    resize: ResizeMode
    channel_order: Literal["RGB", "BGR"]
    divisor: float
    mean: tuple[float, ...] | str
    std: tuple[float, ...]
    bands: tuple[str, ...] = PICTURE
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    interpolation: Resample | None = None
    crop: float | None = None

    def steps(self, mean_image: Tensor | None) -> Preprocessing:
        return Preprocessing(
            input_size=self.input_size,
            resize=self.resize,
            channel_order=self.channel_order,
            divisor=self.divisor,
            mean=(math.nan,) * len(self.std) if isinstance(self.mean, str) else self.mean,
            std=self.std,
            mean_image=None if mean_image is None else mean_image.numpy(),
            bands=self.bands,
            dtype=self.dtype,
            resample=None if self.interpolation == RESAMPLE[self.resize] else self.interpolation,
            crop=self.crop,
        )


class _Weights(BaseModel):
    """The weights that a backbone began with."""

    file: str
    sha256: str


class _Trunk(BaseModel):
    """The backbone as a model file describes it, as far as something depends on it."""

    name: str
    layer: str
    description: str
    weights: _Weights
    width: Annotated[float, Field(gt=0, le=1)] | None = None
    preprocessing: _Steps


class _Content(BaseModel):
    """What a model file says of itself."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["rsir_fast dhcnn"] = "rsir_fast dhcnn"
    version: Literal[1] = 1
    bits: Annotated[int, Field(ge=MIN_BITS, le=MAX_BITS)]
    classes: list[InstanceOf[str]]
    classifies: Literal["values", "codes"] = "values"
    backbone: dict[str, Any]
    training: dict[str, Any]


def _read(path: Path) -> tuple[_Content, dict[str, Tensor], dict[str, str]]:
    """Return what the file says of itself, its tensors as they are, and their checksums."""
    remedy = "give the model.safetensors that it wrote; a network's own weights go to --weights"
    expected = "a hash model of `rsir train`, version 1"
    with reading(path, expected, remedy, WeightFileError), safe_open(path, framework="pt") as file:
        content: Any = parse_json((file.metadata() or {}).get("rsir_fast", "null"))
        if not isinstance(content, dict) or any(content.get(key) != value for key, value in _MARK.items()):
            raise WeightFileError(f"{path}: expected {expected}, found other safetensors; {remedy}")
        described = _Content.model_validate(content)
        Training.model_validate(described.training)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return described, tensors, checksums(file.metadata())

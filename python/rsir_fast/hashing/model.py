"""A trained hash network in one file, with everything that is needed to use it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from rsir_fast.backbones import Backbone, Preprocessing, load_backbone
from rsir_fast.backbones.weights import file_digest
from rsir_fast.base.durable import write_durably
from rsir_fast.errors import FeaturesError, WeightFileError
from rsir_fast.extraction import Features
from rsir_fast.hashing.network import DHCNN, HashHead

__all__ = ["HashModel", "made_by_model", "split_hash_features"]

FORMAT, VERSION = "rsir_fast dhcnn", 1
MEAN_IMAGE = "preprocessing.mean_image"


@dataclass(frozen=True)
class HashModel:
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

    def as_backbone(self, file: Path | None = None) -> Backbone:
        """Return the network as one for `rsir_fast.extract`: a feature row is u, then the labels' probabilities.

        Parameters
        ----------
        file : path, optional
            That of the model, for the provenance.

        Returns
        -------
        Backbone
            Of ``dim = bits + len(classes)``; its provenance has ``hash`` with ``bits``, ``classes`` and ``training``.
        """
        trunk = self.network.backbone
        whole = Backbone(
            _Encoder(trunk.network, self.network.head),
            name=trunk.name,
            layer=f"{trunk.layer}, hash {self.bits}",
            dim=self.bits + len(self.classes),
            preprocessing=trunk.preprocessing,
            description=f"DHCNN of {self.bits} bits on {trunk.name}, {trunk.layer}",
            weights={
                "file": "none: in memory" if file is None else file.name,
                "sha256": "" if file is None else file_digest(file),
                "source": "rsir train dhcnn",
            },
        )
        whole.provenance["hash"] = {"bits": self.bits, "classes": list(self.classes), "training": self.training}
        return whole

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors, in one step; an existing file is replaced.

        Parameters
        ----------
        path
            File to write; its folder is made if need be.
        """
        trunk = self.network.backbone
        content = {
            "format": FORMAT,
            "version": VERSION,
            "bits": self.bits,
            "classes": list(self.classes),
            "backbone": trunk.provenance,
            "training": self.training,
        }
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        if trunk.preprocessing.mean_image is not None:
            tensors[MEAN_IMAGE] = torch.from_numpy(trunk.preprocessing.mean_image.copy())
        write_durably(Path(path), save(tensors, {"rsir_fast": json.dumps(content)}))

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
        content, tensors = _read(Path(path))
        try:
            described = content["backbone"]
            steps = _preprocessing(described["preprocessing"], tensors.pop(MEAN_IMAGE, None))
            name, layer, width = described["name"], described["layer"], described.get("width")
            trunk = load_backbone(name, layer, "random:0", resize=steps.resize, width=width)
            trunk.preprocessing, trunk.provenance = steps, described
            head = HashHead(trunk.dim, content["bits"], len(content["classes"]))
            network = DHCNN(trunk, head)
            network.load_state_dict(tensors)
            wrong = next((key for key, value in network.state_dict().items() if not value.isfinite().all()), None)
            if wrong is not None:
                raise ValueError(f"NaN or infinite values in {wrong}")
            model = cls(network.requires_grad_(False).eval(), tuple(content["classes"]), content["training"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WeightFileError(
                f"{path}: expected the tensors of the network that the file describes, found others ({reason[:300]}); "
                "train it again, or use the rsir_fast version that wrote it"
            ) from error
        return model


class _Encoder(nn.Module):
    """Network input to u and probabilities."""

    def __init__(self, trunk: nn.Module, head: HashHead) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, values: Tensor) -> Tensor:
        u, logits = self.head(self.trunk(values).flatten(1).float())
        return torch.cat([u, logits.softmax(1)], dim=1)


def made_by_model(features: Features) -> dict[str, Any]:
    """Return what features say of the model that made them: ``bits``, ``classes``, ``training``.

    Raises
    ------
    FeaturesError
        If a network made them that gives no codes, or their rows are of another length.
    """
    made: dict[str, Any] | None = features.provenance.get("hash")
    if made is None:
        raise FeaturesError(
            f"{features.name}: expected features of a hash model (HashModel.as_backbone; `rsir features --model`), "
            f"found those of {features.provenance.get('name', 'another network')}"
        )
    bits, classes = int(made["bits"]), len(made["classes"])
    if features.dim != bits + classes:
        raise FeaturesError(
            f"{features.name}: expected rows of {bits} values of the hash layer and {classes} probabilities, "
            f"found {features.dim} values"
        )
    return made


def split_hash_features(matrix: NDArray[np.float32], bits: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return u [n, bits] and the labels' probabilities [n, K] of rows that a model's `as_backbone` made."""
    return matrix[:, :bits], matrix[:, bits:]


def _preprocessing(described: dict[str, Any], mean_image: Tensor | None) -> Preprocessing:
    mean = described["mean"]
    return Preprocessing(
        input_size=described["input_size"],
        resize=described["resize"],
        channel_order=described["channel_order"],
        divisor=described["divisor"],
        mean=(math.nan,) * 3 if isinstance(mean, str) else tuple(mean),
        std=tuple(described["std"]),
        mean_image=None if mean_image is None else mean_image.numpy(),
    )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {}).get("rsir_fast", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise WeightFileError(f"{path}: expected a model of `rsir train dhcnn`, found no such file") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightFileError(
            f"{path}: expected a model of `rsir train dhcnn` (safetensors), cannot read it ({error})"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION:
        raise WeightFileError(
            f"{path}: expected a model of `rsir train dhcnn`, version {VERSION}, found other safetensors; "
            "a network's own weights go to --weights"
        )
    return content, tensors

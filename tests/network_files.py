"""Small weight files of the paper's networks, as ``rsir train pretrain`` writes them."""

from __future__ import annotations

from pathlib import Path

from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.backbones.weights import PreTraining
from rsir_fast.pretraining import Pretrained
from rsir_fast.pretraining.network import Classifier, initialize


def write_network(folder: Path, name: str, width: float = 0.05, seed: int = 0) -> Path:
    """Write NAME.safetensors with random weights that reach fc8."""
    folder.mkdir(parents=True, exist_ok=True)
    network = Classifier(NETWORKS[name].scaled(width), classes=2)
    initialize(network, "glorot", seed=seed)
    made = PreTraining(name, width, (120.0, 115.0, 100.0), ("a", "b"), {"dataset": "nothing"})
    Pretrained(network, made).save(folder / f"{name}.safetensors")
    return folder

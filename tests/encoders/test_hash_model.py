"""A hash model is loaded from its file alone."""

from __future__ import annotations

import pytest
import torch

from rsir_fast.backbones import load_backbone
from rsir_fast.encoders import hash_model
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead


@pytest.mark.parametrize("name", ["cnn-f", "squeezenet1_1", "regnet_y_400mf", "swin_t"])
def test_a_model_is_loaded_without_other_weights(tmp_path, name):
    backbone = load_backbone(name, weights="random:0")
    made = HashModel(DHCNN(backbone, HashHead(backbone.dim, 16, 3)).eval(), ("a", "b", "c"), {})
    made.save(tmp_path / "model.safetensors")
    again = HashModel.load(tmp_path / "model.safetensors")
    assert not any(tensor.is_meta for tensor in [*again.network.parameters(), *again.network.buffers()])
    assert again.network.backbone.provenance == backbone.provenance
    size = backbone.preprocessing.input_size
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        assert all(torch.equal(*pair) for pair in zip(made.network(images), again.network(images), strict=True))


def test_no_network_is_made_at_random_first(tmp_path, monkeypatch):
    backbone = load_backbone("cnn-f", weights="random:0", width=0.02)
    HashModel(DHCNN(backbone, HashHead(backbone.dim, 8, 2)), ("a", "b"), {}).save(tmp_path / "m.safetensors")
    sizes = []
    made = hash_model.empty_backbone

    def watched(*args, **options):
        found = made(*args, **options)
        sizes.append(sum(parameter.numel() for parameter in found.parameters() if not parameter.is_meta))
        return found

    monkeypatch.setattr(hash_model, "empty_backbone", watched)
    HashModel.load(tmp_path / "m.safetensors")
    assert sizes == [0]

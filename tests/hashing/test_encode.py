"""The head alone on stored features against the whole model on the images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.backbones import all_turns
from rsir_fast.errors import FeaturesError
from rsir_fast.hashing import train_dhcnn
from rsir_fast.hashing.encode import encode_features
from scene_files import write_scenes
from side_by_side import table


def test_the_head_alone_gives_what_the_whole_model_gives(tmp_path):
    scenes = write_scenes(tmp_path / "data")
    backbone = rf.backbones.load_backbone("squeezenet1_1", weights="random:0")
    features = rf.encode(scenes, all_turns(backbone), device="cpu")
    model = train_dhcnn(scenes, backbone, bits=16, freeze_backbone=True, epochs=20, features=features, device="cpu")
    found = encode_features(model, features)
    assert np.array_equal(table(encode_features(model, features.field())), table(found))
    whole = rf.encode(scenes, model.as_backbone(), device="cpu")
    for ours, theirs in zip(*((f["u"], f["probabilities"]) for f in (found, whole)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert found.items == whole.items
    assert found.provenance["hash"] == whole.provenance["hash"]
    assert (rf.evaluate_dhcnn2021(found).bits, table(found).dtype) == (16, np.float32)
    other = replace(features.field(), provenance={**features.field().provenance, "layer": "other"})
    with pytest.raises(FeaturesError, match="that is trained, .*:gap, found others .layer: other, now gap"):
        encode_features(model, other)
    model.training["freeze_backbone"] = False
    with pytest.raises(ValueError, match="expected one with a frozen backbone"):
        encode_features(model, features)

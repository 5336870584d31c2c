"""Codes and labels from features of a frozen backbone: the head alone, no image is looked at again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rsir_fast.archive import Features
from rsir_fast.archive.columns import split
from rsir_fast.datasets import Reader
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.hashing.inputs import check_network

__all__ = ["encode_features"]

_ROWS = 4096


def encode_features(model: HashModel, features: Features) -> Features:
    """Apply a model's hash layer and classifier to features of its backbone.

    Parameters
    ----------
    model : HashModel
        Trained with ``freeze_backbone=True``: only then are the features those of its backbone.
    features : Features
        Float32 [n, dim] of that backbone, or [n, 8 dim] of all turns, of which the images as they are count.

    Returns
    -------
    Features
        As of `rsir_fast.encode` with the model, to float32 rounding: a row is u, then the labels'
        probabilities.

    Raises
    ------
    FeaturesError
        If the features are of another network.
    ValueError
        If the backbone was trained, or the features are of another length.

    Notes
    -----
    O(n dim bits), on the model's device.
    """
    head, features = model.network.head, features.field()
    if not model.training["freeze_backbone"]:
        raise ValueError("model: expected one with a frozen backbone, got one that trained it; use rsir_fast.encode")
    check_network(features, model.network.backbone, Reader.of(model.training))
    if features.dim != len(head.mean):
        raise ValueError(f"features: expected rows of {len(head.mean)} values, got {features.dim}")
    vectors = features.vectors
    matrix = np.empty((len(features), model.bits + len(model.classes)), np.float32)
    with torch.inference_mode():
        for start in range(0, len(matrix), _ROWS):
            rows = torch.from_numpy(np.array(vectors[start : start + _ROWS])).to(head.mean.device)
            u, logits = head(rows)
            matrix[start : start + _ROWS] = torch.cat([u, logits.softmax(1)], dim=1).cpu().numpy()
    made = {**model.as_backbone().provenance, "extraction": features.provenance.get("extraction", {})}
    return replace(features, arrays=split(features.name, made, matrix), provenance=made)

"""Engines that are made once: to make one takes two seconds, most of which is the export of the network's graph."""

from __future__ import annotations

import pytest
import torch

from rsir_fast.extraction.engines import choose

_KEPT: dict[object, object] = {}


@pytest.fixture(autouse=True)
def kept_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an engine that was made before for the same graph, weights and input; all that is checked of it still is."""
    make = choose._loaded

    def loaded(name, network, values, bfloat16):
        weights = tuple(tensor.double().sum().item() for tensor in network.state_dict().values())
        key = (name, str(network), weights, tuple(values.shape), bfloat16, torch.get_num_threads())
        if key not in _KEPT:
            _KEPT[key] = make(name, network, values, bfloat16)
        return _KEPT[key]

    monkeypatch.setattr(choose, "_loaded", loaded)

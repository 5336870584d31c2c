"""Ways of learning codes, one file each: a loss with its parameters, and what it needs."""

from __future__ import annotations

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method
from rsir_fast.hashing.methods.csq import CSQ
from rsir_fast.hashing.methods.dhcnn import HashLoss
from rsir_fast.hashing.methods.dhn import DHN
from rsir_fast.hashing.methods.dpsh import DPSH
from rsir_fast.hashing.methods.dsh import DSH
from rsir_fast.hashing.methods.greedyhash import GreedyHash
from rsir_fast.hashing.methods.hashnet import HashNet
from rsir_fast.hashing.methods.idhn import IDHN
from rsir_fast.hashing.methods.multi_similarity import MultiSimilarity
from rsir_fast.hashing.methods.proxy_anchor import ProxyAnchor
from rsir_fast.hashing.methods.triplet import Triplet

__all__ = [
    "CSQ",
    "DHN",
    "DPSH",
    "DSH",
    "IDHN",
    "METHODS",
    "Batch",
    "GreedyHash",
    "HashLoss",
    "HashNet",
    "LossTerms",
    "Method",
    "MultiSimilarity",
    "ProxyAnchor",
    "Triplet",
]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (HashLoss, DPSH, HashNet, GreedyHash, CSQ, DSH, DHN, IDHN, Triplet, MultiSimilarity, ProxyAnchor)
}
"""By the name that a command takes."""

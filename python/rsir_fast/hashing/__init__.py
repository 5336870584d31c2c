"""DHCNN (Song et al. 2021): hash codes and semantic labels from one network, its loss and its training."""

from __future__ import annotations

from rsir_fast.base.renamed import former_names
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead, HashOutput
from rsir_fast.hashing.methods import METHODS, Batch, HashLoss, LossTerms, Method
from rsir_fast.hashing.recipe import RECIPES, Recipe
from rsir_fast.hashing.train import train_dhcnn
from rsir_fast.hashing.training import Trainer
from rsir_fast.retrieval.coded import made_by_model

__all__ = [
    "DHCNN",
    "METHODS",
    "RECIPES",
    "Batch",
    "HashHead",
    "HashLoss",
    "HashModel",
    "HashOutput",
    "LossTerms",
    "Method",
    "Recipe",
    "Trainer",
    "made_by_model",
    "train_dhcnn",
]

__getattr__ = former_names(
    __name__,
    {
        "CodeMatches": "rsir_fast.Hits",
        "TrainingProgress": "rsir_fast.Progress",
        "search_codes": "rsir_fast.search",
        "split_hash_features": "features['u'] and features['probabilities']",
    },
)

"""DHCNN (Song et al. 2021): hash codes and semantic labels from one network, its loss and its training."""

from __future__ import annotations

from rsir_fast.base.renamed import former_names
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead, HashOutput
from rsir_fast.hashing.coded import made_by_model
from rsir_fast.hashing.loss import HashLoss, LossTerms
from rsir_fast.hashing.recipe import RECIPES, Recipe
from rsir_fast.hashing.search import CodeMatches, search_codes
from rsir_fast.hashing.train import train_dhcnn
from rsir_fast.hashing.training import Trainer

__all__ = [
    "DHCNN",
    "RECIPES",
    "CodeMatches",
    "HashHead",
    "HashLoss",
    "HashModel",
    "HashOutput",
    "LossTerms",
    "Recipe",
    "Trainer",
    "made_by_model",
    "search_codes",
    "train_dhcnn",
]

__getattr__ = former_names(
    __name__,
    {"TrainingProgress": "rsir_fast.Progress", "split_hash_features": "features['u'] and features['probabilities']"},
)

"""Pre-training: step 1 of Ge et al. 2018, from class folders to weights that `rsir_fast.load_encoder` reads."""

from __future__ import annotations

from rsir_fast.pretraining.network import Classifier, initialize
from rsir_fast.pretraining.pretrain import pretrain
from rsir_fast.pretraining.pretrained import Pretrained
from rsir_fast.pretraining.recipe import PretrainingRecipe
from rsir_fast.pretraining.trainer import PretrainingTrainer

__all__ = ["Classifier", "Pretrained", "PretrainingRecipe", "PretrainingTrainer", "initialize", "pretrain"]

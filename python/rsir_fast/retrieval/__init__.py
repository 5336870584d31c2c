"""What came after 2018: feature post-processing and re-ranking, without labels, as small composable parts."""

from __future__ import annotations

from rsir_fast.retrieval.concatenate import concatenated
from rsir_fast.retrieval.diffusion import Diffusion
from rsir_fast.retrieval.expansion import Expansion
from rsir_fast.retrieval.ranking import Ranking, rank_all
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.steps import L2, PCA, Center, FittedSteps, Power, Step, fit_steps, parse_steps

__all__ = [
    "L2",
    "PCA",
    "Center",
    "Diffusion",
    "Expansion",
    "FittedSteps",
    "Power",
    "Ranking",
    "Step",
    "concatenated",
    "fit_steps",
    "parse_rerank",
    "parse_steps",
    "rank_all",
]

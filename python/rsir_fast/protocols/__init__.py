"""Published evaluations, from features to figures."""

from __future__ import annotations

from rsir_fast.protocols.dhcnn2021 import check_split, evaluate_dhcnn2021
from rsir_fast.protocols.evaluation import Evaluation
from rsir_fast.protocols.examples import pick_queries
from rsir_fast.protocols.ge2018 import check_classes, evaluate_ge2018
from rsir_fast.protocols.hash_retrieval import evaluate_codes

__all__ = [
    "Evaluation",
    "check_classes",
    "check_split",
    "evaluate_codes",
    "evaluate_dhcnn2021",
    "evaluate_ge2018",
    "pick_queries",
]

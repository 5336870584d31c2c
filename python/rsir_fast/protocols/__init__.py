"""Published evaluations, from features to figures."""

from __future__ import annotations

from rsir_fast.protocols.ge2018 import Evaluation, evaluate_ge2018

__all__ = ["Evaluation", "evaluate_ge2018"]

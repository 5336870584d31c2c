"""What a reader sees of an evaluation: a table in the terminal, plots, and one self-contained HTML page."""

from __future__ import annotations

from rsir_fast.base.renamed import former_names
from rsir_fast.base.result_json import result_json
from rsir_fast.report.hash_plots import (
    confusion_matrix_plot,
    precision_by_number,
    precision_recall_by_radius,
    recall_by_number,
)
from rsir_fast.report.plots import per_class_bars, pr_curve, precision_at_n
from rsir_fast.report.views import result_table
from rsir_fast.report.write import write_report

__all__ = [
    "confusion_matrix_plot",
    "per_class_bars",
    "pr_curve",
    "precision_at_n",
    "precision_by_number",
    "precision_recall_by_radius",
    "recall_by_number",
    "result_json",
    "result_table",
    "write_report",
]

__getattr__ = former_names(__name__, {"pick_queries": "rsir_fast.protocols.pick_queries"})

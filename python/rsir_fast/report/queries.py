"""The AP of every query as a table: one line a query, for spreadsheets and plots of one's own."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from rsir_fast.base.text import printable
from rsir_fast.report.grid import spreadsheet_text

if TYPE_CHECKING:
    from rsir_fast.protocols.evaluation import EvaluationResult

__all__ = ["queries_csv"]


def queries_csv(result: EvaluationResult) -> str:
    """Write the AP of every query, unrounded, beside its item and class.

    Returns
    -------
    str
        CSV; an empty cell where nothing is relevant to a query. Empty where the result has no queries.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1]], np.float32)
    >>> features = rf.Features(matrix, ("a/1.jpg", "a/2.jpg", "b/1.jpg"), np.array([0, 0, 1]), ("a", "b"), "demo")
    >>> print(queries_csv(rf.evaluate_ge2018(features)), end="")
    item,class,ap_query_excluded,ap_query_included
    a/1.jpg,a,1.0,1.0
    a/2.jpg,a,1.0,1.0
    b/1.jpg,b,,1.0
    """
    if result.queries is None:
        return ""
    target = io.StringIO()
    out = csv.writer(target, lineterminator="\n")
    out.writerow(["item", "class", *(f"ap_{place}" for place in result.by_place)])
    columns = [figures.per_query for figures in result.by_place.values()]
    classes = [result.class_names[label] for label in result.queries.labels] or [""] * len(result.queries.items)
    for item, name, *values in zip(result.queries.items, classes, *columns, strict=True):
        names = (spreadsheet_text(printable(text)) for text in (item, name))
        out.writerow([*names, *("" if value is None else repr(value) for value in values)])
    return target.getvalue()

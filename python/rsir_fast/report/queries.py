"""The AP of every query as a table: one line a query, for spreadsheets and plots of one's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rsir_fast.base.text import printable
from rsir_fast.report.grid import spreadsheet_text

__all__ = ["queries_csv"]


def queries_csv(result: Mapping[str, Any]) -> str:
    """Write the AP of every query, unrounded, beside its item and class.

    Parameters
    ----------
    result : result
        What an evaluation protocol returned: ``queries`` with ``items`` and ``labels``, and ``per_query`` wherever a
        mean over these queries stands.

    Returns
    -------
    str
        CSV; an empty cell where nothing is relevant to a query. Empty where the result has no queries.

    Examples
    --------
    >>> queries = {"items": ["a/1.jpg", "b/1.jpg"], "labels": [0, 1]}
    >>> result = {"dataset": {"classes": ["a", "b"]}, "queries": queries, "query_excluded": {"per_query": [0.5, None]}}
    >>> print(queries_csv(result), end="")
    item,class,ap_query_excluded
    a/1.jpg,a,0.5
    b/1.jpg,b,
    """
    if "queries" not in result:
        return ""
    places = [name for name, value in result.items() if isinstance(value, Mapping) and "per_query" in value]
    # A trained model numbers the classes in its own order.
    classes = result.get("classes") or result["dataset"]["classes"]
    target = io.StringIO()
    out = csv.writer(target, lineterminator="\n")
    out.writerow(["item", "class", *(f"ap_{place}" for place in places)])
    columns = [result[place]["per_query"] for place in places]
    queries = result["queries"]
    for item, label, *values in zip(queries["items"], queries["labels"], *columns, strict=True):
        names = (spreadsheet_text(printable(text)) for text in (item, classes[label]))
        out.writerow([*names, *("" if value is None else repr(value) for value in values)])
    return target.getvalue()

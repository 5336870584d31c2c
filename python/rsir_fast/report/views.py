"""How the results of each protocol are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from rsir_fast.protocols.dhcnn2021_result import Dhcnn2021Result
from rsir_fast.protocols.evaluation import EvaluationResult
from rsir_fast.protocols.ge2018_result import Ge2018Result
from rsir_fast.protocols.multilabel_result import MultilabelResult
from rsir_fast.protocols.reproduce_dhcnn2021_result import Dhcnn2021TableResult, HashingTableResult
from rsir_fast.protocols.reproduce_ge2018_result import Ge2018TableResult
from rsir_fast.report import comparison, dhcnn2021, ge2018, multilabel, reproduction
from rsir_fast.report.content import Content, Options

__all__ = ["Reported", "View", "result_table", "view_of"]

Reported = EvaluationResult | Ge2018TableResult | Dhcnn2021TableResult | HashingTableResult
"""Results that have a report."""


@dataclass(frozen=True)
class View:
    """How the results of one type are shown.

    Attributes
    ----------
    content
        Result and options -> the page, and the files beside it.
    table
        Result, with a row per class, with rows that hold nothing -> tables for a terminal.
    """

    content: Callable[[Any, Options], Content]
    table: Callable[[Any, bool, bool], RenderableType]


_VIEWS: dict[type, View] = {
    Ge2018Result: View(ge2018.content, ge2018.table),
    Dhcnn2021Result: View(dhcnn2021.content, dhcnn2021.table),
    MultilabelResult: View(multilabel.content, multilabel.table),
    Ge2018TableResult: View(reproduction.content, reproduction.table),
    Dhcnn2021TableResult: View(comparison.content, comparison.table),
    HashingTableResult: View(comparison.content, comparison.table),
}


def view_of(result: Reported) -> View:
    """Find how a result is shown.

    Raises
    ------
    TypeError
        If there is no report for its type.

    Examples
    --------
    >>> view_of({"protocol": "ge2018"})
    Traceback (most recent call last):
        ...
    TypeError: expected a Ge2018Result, Dhcnn2021Result, MultilabelResult, Ge2018TableResult, Dhcnn2021TableResult or \
HashingTableResult, got a dict; Ge2018Result.load(path) and its like read a result.json
    """
    if type(result) not in _VIEWS:
        *most, last = [kind.__name__ for kind in _VIEWS]
        raise TypeError(
            f"expected a {', '.join(most)} or {last}, got a {type(result).__name__}; "
            "Ge2018Result.load(path) and its like read a result.json"
        )
    return _VIEWS[type(result)]


def result_table(result: Reported, *, per_class: bool = False, all_rows: bool = False) -> RenderableType:
    """Lay out a result for a terminal of 80 columns or more; nothing in it depends on colour.

    Parameters
    ----------
    result : result
        Of `rsir_fast.evaluate_ge2018`, `rsir_fast.evaluate_dhcnn2021` or one of the two that make whole tables.
    per_class : bool
        Of an evaluation: add one row per class.
    all_rows : bool
        Of whole tables: keep rows and columns that hold no figure.

    Returns
    -------
    rich renderable
        To be printed with ``rich.console.Console().print``.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> from rich.console import Console
    >>> matrix = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1], [9, 0, 2]], np.float32)
    >>> features = rf.Features(matrix, ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1]), ("a", "b"), "demo")
    >>> console = Console(width=80)
    >>> with console.capture() as captured:
    ...     console.print(result_table(rf.evaluate_ge2018(features)))
    >>> "100.00 % (1.0000)" in captured.get()
    True
    """
    return view_of(result).table(result, per_class, all_rows)

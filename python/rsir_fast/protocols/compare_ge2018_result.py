"""The result of `rsir_fast.protocols.compare_ge2018.compare_ge2018`."""

from __future__ import annotations

from typing import Literal

from rsir_fast.base.shown import counted
from rsir_fast.protocols.facts import DatasetFacts
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.result import Part, Result, Text, Value

__all__ = ["Ge2018Comparison", "HeadlineFigures", "OptionRow"]


class HeadlineFigures(Part):
    """MAP and ANMRR in one convention, and how sure mAP is."""

    map: Value
    map_intervals: MapIntervals | None = None
    anmrr: Value


class OptionRow(Part):
    """An option on some features: its figures, or in ``refused`` why they do not allow it."""

    features: Text
    dim: int
    steps: str
    rerank: str
    refused: str | None = None
    query_excluded: HeadlineFigures | None = None
    query_included: HeadlineFigures | None = None

    @property
    def by_side(self) -> dict[str, HeadlineFigures]:
        """The figures with the query excluded and included; none where it was refused."""
        found = {"excluded": self.query_excluded, "included": self.query_included}
        return {side: figures for side, figures in found.items() if figures is not None}


class Ge2018Comparison(Result):
    """What each option beyond the paper adds, as `rsir compare` measures it.

    Attributes
    ----------
    protocol : "ge2018"
    dataset : DatasetFacts
    rows : tuple of OptionRow
    """

    protocol: Literal["ge2018"]
    dataset: DatasetFacts
    rows: tuple[OptionRow, ...]

    def _facts(self) -> dict[str, str]:
        refused = sum(row.refused is not None for row in self.rows)
        return {
            "data set": self.dataset.name,
            "evaluations": counted(len(self.rows), "evaluation", "evaluations"),
            "refused": f"{refused} refused" if refused else "",
        }

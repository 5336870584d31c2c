"""The result of `rsir_fast.protocols.compare_results`: evaluations of the same queries, pair by pair."""

from __future__ import annotations

from typing import Literal

from rsir_fast.base.shown import counted
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.result import Part, Result, Text, Value

__all__ = ["ComparedMap", "PairTest", "PlaceComparison", "ResultsComparison", "UnitTest"]


class UnitTest(Part):
    """A paired test of a mean difference, and its bootstrap interval, with queries or classes as units.

    Attributes
    ----------
    low, high : float or None
        Of the interval; by class None of fewer than 5.
    p_value : float or None
        Two-sided, of the test that turns the signs of the units' differences.
    p_holm : float or None
        The same, corrected for all tests of the table by this unit (Holm 1979).
    units : int
    exact : bool
        Whether every way to turn the signs was tried.
    """

    low: Value
    high: Value
    p_value: Value
    p_holm: Value = None
    units: int
    exact: bool


class PairTest(Part):
    """Two methods on the same queries: ``difference`` is mAP of the second less mAP of the first.

    ``by_class`` is None for a single class, or none.
    """

    first: Text
    second: Text
    difference: Value
    queries: int
    by_query: UnitTest
    by_class: UnitTest | None


class ComparedMap(Part):
    """The mAP of one evaluation, and how sure it is."""

    name: Text
    map: Value
    map_intervals: MapIntervals | None


class PlaceComparison(Part):
    """All evaluations in one convention, such as ``query_excluded`` or ``test_vs_train``, and all pairs of them."""

    place: str
    results: tuple[ComparedMap, ...]
    pairs: tuple[PairTest, ...]


class ResultsComparison(Result):
    """What `rsir compare RESULT RESULT...` finds.

    Attributes
    ----------
    protocol : "compare results"
    dataset : str
    queries, classes : int
        No classes where the images have none: nothing is tested by class.
    relevance : {"class", "label"}
        Whether an image is relevant by the query's class, or by labels that it shares with it.
    level : float
        Of the intervals.
    resamples : int
        Draws of queries for the interval of a difference, and of signs where not all are tried. Of a mean every result
        states its own.
    places : tuple of PlaceComparison
    notes : tuple of str
        What is to be known of the results: which models were trained on queries, what could not be checked.
    """

    protocol: Literal["compare results"]
    dataset: Text
    queries: int
    classes: int
    relevance: Literal["class", "label"] = "class"
    level: float
    resamples: int
    places: tuple[PlaceComparison, ...]
    notes: tuple[Text, ...] = ()

    def _facts(self) -> dict[str, str]:
        return {
            "data set": self.dataset,
            "results": counted(len(self.places[0].results), "result", "results"),
            "queries": counted(self.queries, "query", "queries"),
        }

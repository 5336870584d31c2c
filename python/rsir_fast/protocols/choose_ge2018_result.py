"""The result of `rsir_fast.protocols.choose_ge2018`: an option chosen on one data set, measured on another."""

from __future__ import annotations

from typing import Literal

from rsir_fast.protocols.compare_ge2018_result import OptionRow
from rsir_fast.protocols.compare_results_result import PairTest
from rsir_fast.protocols.facts import DatasetFacts
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.result import Part, Result, Text, Value

__all__ = ["Ge2018Choice", "ReportedOption"]


class ReportedOption(Part):
    """An option on the images that nothing was chosen on, the query excluded."""

    steps: str
    rerank: str
    map: Value
    anmrr: Value
    map_intervals: MapIntervals | None


class Ge2018Choice(Result):
    """What `rsir compare --choose-on A --report-on B` finds.

    Attributes
    ----------
    protocol : "choose ge2018"
    chosen_on, reported_on : DatasetFacts
    features : tuple of str
        Of both, by their names.
    shared : int
        Images reported on whose features occur among those chosen on, bit for bit: they are not other images.
    candidates : tuple of OptionRow
        All options on the images chosen on; the best mAP, query excluded, was chosen, of equal ones the first.
    plain : ReportedOption
        The paper's method on the images reported on.
    chosen : ReportedOption
        The chosen option on them; no other candidate was measured there.
    gain : PairTest or None
        The chosen less the plain one, query by query; None where the paper's method was chosen.
    """

    protocol: Literal["choose ge2018"]
    chosen_on: DatasetFacts
    reported_on: DatasetFacts
    features: tuple[Text, Text]
    shared: int
    candidates: tuple[OptionRow, ...]
    plain: ReportedOption
    chosen: ReportedOption
    gain: PairTest | None

    @property
    def gain_where_chosen(self) -> float | None:
        """The gain in mAP on the images chosen on, which flatters; None where the paper's method is no candidate."""
        found = {(row.steps, row.rerank): row.query_excluded for row in self.candidates}
        plain, chosen = found.get(("", "")), found.get((self.chosen.steps, self.chosen.rerank))
        if plain is None or chosen is None or plain.map is None or chosen.map is None:
            return None
        return chosen.map - plain.map

    def _facts(self) -> dict[str, str]:
        chosen = "; ".join(text for text in (self.chosen.steps, self.chosen.rerank) if text)
        return {
            "chosen on": f"chosen on {self.chosen_on.name}",
            "reported on": f"reported on {self.reported_on.name}",
            "option": chosen or "row normalisation",
        }

"""The result of `rsir_fast.protocols.reproduce_ge2018.reproduce_ge2018`: tables of many evaluations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rsir_fast.base.shown import counted
from rsir_fast.protocols.compare_results_result import UnitTest
from rsir_fast.protocols.facts import DatasetFacts, FeaturesFacts
from rsir_fast.protocols.ge2018_result import Ge2018Settings, RetrievalFigures
from rsir_fast.protocols.intervals import Interval
from rsir_fast.protocols.protocol import Protocol
from rsir_fast.protocols.result import Part, Result, Text, Value

__all__ = [
    "Against",
    "DatasetTable",
    "Ge2018TableResult",
    "Ge2018TableSettings",
    "MeasuredRow",
    "MethodRun",
    "RowTiming",
    "RunFigures",
    "SureFigures",
    "TableRow",
]


class SureFigures(RetrievalFigures):
    """Figures, and how sure their mAP is: bootstrap over the queries."""

    interval: Interval


class RunFigures(SureFigures):
    """The figures that a run keeps, with the AP of every query in the order of the run's ``items``."""

    per_query: tuple[Value, ...] = Field(alias="average_precision")

    def summary(self) -> SureFigures:
        """Return them without the single queries."""
        return SureFigures.model_validate(
            {key: value for key, value in self if key in self.model_fields_set - {"per_query"}}
        )


class RowTiming(Part):
    """Milliseconds an image and a query, and what took them."""

    extract_ms: float | None
    extract_device: str
    query_ms: float | None
    threads: int
    machine: str


class MethodRun(Part):
    """What is kept of a row on a data set, in a file of its own."""

    dim: int
    bytes: int
    items: tuple[Text, ...]
    features: FeaturesFacts
    settings: Ge2018Settings
    query_excluded: RunFigures
    query_included: RunFigures
    timing: RowTiming


class Against(Part):
    """A row less the reference: mean difference of AP with its interval by query, p, how many queries.

    ``p_holm`` is p corrected for the number of rows; ``by_class`` the same with classes drawn and turned as a whole,
    None for a single class; both are None in what was written before they were stated.
    """

    difference: Value
    low: Value
    high: Value
    p_value: Value
    p_holm: Value = None
    queries: int
    by_class: UnitTest | None = None


class TableRow(Part):
    """A row without figures: ``missing`` says why.

    Attributes
    ----------
    method, label : str
        Its name, for users and for readers.
    group, maker, layer : str
        Heading, network or descriptor, and layer of a network.
    options : tuple of str
        What goes beyond the paper.
    """

    method: str
    label: str
    group: str
    maker: str
    layer: str
    options: tuple[str, ...]
    missing: Text | None

    @property
    def measured(self) -> MeasuredRow | None:
        """The row with its figures; None where there are none."""
        return None


class MeasuredRow(TableRow):
    """A row with its figures.

    Attributes
    ----------
    images : int
        How many could be read.
    dim, bytes : int
        Of an image's features.
    query_excluded, query_included : SureFigures
    remark : str
        On what is there, such as a weight file that was passed over.
    against_reference : Against or None
        None for the reference itself, or without one.
    """

    missing: None
    dim: int
    bytes: int
    images: int
    features: FeaturesFacts
    settings: Ge2018Settings
    query_excluded: SureFigures
    query_included: SureFigures
    timing: RowTiming
    remark: Text
    against_reference: Against | None

    @property
    def measured(self) -> MeasuredRow:
        """The row with its figures."""
        return self

    @property
    def by_side(self) -> dict[str, SureFigures]:
        """The figures with the query excluded and included."""
        return {"excluded": self.query_excluded, "included": self.query_included}


class DatasetTable(Part):
    """All rows on a data set; ``folder``: its name in file names, ``reference``: the row others are compared with."""

    name: Text
    folder: str
    dataset: DatasetFacts
    reference: str | None
    rows: tuple[MeasuredRow | TableRow, ...]

    @property
    def measured(self) -> list[MeasuredRow]:
        """The rows that have figures."""
        return [row.measured for row in self.rows if row.measured is not None]


class Ge2018TableSettings(Part):
    """Settings that all rows share; ``rules`` are None in what was written before they were stated."""

    distance: Literal["euclidean"]
    anmrr_k: Literal["2ng"]
    query: str
    ties: str
    level: float
    resamples: int
    returned: int
    reference: str | None
    rules: Protocol | None = None


class Ge2018TableResult(Result):
    """The tables of Ge et al. 2018 on one data set or several, the same however often the work was interrupted.

    Attributes
    ----------
    protocol, rsir_fast : str
    settings : Ge2018TableSettings
    datasets : tuple of DatasetTable
    """

    protocol: Literal["reproduce ge2018"]
    rsir_fast: str
    settings: Ge2018TableSettings
    datasets: tuple[DatasetTable, ...]

    def _facts(self) -> dict[str, str]:
        rows = sum(len(one.measured) for one in self.datasets)
        return {
            "protocol": self.protocol,
            "data sets": ", ".join(one.name for one in self.datasets),
            "rows": counted(rows, "row", "rows"),
        }

"""From the single runs of a table of hash functions to its rows: means and deviations over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rsir_fast.base.shown import counted
from rsir_fast.metrics import interval_over_splits
from rsir_fast.protocols.dhcnn2021_result import CodeFigures
from rsir_fast.protocols.hash_retrieval import TIE_RULES
from rsir_fast.protocols.intervals import LEVEL, Interval, MapIntervals
from rsir_fast.protocols.reproduce_dhcnn2021_result import Curves, HashRow, HashRun, Measured, RankedRun, SeedRun
from rsir_fast.protocols.runs import slug

__all__ = ["MEASURES", "Embedding", "Run", "curves_of", "hash_rows"]

MEASURES = (*(f"map_{rule}" for rule in TIE_RULES), "test_map_expected", "overall_accuracy", "kappa")
"""mAP of test images against training images under four rules for ties, against one another; labels."""


@dataclass(frozen=True)
class Run:
    """A method at a hash length (None: no codes) with a seed."""

    method: str
    bits: int | None
    seed: int

    def __str__(self) -> str:
        return ", ".join([self.method, *([] if self.bits is None else [f"{self.bits} bits"]), f"seed {self.seed}"])

    @property
    def folder(self) -> str:
        """Name of its folder."""
        bits = [] if self.bits is None else [f"{self.bits}bits"]
        return "-".join([f"seed{self.seed}", *bits, slug(self.method)])


@dataclass(frozen=True)
class Embedding(Run):
    """A method that learns so many real values an image, and no codes, with a seed."""

    values: int = 0


@dataclass(frozen=True)
class _Entry:
    """A run, or what else its model can be ranked by."""

    run: Run
    result: HashRun
    remark: str | None = None
    uncoded: bool = False


def hash_rows(results: Mapping[Run, HashRun], tested: float | None = None) -> tuple[HashRow, ...]:
    """Return the table: no codes first, then by length; methods in the order in which they came.

    Behind a model that gives labels stand the rankings by these labels alone. `tested` is the share of the images that
    a seed draws for testing, which the intervals of means over seeds depend on; None for no intervals.
    """
    found: dict[tuple[int, str], list[_Entry]] = {}
    for run, result in results.items():
        for entry in _entries(run, result):
            found.setdefault((entry.run.bits or 0, entry.run.method), []).append(entry)
    return tuple(_row(entries, tested) for _, entries in sorted(found.items(), key=lambda entry: entry[0][0]))


def _entries(run: Run, result: HashRun) -> Iterator[_Entry]:
    length = f"{run.values} float32 values an image, of length 1 together" if isinstance(run, Embedding) else None
    yield _Entry(run, result, length, uncoded=run.bits is None)
    if result.by_label is not None:
        length = counted(result.by_label.bits or 0, "bit", "bits")
        remark = f"the model's own label of every image as a code of {length}: ceil(log2 K), the class number in binary"
        yield _Entry(replace(run, method=f"{run.method}: its label"), _ranked(result.by_label), remark)
    if result.by_probabilities is not None:
        remark = "inner product of the model's class probabilities, a float32 value a class for every image"
        method = f"{run.method}: its probabilities"
        yield _Entry(replace(run, method=method), _ranked(result.by_probabilities), remark, uncoded=True)


def _ranked(run: RankedRun) -> HashRun:
    return HashRun(test_vs_train=run.test_vs_train, test_vs_test=run.test_vs_test)


def _row(found: list[_Entry], tested: float | None) -> HashRow:
    """Summarise the runs of a method at a length over the seeds."""
    first = found[0]
    runs = tuple(_seed_run(entry) for entry in found)
    measures = {}
    for measure in MEASURES:
        values = [value for value in (getattr(run, measure) for run in runs) if value is not None]
        measures[measure] = Measured(
            mean=statistics.fmean(values) if values else None,
            deviation=statistics.stdev(values) if len(values) > 1 else None,
            interval=None if tested is None or len(values) < 2 else _over_splits(measure, values, tested),
            seeds=len(values),
            missing=None if values else _reason(measure, first),
        )
    remark = {} if first.remark is None else {"remark": first.remark}
    return HashRow(method=first.run.method, bits=first.run.bits, measures=measures, runs=runs, **remark)


def _seed_run(entry: _Entry) -> SeedRun:
    content = {"seed": entry.run.seed, **_values(entry.result), **_intervals(entry.result)}
    return SeedRun.model_validate(content)


def _values(result: HashRun) -> dict[str, float | None]:
    """Return the measures of one run, None where it has none."""
    visual, among, labels = result.test_vs_train, result.test_vs_test, result.labels
    maps = {} if visual is None else dict(visual.map)
    values = [maps.get(rule) for rule in TIE_RULES]
    values += [None if among is None else among.map.expected]
    values += [None, None] if labels is None else [labels.overall_accuracy, labels.kappa]
    return dict(zip(MEASURES, values, strict=True))


def _over_splits(measure: str, values: list[float], tested: float) -> Interval:
    """Return the interval of a mean over splits, cut off where the measure ends."""
    _, low, high = interval_over_splits(values, tested, level=LEVEL)
    return Interval(low=max(low, -1.0 if measure == "kappa" else 0.0), high=min(high, 1.0))


def _intervals(result: HashRun) -> dict[str, MapIntervals]:
    """Return how sure the figures of one run are, where it says so."""
    found = {
        "map_intervals": None if result.test_vs_train is None else result.test_vs_train.map_intervals,
        "test_map_intervals": None if result.test_vs_test is None else result.test_vs_test.map_intervals,
        "accuracy_intervals": None if result.labels is None else result.labels.accuracy_intervals,
    }
    return {name: intervals for name, intervals in found.items() if intervals is not None}


def _reason(measure: str, entry: _Entry) -> str:
    """Say why there is no value."""
    result = entry.result
    if result.missing is not None:
        return result.missing
    if measure in ("overall_accuracy", "kappa"):
        if entry.remark is not None and not isinstance(entry.run, Embedding):
            return "labels are those of the model's own row"
        if result.labels is None:
            return "gives no labels"
        return result.labels.missing or "undefined for these labels"
    if measure not in ("map_expected", "test_map_expected") and entry.uncoded:
        plain = entry.remark is None or isinstance(entry.run, Embedding)
        return "distances of floats: ties, if any, by index" if plain else "real-valued: expected alone"
    if measure != "test_map_expected" and result.test_vs_train is None:
        return "nothing in the training images is of an unseen class"
    return "a single test image" if result.test_vs_test is None else "no query has a relevant image"


def curves_of(results: Mapping[Run, HashRun], bits: int, seed: int) -> Curves:
    """Return the retrieval figures of every method that gave codes of a length with a seed.

    Against the training images, or, where nothing in these is relevant, among the test images.
    """
    methods = {}
    for run, result in results.items():
        figures = result.test_vs_train or result.test_vs_test
        if (run.bits, run.seed) == (bits, seed) and isinstance(figures, CodeFigures):
            methods[run.method] = figures.summary()
    return Curves(bits=bits, seed=seed, methods=methods)

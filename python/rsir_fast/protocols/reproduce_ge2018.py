"""The tables of Ge et al. 2018 from images: networks and layers, shallow descriptors, on several data sets."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.renamed import former_arguments
from rsir_fast.base.shared import within
from rsir_fast.datasets import Dataset, open_dataset
from rsir_fast.errors import DatasetError, NoImageReadError
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.engines.choose import check_engine
from rsir_fast.ops import euclidean_topk, prepare
from rsir_fast.protocols.against_reference import against_each, with_intervals
from rsir_fast.protocols.facts import DatasetFacts, SkippedInput, describe_features
from rsir_fast.protocols.ge2018 import (
    Distance,
    Normalization,
    check_classes,
    evaluate_ge2018,
    ge2018_rules,
    normalized,
)
from rsir_fast.protocols.ge2018_result import RetrievalFigures
from rsir_fast.protocols.intervals import LEVEL, RESAMPLES, Interval
from rsir_fast.protocols.methods import BASELINES, FURTHER, Method, list_methods, list_sources
from rsir_fast.protocols.reproduce_ge2018_result import (
    Against,
    DatasetTable,
    Ge2018TableResult,
    Ge2018TableSettings,
    MeasuredRow,
    MethodRun,
    RowTiming,
    RunFigures,
    TableRow,
)
from rsir_fast.protocols.runs import KeptRuns, check_run, digest, slug
from rsir_fast.protocols.sources import Maker
from rsir_fast.retrieval import parse_rerank, parse_steps
from rsir_fast.training import Precision

__all__ = ["reproduce_ge2018"]

_LONGEST = 80
"""Characters of a data set's name in file names."""
RETURNED = 20
"""Images a timed query returns."""
_TIMED_QUERIES = 50

_COMPARED = {
    "row": "by row",
    "feature": "by feature",
    "minmax": "min-max",
    "none": "not normalised",
    "l1": "L1 distance",
}
"""How a row's name says what it does not share with the others."""
_PER_FEATURE = ("morphological",)
"""Descriptors whose values differ in scale: normalised each over the database; vectors of one kind of value, by row."""


@former_arguments(extraction_progress="progress")
def reproduce_ge2018(
    datasets: Mapping[str, Any],
    *,
    out: str | Path,
    weights: str | Path | None = None,
    backbones: Sequence[str] = FURTHER,
    descriptors: Sequence[str] = BASELINES,
    turns: bool = False,
    steps: str = "",
    rerank: str = "",
    reference: str | None = None,
    download: bool = False,
    batch_size: int = 32,
    precision: Precision = "float32",
    device: Any = None,
    workers: int | None = None,
    threads: int | None = None,
    engine: EngineName | None = None,
    progress: OnProgress | None = None,
) -> Ge2018TableResult:
    """Evaluate every row of the paper's tables, and what is put beside them, on every data set.

    Rows: CNN-Alex, CNN-M, CNN-16 and CNN-19 with layers pool5, fc6 and fc7, as far as weight files are at hand; shallow
    descriptors; further networks; these with turns, post-processing and re-ranking.

    Parameters
    ----------
    datasets : mapping of str to Dataset, path or ImageFolder
        By the name in the tables. With classes, in files.
    out : path
        Folder for features and results of single runs. The same call again goes on where it was interrupted, and takes
        what is finished as it is, times included.
    weights : path, optional
        Folder searched for weight files before the usual places (`rsir_fast.backbones.load_backbone`).
    backbones : sequence of str
        Networks beside the paper's: ``NAME`` or ``NAME:LAYER``.
    descriptors : sequence of str
        As `rsir_fast.descriptors.load_descriptor` takes them, and how they are compared where it is not as usual:
        ``"morphological-62,normalize=minmax,distance=l1"``. Rows of one descriptor share its features.
    turns, steps, rerank
        Beyond the paper, as in `rsir_fast.evaluate_ge2018`: each adds a row to every one of `backbones`, on top of
        those before.
    reference : str, optional
        The row that all others are compared with, query by query, such as ``"cnn-m:fc6"``. Default: the first with
        figures.
    download : bool
        Fetch weight files that are not here.
    batch_size, precision, device, workers, engine
        As in `rsir_fast.encode`.
    threads : int, optional
        Of the search. Never changes a figure, but times.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"run"`` before each pass over the images of a data set, and
        within it as by `rsir_fast.encode`; returning False stops.

    Returns
    -------
    Ge2018TableResult
        The same however often it was interrupted. ``datasets``, each with its ``rows``, which have figures or, in
        ``missing``, the reason why there are none: mAP with its ``interval`` (95 %, bootstrap over the queries) and
        ``map_intervals`` (by query and by class), times in milliseconds on ``machine``, and ``against_reference``, of
        AP for the queries that both have, excluded, by query and by class, p corrected for the number of rows.
        The AP of every query is in ``OUT/runs/DATA/METHOD/result.json``.

    Raises
    ------
    DatasetError, FeaturesError
        As of `rsir_fast.encode`; also for a data set without two classes. What keeps a single row from being done
        stands in the row.
    ValueError
        If a setting is out of range, or no row is called `reference`.

    Notes
    -----
    Time: a pass over the images for each network or descriptor, O(n^2 dim) for each row, some seconds a row for the
    intervals and tests.
    """
    parse_steps(steps)
    parse_rerank(rerank)
    sources = list_sources(backbones, descriptors, turns=turns, steps=steps, rerank=rerank)
    methods = list_methods(sources, reference)
    if not datasets:
        raise ValueError("datasets: expected at least one, got none")
    opened = {name: open_dataset(data) for name, data in datasets.items()}
    places = {name: slug(name)[:_LONGEST] for name in opened}
    if len(set(places.values()) - {""}) < len(places):
        raise ValueError(
            "datasets: expected names that differ in letters or digits, whatever their case, "
            f"got {', '.join(map(repr, places))}"
        )
    for name, data in opened.items():
        check_classes(name, data.labels)
    if engine is not None:  # before the work
        check_engine(engine, usable_device(device), bfloat16=precision == "bfloat16")
    folder = None if weights is None else Path(weights)
    maker = Maker(folder, download, batch_size, precision, device, workers, engine, progress)
    versions = {"rsir_fast": version("rsir-fast"), "numpy": np.__version__}
    runs: KeptRuns[Method, MethodRun] = KeptRuns(MethodRun, Path(out) / "runs", versions)
    measured: list[DatasetTable] = []
    unread: NoImageReadError | None = None
    for name, data in opened.items():
        rows = _Rows(methods, reference)
        for number, source in enumerate(sources, len(measured) * len(sources)):
            check_run(progress, number, len(opened) * len(sources), f"{name}: {source}")
            made = maker(source, data, Path(out) / "features" / places[name])
            unread = unread or made.unread
            read = made.found if made.unread is None else made.unread
            rows.skipped |= {} if read is None else dict(read.skipped)
            for method in source.methods:
                if method.layer in made.missing:
                    rows.missing[method] = made.missing[method.layer]
                    continue
                features = made.of_layer(method.layer)
                compute = partial(_evaluate, features, method, threads, device)
                try:
                    rows.results[method] = runs.do(method, places[name], compute, features=digest(features))
                except _CannotBeDone as error:
                    rows.missing[method] = str(error)
                else:
                    rows.remarks[method] = made.remark
        measured.append(rows.table(name, places[name], data))
    if unread is not None and not any(one.measured for one in measured):
        raise unread
    return Ge2018TableResult(
        protocol="reproduce ge2018",
        rsir_fast=version("rsir-fast"),
        settings=Ge2018TableSettings(
            distance="euclidean",
            anmrr_k="2ng",
            query="every image",
            ties="item index",
            level=LEVEL,
            resamples=RESAMPLES,
            returned=RETURNED,
            reference=reference,
            rules=ge2018_rules(),
        ),
        datasets=tuple(measured),
    )


class _CannotBeDone(Exception):
    """A row whose options these features do not allow, or that has no images left."""


@dataclass
class _Rows:
    """What is known of the rows on a data set."""

    methods: Sequence[Method]
    reference: str | None
    results: dict[Method, MethodRun] = field(default_factory=dict)
    missing: dict[Method, str] = field(default_factory=dict)
    remarks: dict[Method, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def table(self, name: str, folder: str, data: Dataset) -> DatasetTable:
        """Return all rows, and which of them the others are compared with."""
        able = [method for method in self.methods if method in self.results]
        first = next((method for method in able if self.reference in (None, str(method))), None)
        labels = dict(zip(data.items, data.require_labels().tolist(), strict=True))
        compared: dict[Method, Against] = {}
        if first is not None:
            others = {method: self.results[method] for method in able if method != first}
            found = against_each(self.results[first], list(others.values()), labels)
            compared = dict(zip(others, found, strict=True))
        return DatasetTable(
            name=name,
            folder=folder,
            dataset=self._dataset(data),
            reference=None if first is None else str(first),
            rows=tuple(self._row(method, labels, compared.get(method)) for method in self.methods),
        )

    def _dataset(self, data: Dataset) -> DatasetFacts:
        """State the images, and those that could not be read for some row."""
        labels = data.require_labels()
        counts = np.bincount(
            [label for item, label in zip(data.items, labels, strict=True) if item not in self.skipped],
            minlength=len(data.classes),
        )
        unread = [*data.unreadable, *((item, self.skipped[item]) for item in data.items if item in self.skipped)]
        return DatasetFacts(
            name=data.name,
            items=len(data) - sum(item in self.skipped for item in data.items),
            classes=tuple(data.classes),
            class_counts=tuple(counts.tolist()),
            notes=tuple(within(note, data.root) for note in data.notes),
            skipped=tuple(SkippedInput(item=item, reason=within(reason, data.root)) for item, reason in unread),
        )

    def _row(self, method: Method, labels: Mapping[str, int], compared: Against | None) -> TableRow:
        result = self.results.get(method)
        row: dict[str, Any] = {
            "method": str(method),
            "label": _label(method, result),
            "group": method.group,
            "maker": method.maker,
            "layer": method.layer,
            "options": tuple(method.options),
            "missing": self.missing.get(method),
        }
        if result is None:
            return TableRow(**row)
        of_rows = np.array([labels[item] for item in result.items])
        return MeasuredRow(
            **row,
            dim=result.dim,
            bytes=result.bytes,
            images=len(result.items),
            features=result.features,
            settings=result.settings,
            query_excluded=with_intervals(result.query_excluded, of_rows).summary(),
            query_included=with_intervals(result.query_included, of_rows).summary(),
            timing=result.timing,
            remark=self.remarks[method],
            against_reference=compared,
        )


def _evaluate(features: Features, method: Method, threads: int | None, device: Any, _: Path) -> MethodRun:
    """Return what is kept of a run."""
    kind = features.provenance.get("descriptor", {}).get("kind")
    usual = "none" if method.steps else "feature" if kind in _PER_FEATURE else "row"
    normalize = cast(Normalization, method.normalize or usual)
    try:
        check_classes(features.name, features.labels)
        result = evaluate_ge2018(
            features,
            normalize=normalize,
            distance=cast(Distance, method.distance or "euclidean"),
            steps=method.steps,
            rerank=method.rerank,
            examples=0,
            resamples=RESAMPLES,
            threads=threads,
            device=device,
        )
    except DatasetError as error:
        unread = f" ({len(features.skipped)} images could not be read)" if features.skipped else ""
        raise _CannotBeDone(f"{error}{unread}") from None
    except ValueError as error:
        if not method.options:
            raise
        raise _CannotBeDone(str(error)) from None
    dim = features.dim if result.settings.dim is None else result.settings.dim
    return MethodRun(
        dim=dim,
        bytes=features.vectors.dtype.itemsize * dim,
        items=tuple(features.items),
        features=describe_features(features),
        settings=result.settings,
        query_excluded=_figures(result.query_excluded),
        query_included=_figures(result.query_included),
        timing=_timing(features, method, normalize, threads),
    )


def _figures(found: RetrievalFigures) -> RunFigures:
    """Return the figures of a convention, with the AP of every query and how sure their mean is."""
    sure = found.map_intervals
    interval = (
        Interval(low=None, high=None) if sure is None else Interval(low=sure.by_query.low, high=sure.by_query.high)
    )
    measured = {key: value for key, value in found if key in found.model_fields_set}
    return RunFigures.model_validate({**measured, "interval": interval})


def _timing(features: Features, method: Method, normalize: Normalization, threads: int | None) -> RowTiming:
    rate = features.timing.get("images_per_s")
    return RowTiming(
        extract_ms=1000 / rate if rate else None,
        extract_device=features.provenance.get("extraction", {}).get("device", "cpu"),
        # Post-processing and re-ranking are done for all queries together, and only Euclidean searches are timed.
        query_ms=None
        if method.steps or method.rerank or method.distance
        else _query_ms(features.matrix, normalize, threads),
        threads=choose_threads(threads),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    )


def _query_ms(matrix: NDArray[np.float32], normalize: Normalization, threads: int | None) -> float:
    """Return the median time of a search for one image's nearest in the database, which is prepared before."""
    by_row = normalize == "row"
    vectors = matrix if by_row else normalized(matrix, normalize, threads)
    database = prepare(vectors, normalize="row" if by_row else "none")
    chosen = np.linspace(0, len(vectors) - 1, min(_TIMED_QUERIES, len(vectors))).astype(int)
    seconds = []
    for query in (chosen[0], *chosen):
        start = time.perf_counter()
        euclidean_topk(vectors[query : query + 1], database, min(RETURNED, len(vectors)), threads=threads)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[1:])


def _label(method: Method, result: MethodRun | None) -> str:
    """Name a row for readers: by the loader's description, which says when the weights are not the usual ones."""
    title = NETWORKS[method.maker].title if method.maker in NETWORKS else method.maker
    turns = method.options[:1] if method.turns and result is None else []
    described = title if result is None else result.features.description or title
    compared = (_COMPARED.get(method.normalize, ""), _COMPARED.get(method.distance, ""))
    return ", ".join(text for text in (described, method.layer, *turns, *compared, method.steps, method.rerank) if text)

"""The tables of Ge et al. 2018 from images: networks and layers, shallow descriptors, on several data sets."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.datasets import open_dataset
from rsir_fast.extraction import Features, Progress
from rsir_fast.metrics import bootstrap_interval, compare_paired
from rsir_fast.ops import euclidean_topk, prepare
from rsir_fast.ops._dispatch import choose_threads
from rsir_fast.protocols.evaluation import Evaluation, describe_dataset, describe_features
from rsir_fast.protocols.ge2018 import Normalize, check_classes, evaluate_ge2018, normalized
from rsir_fast.protocols.methods import BASELINES, FURTHER, GROUPS, Method, list_sources
from rsir_fast.protocols.runs import KeptRuns, Stage, digest, slug
from rsir_fast.protocols.sources import Maker
from rsir_fast.retrieval import parse_rerank, parse_steps
from rsir_fast.training import Precision

__all__ = ["CONVENTIONS", "reproduce_ge2018"]

CONVENTIONS = ("query_excluded", "query_included")
LEVEL = 0.95
RETURNED = 20
"""Images a timed query returns."""
_TIMED_QUERIES = 50

_PER_FEATURE = ("morphological",)
"""Descriptors whose values differ in scale: normalised each over the database; vectors of one kind of value, by row."""


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
    progress: Callable[[Stage], None] | None = None,
    extraction_progress: Callable[[Progress], bool | None] | None = None,
) -> dict[str, Any]:
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
        Folder searched for weight files before the usual places (`rsir_fast.load_backbone`).
    backbones : sequence of str
        Networks beside the paper's: ``NAME`` or ``NAME:LAYER``.
    descriptors : sequence of str
        As `rsir_fast.descriptors.load_descriptor` takes them.
    turns, steps, rerank
        Beyond the paper, as in `rsir_fast.evaluate_ge2018`: each adds a row to every one of `backbones`, on top of
        those before.
    reference : str, optional
        The row that all others are compared with, query by query, such as ``"cnn-m:fc6"``. Default: the first with
        figures.
    download : bool
        Fetch weight files that are not here.
    batch_size, precision, device, workers
        As in `rsir_fast.extract`.
    threads : int, optional
        Of the search. Never changes a figure, but times.
    progress : callable, optional
        Called with a `Stage` before each run.
    extraction_progress : callable, optional
        As `progress` of `rsir_fast.extract`.

    Returns
    -------
    dict
        JSON-able, the same however often it was interrupted. ``datasets``: a list, each with ``name``, ``folder`` (its
        name in file names), ``dataset`` (as in a result of `rsir_fast.evaluate_ge2018`), ``reference`` and ``rows``.

        A row has ``method`` and ``label`` (its name, for users and for readers), ``group``, ``maker``, ``layer``,
        ``options`` and either ``missing``, the reason, or ``dim``, ``bytes`` of an image's features, ``features``,
        ``settings``, ``timing`` (milliseconds, on ``machine``) and, for ``query_excluded`` and ``query_included``, the
        figures of the protocol with ``interval`` (``low``, ``high``: of mAP, 95 %, bootstrap over the queries) and
        ``against_reference`` (``difference``, ``low``, ``high``, ``p_value``, ``queries``; None for the reference
        itself). The AP of every query is in ``OUT/runs/DATA/METHOD/result.json``.

    Raises
    ------
    DatasetError, FeaturesError
        As of `rsir_fast.extract`; also for a data set without two classes.
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
    methods = sorted(
        (method for source in sources for method in source.methods), key=lambda method: GROUPS.index(method.group)
    )
    if not datasets:
        raise ValueError("datasets: expected at least one, got none")
    if reference is not None and reference not in map(str, methods):
        raise ValueError(f"reference: expected one of {'; '.join(map(str, methods))}; got {reference!r}")
    opened = {name: open_dataset(data) for name, data in datasets.items()}
    places = {name: slug(name) for name in opened}
    if len(set(places.values()) - {""}) < len(places):
        raise ValueError(f"datasets: expected different names with letters or digits, got {', '.join(places)}")
    for name, data in opened.items():
        check_classes(name, data.labels)
    folder = None if weights is None else Path(weights)
    maker = Maker(folder, download, batch_size, precision, device, workers, extraction_progress)
    made_by = {"rsir_fast": version("rsir-fast"), "numpy": np.__version__}
    runs: KeptRuns[Method] = KeptRuns(Path(out) / "runs", made_by, len(opened) * len(methods), progress)
    measured = []
    for name, data in opened.items():
        results: dict[Method, dict[str, Any]] = {}
        missing: dict[Method, str] = {}
        stated = {"name": data.name, "items": len(data), "classes": list(data.classes), "skipped": []}
        for source in sources:
            made = maker(source, data, Path(out) / "features" / places[name])
            for method in source.methods:
                if method.layer in made.missing:
                    missing[method] = made.missing[method.layer]
                    runs.pass_over()
                    continue
                features = made.features[method.layer]
                stated = describe_dataset(features)
                compute = partial(_evaluate, features, method, threads, device)
                results[method] = runs.do(method, places[name], compute, features=digest(features))
        rows = _rows(methods, results, missing, reference)
        measured.append({"name": name, "folder": places[name], "dataset": stated, **rows})
    return {
        "protocol": "reproduce ge2018",
        "rsir_fast": version("rsir-fast"),
        "settings": {
            "distance": "euclidean",
            "anmrr_k": "2ng",
            "query": "every image",
            "relevant": "same class",
            "ties": "item index",
            "precision": precision,
            "level": LEVEL,
            "returned": RETURNED,
        },
        "datasets": measured,
    }


def _evaluate(features: Features, method: Method, threads: int | None, device: Any, _: Path) -> dict[str, Any]:
    """Return what is kept of a run."""
    kind = features.provenance.get("descriptor", {}).get("kind")
    normalize: Normalize = "none" if method.steps else "feature" if kind in _PER_FEATURE else "row"
    evaluation = evaluate_ge2018(
        features,
        normalize=normalize,
        steps=method.steps,
        rerank=method.rerank,
        examples=0,
        threads=threads,
        device=device,
    )
    result = evaluation.result
    return {
        "dim": features.dim,
        "bytes": features.matrix.itemsize * features.dim,
        "features": describe_features(features),
        "settings": result["settings"],
        **{key: _figures(evaluation, key) for key in CONVENTIONS},
        "timing": _timing(features, method, normalize, threads),
    }


def _figures(evaluation: Evaluation, convention: str) -> dict[str, Any]:
    """Return the figures of a convention, with the AP of every query and how sure their mean is."""
    values = evaluation.average_precision[convention]
    _, low, high = bootstrap_interval(values, level=LEVEL)
    figures = {"average_precision": values, "interval": {"low": low, "high": high}}
    return {**evaluation.result[convention], **figures}


def _timing(features: Features, method: Method, normalize: Normalize, threads: int | None) -> dict[str, Any]:
    rate = features.timing.get("images_per_s")
    return {
        "extract_ms": 1000 / rate if rate else None,
        # Post-processing and re-ranking are done for all queries together.
        "query_ms": None if method.steps or method.rerank else _query_ms(features.matrix, normalize, threads),
        "threads": choose_threads(threads),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }


def _query_ms(matrix: NDArray[np.float32], normalize: Normalize, threads: int | None) -> float:
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


def _rows(
    methods: Sequence[Method],
    results: Mapping[Method, dict[str, Any]],
    missing: Mapping[Method, str],
    reference: str | None,
) -> dict[str, Any]:
    """Return all rows on a data set, and which of them the others are compared with."""
    able = [method for method in methods if method in results and reference in (None, str(method))]
    first = able[0] if able else None
    rows = []
    for method in methods:
        row: dict[str, Any] = {
            "method": str(method),
            "label": _label(method, results.get(method)),
            "group": method.group,
            "maker": method.maker,
            "layer": method.layer,
            "options": method.options,
            "missing": missing.get(method),
        }
        if method in results:
            row |= results[method]
            for key in CONVENTIONS:
                against = None if first in (None, method) else _against(results[first], results[method], key)
                kept = {name: value for name, value in row[key].items() if name != "average_precision"}
                row[key] = {**kept, "against_reference": against}
        rows.append(row)
    return {"reference": None if first is None else str(first), "rows": rows}


def _label(method: Method, result: Mapping[str, Any] | None) -> str:
    """Name a row for readers: by the loader's description, which says when the weights are not the usual ones."""
    title = NETWORKS[method.maker].title if method.maker in NETWORKS else method.maker
    turns = method.options[:1] if method.turns and result is None else []
    described = title if result is None else str(result["features"].get("description", title))
    return ", ".join(text for text in (described, method.layer, *turns, method.steps, method.rerank) if text)


def _against(reference: Mapping[str, Any], result: Mapping[str, Any], convention: str) -> dict[str, Any]:
    one, other = (np.array(found[convention]["average_precision"], dtype=np.float64) for found in (reference, result))
    compared = compare_paired(one, other, level=LEVEL)
    difference, low, high = compared.difference
    figures = {"difference": difference, "low": low, "high": high, "p_value": compared.p_value}
    return {**figures, "queries": compared.queries}

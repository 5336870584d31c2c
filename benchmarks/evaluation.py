"""`make bench-evaluation`: a whole evaluation, every image a query, to mAP and ANMRR; time and peak memory.

Ours runs the protocol on all queries. The others rank and score a sample of them, each in its natural way, and their
time is extrapolated. Everyone gets the normalised features; each runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import memory
from engines import clean_environment
from parts import begin, log
from run import finish, parser

Values = NDArray[np.float64]


def classed_features(classes: int, per_class: int, dim: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return non-negative features in overlapping classes, an mAP of neither 0 nor 1, and their labels."""
    rng = np.random.default_rng(0)
    centres = 0.28 * rng.standard_normal((classes, dim), np.float32)
    labels = np.repeat(np.arange(classes), per_class)
    matrix = rng.standard_normal((len(labels), dim), np.float32)
    matrix += centres[labels]
    return np.maximum(matrix, 0, out=matrix), labels


def as_features(matrix: Any, labels: Any) -> Any:
    """Return them as the features of a data set."""
    import rsir_fast as rf

    classes = tuple(f"class {label:02}" for label in range(int(labels.max()) + 1))
    items = tuple(f"{classes[label]}/{number}" for number, label in enumerate(labels))
    return rf.Features(matrix, items, labels, classes, "synthetic")


def by_rsir_fast(matrix: Any, labels: Any, sample: Any) -> dict[str, Any]:
    import rsir_fast as rf

    features = as_features(matrix, labels)
    start = time.perf_counter()
    result = rf.evaluate_ge2018(features, examples=0, resamples=0).query_excluded
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "queries": len(labels), "map": result.map, "anmrr": result.anmrr}


def ap_by_rsir_fast(matrix: Any, labels: Any, sample: Any) -> dict[str, Any]:
    """Ours on the sample alone: the values that the others are compared with."""
    import rsir_fast as rf

    rows = rf.gaussian_normalize(matrix)
    start = time.perf_counter()
    values = []
    for first, _, ids in rf.rank_database(rows[sample], rows):
        own = sample[first : first + len(ids)]
        values.append(rf.metrics.average_precision(labels[rf.metrics.drop_self(ids, own)] == labels[own][:, None]))
    return _sampled(np.concatenate(values), start)


def ap_by_torch(matrix: Any, labels: Any, sample: Any) -> dict[str, Any]:
    """One matrix product, one sort, cumulative sums: what a careful user writes."""
    import torch

    rows, classes = _normalised(matrix), torch.from_numpy(labels)
    start = time.perf_counter()
    norms = (rows * rows).sum(1)
    values = []
    for first in range(0, len(sample), 256):
        queries = torch.from_numpy(sample[first : first + 256])
        scores = torch.addmm(norms, rows[queries], rows.T, alpha=-2)
        scores.scatter_(1, queries[:, None], torch.inf)  # the query itself last, then dropped
        hits = (classes[scores.argsort(1)[:, :-1]] == classes[queries][:, None]).double()
        precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
        values.append(((precision * hits).sum(1) / hits.sum(1)).numpy())
    return _sampled(np.concatenate(values), start)


def ap_by_torchmetrics(matrix: Any, labels: Any, sample: Any) -> dict[str, Any]:
    import torch
    from torchmetrics.functional.retrieval import retrieval_average_precision

    rows, classes = _normalised(matrix), torch.from_numpy(labels)
    start = time.perf_counter()
    values = []
    for query in sample.tolist():
        others = torch.arange(len(rows)) != query
        distances = torch.cdist(rows[query : query + 1], rows)[0]
        scores = distances.max() + 1 - distances  # it takes items with a score of 0 or less for not retrieved
        values.append(float(retrieval_average_precision(scores[others], (classes == classes[query])[others])))
    return _sampled(np.array(values), start)


def ap_by_sklearn(matrix: Any, labels: Any, sample: Any) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score
    from sklearn.metrics.pairwise import euclidean_distances

    rows = _normalised(matrix).numpy()
    start = time.perf_counter()
    values = []
    for query in sample.tolist():
        others = np.arange(len(rows)) != query
        scores = -euclidean_distances(rows[query : query + 1], rows)[0]
        values.append(average_precision_score((labels == labels[query])[others], scores[others]))
    return _sampled(np.array(values), start)


OURS = {"rsir_fast": by_rsir_fast, "rsir_fast, sample only": ap_by_rsir_fast}
PEERS = {"torch": ap_by_torch, "torchmetrics": ap_by_torchmetrics, "sklearn": ap_by_sklearn}
WAYS = {**OURS, **PEERS}


def _normalised(matrix: Any) -> Any:
    import torch

    import rsir_fast as rf

    return torch.from_numpy(rf.gaussian_normalize(matrix))


def _sampled(values: Values, start: float) -> dict[str, Any]:
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "queries": len(values), "map": float(values.mean()), "ap": values.tolist()}


def child(name: str, chosen: Namespace) -> dict[str, Any]:
    """Run one way in this process; time and memory without imports, memory beyond the features."""
    WAYS[name](*classed_features(3, 5, chosen.dim), np.arange(3))
    matrix, labels = classed_features(chosen.classes, chosen.per_class, chosen.dim)
    sample = np.linspace(0, len(labels) - 1, min(chosen.sample, len(labels))).astype(np.int64)
    before = memory.reset()
    result = WAYS[name](matrix, labels, sample)
    most = memory.mib("VmHWM")
    return {**result, "extra_mib": most - before, "peak_mib": most}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--classes", type=int, default=45)
    options.add_argument("--per-class", type=int, default=700)
    options.add_argument("--dim", type=int, default=512)
    options.add_argument("--sample", type=int, default=300, help="queries of the others")
    options.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    options.add_argument("--child", choices=list(WAYS), help="run one way here and print its figures")
    chosen = options.parse_args()
    if chosen.small:
        chosen.classes, chosen.per_class, chosen.dim, chosen.sample = 5, 30, 64, 20
    if chosen.child:
        print(json.dumps(child(chosen.child, chosen)))
        return
    items = chosen.classes * chosen.per_class
    sizes = {name: getattr(chosen, name) for name in ("classes", "per_class", "dim", "sample")}
    result, out, parts = begin("evaluation", chosen, **sizes)
    result |= {"items": items, "dim": chosen.dim}

    def measure(name: str) -> dict[str, Any]:
        log(name)
        options = [text for size, value in sizes.items() for text in ("--" + size.replace("_", "-"), str(value))]
        command = [sys.executable, __file__, "--child", name, *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean_environment())
        row = {"name": name, **json.loads(done.stdout.splitlines()[-1])}
        return {**row, "seconds_all": row["seconds"] * items / row["queries"]}

    rows = [parts.measured(name, partial(measure, name)) for name in [*OURS, *chosen.peers]]
    truth = np.array(rows[1]["ap"])
    differences = [float(np.abs(truth - row["ap"]).max()) for row in rows[2:]]
    assert max(differences) < 1e-3, f"an average precision differs from ours by {max(differences)}"
    result |= {
        "classes": chosen.classes,
        "anmrr": rows[0]["anmrr"],
        "largest_ap_difference": max(differences),
        "rows": [{key: value for key, value in row.items() if key != "ap"} for row in rows],
    }
    finish(result, out, parts)


if __name__ == "__main__":
    main()

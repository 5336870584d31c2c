"""`make bench-stability`: whose answers change with batch size, thread count and instruction set, and by how much.

Every library answers the same queries, in its own process for each setting; ours must not change one bit.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cases
from cases import Case
from engines import Engine, cores, saved
from parts import begin, log
from rsir_fast.base.isa import supported_isas
from run import finish, parser

PEERS = ["faiss", "torch", "sklearn", "numpy"]
OURS = ["rsir_fast", "rsir_fast-plain"]

BATCHES = (1, 10, 64)
"""Batch sizes beside all queries at once."""

Answer = tuple[NDArray[Any], NDArray[Any]]


def instruction_sets(library: str) -> list[dict[str, str]]:
    """Return environments that make a library use older instructions, as an older machine would."""
    if library.startswith("rsir_fast"):
        return [{"RSIR_FORCE_ISA": isa} for isa in supported_isas()[1:]]
    if library == "faiss":
        return [{"FAISS_OPT_LEVEL": "generic", "OPENBLAS_CORETYPE": "Nehalem"}, {"OPENBLAS_CORETYPE": "Haswell"}]
    if library == "torch":
        avx2 = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
        sse = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
        return [avx2, sse]  # MKL on other makers' CPUs obeys the second variable only
    return [{"OPENBLAS_CORETYPE": "Haswell"}, {"OPENBLAS_CORETYPE": "Nehalem"}]


def answers(engine: Engine, batch: int, q: int, k: int) -> Answer:
    """Return the answers of all queries, asked `batch` at a time."""
    parts = [engine.ask("search", first, min(first + batch, q), k) for first in range(0, q, batch)]
    distances, ids = (np.concatenate(part) for part in zip(*parts, strict=True))
    return distances, ids


def changed(base: Answer, other: Answer) -> dict[str, float]:
    """Return the share of distances, rank by rank, whose bits differ, and of queries whose ids differ."""
    words = np.dtype(f"u{base[0].dtype.itemsize}")
    bits = base[0].view(words) != other[0].view(words)
    return {"distances": float(bits.mean()), "ids": float((base[1] != other[1]).any(axis=1).mean())}


def worst(shares: list[dict[str, float]]) -> dict[str, float]:
    return {kind: max(share[kind] for share in shares) for kind in shares[0]}


def judge(library: str, case: Case, paths: dict[str, str]) -> dict[str, Any]:
    """Return what changes with what for a library, the worst of all settings, and its largest self-distance."""

    def loaded(environment: dict[str, str]) -> Engine:
        engine = Engine(library, environment)
        engine.ask("load", case.op, library, paths["database"], paths["queries"])
        return engine

    with loaded({}) as engine:
        base = answers(engine, case.q, case.q, case.k)
        batches = [changed(base, answers(engine, size, case.q, case.k)) for size in BATCHES if size < case.q]
    result: dict[str, Any] = {"changed": {"batch size": worst(batches)}}
    settings = {"threads": [{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RSIR_NUM_THREADS": "1"}]}
    if cores() == 1:
        del settings["threads"]
    settings["instruction set"] = instruction_sets(library)
    for kind, environments in settings.items():
        shares = []
        for environment in environments:
            with loaded(environment) as engine:
                shares.append(changed(base, answers(engine, case.q, case.q, case.k)))
        if shares:
            result["changed"][kind] = worst(shares)
            result.setdefault("settings", {})[kind] = environments
    own = base[1] == np.arange(case.q)[:, None]  # the queries are the first rows of the database
    result["found_itself"] = float(own.any(axis=1).mean())
    result["largest_self_distance"] = float(np.abs(base[0][own]).max(initial=0.0))
    result["typical_distance"] = float(np.median(base[0][~own]))
    return result


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", choices=("normal", "relu"), default="relu")
    options.add_argument("--peers", nargs="+", default=PEERS)
    chosen = options.parse_args()
    n, d, q, k = (600, 96, 60, 10) if chosen.small else (20_000, 512, 1_000, 100)
    sizes = {"n": n, "d": d, "q": q, "k": k, "data": chosen.data}
    result, out, parts = begin("stability", chosen, **sizes)
    case = Case("euclidean_topk", q, n, d, k, chosen.data)
    database = cases.features(n, d, 1, chosen.data)
    libraries = {}
    with saved({"database": database, "queries": database[:q]}) as paths:
        for library in [*chosen.peers, *OURS]:
            log(f"{library}")
            libraries[library] = parts.measured(library, partial(judge, library, case, paths))
    result |= {**sizes, "libraries": libraries, "typical_distance": libraries["rsir_fast"]["typical_distance"]}
    for library in OURS:
        shares = [share for kind in libraries[library]["changed"].values() for share in kind.values()]
        assert not any(shares), f"{library}: bits changed: {libraries[library]}"
        assert libraries[library]["largest_self_distance"] == 0, f"{library}: a vector is not at distance 0 of itself"
        assert libraries[library]["found_itself"] == 1, f"{library}: a vector is not among its own nearest"
    finish(result, out, parts)


if __name__ == "__main__":
    main()

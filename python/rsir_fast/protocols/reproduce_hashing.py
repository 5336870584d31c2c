"""A table of methods of hashing and of metric learning by one network, split and recipe, from images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.datasets import LabelNoise, Split
from rsir_fast.hashing import METHODS, Recipe
from rsir_fast.hashing.recipe import as_recipe
from rsir_fast.protocols.hash_retrieval import CUTOFFS
from rsir_fast.protocols.hash_rows import BASELINES
from rsir_fast.protocols.hash_runs import HashTable, make_hash_table
from rsir_fast.protocols.reproduce_dhcnn2021_result import HashingTableResult, MethodCost
from rsir_fast.training import Precision

__all__ = ["reproduce_hashing"]


def reproduce_hashing(
    dataset: Any,
    load: Callable[[], Any],
    *,
    out: str | Path,
    methods: Sequence[str] = tuple(METHODS),
    lengths: Sequence[int] = (16, 32, 64),
    seeds: Sequence[int] = (0, 1, 2),
    train: float = 0.8,
    unseen: float | None = None,
    split: Split | str | Path | None = None,
    shots: int | None = None,
    label_noise: LabelNoise | None = None,
    freeze_backbone: bool = False,
    features: Features | None = None,
    recipe: str | Recipe = "modern",
    epochs: int | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    workers: int | None = None,
    threads: int | None = None,
    engine: EngineName | None = None,
    progress: OnProgress | None = None,
) -> HashingTableResult:
    """Train and evaluate methods of hashing by one network, split, recipe and seeds, beside hashing without labels.

    Every method has the optimiser, schedule, batches and epochs of the recipe, and the loss of its paper with its
    paper's parameters (`rsir_fast.hashing.METHODS`); those of metric learning, with as many real values as the codes
    have bits, are ranked by Euclidean distance. Beside them stand ITQ, random projection and the features themselves,
    and behind each method that gives labels the rankings by these alone, as in `rsir_fast.reproduce_dhcnn2021`.

    Parameters
    ----------
    methods : sequence of str
        Names of `rsir_fast.hashing.METHODS`. Default: all.
    dataset, load, out, lengths, seeds, train, unseen, split, shots, label_noise, freeze_backbone, features, recipe,
    epochs, cutoffs
        As in `rsir_fast.reproduce_dhcnn2021`; of the recipe its loss does not count.
    device, precision, workers, threads, engine, progress
        As in `rsir_fast.reproduce_dhcnn2021`.

    Returns
    -------
    HashingTableResult
        As of `rsir_fast.reproduce_dhcnn2021`, the same however often it was interrupted; and ``costs``, seconds and
        memory of the methods, which are not: they stay apart, in ``OUT/timing.json`` and ``OUT/memory.json``.

    Raises
    ------
    ValueError
        If a method is unknown or named twice, or a setting is out of range.
    DatasetError, FeaturesError, TrainingError
        As of `rsir_fast.reproduce_dhcnn2021`.

    Notes
    -----
    Time: one pass over all images and a training for every method, length and seed; of a frozen head on 1,680 images
    some seconds each.
    """
    if not methods or len(set(methods)) < len(methods):
        raise ValueError(f"methods: expected at least one, each once, got {list(methods)}")
    for name in methods:
        if name not in METHODS:
            raise ValueError(f"methods: expected of {', '.join(METHODS)}, got {name!r}")
    chosen = as_recipe(recipe, epochs, frozen=freeze_backbone)
    made = make_hash_table(
        dataset,
        load,
        out=out,
        variants={METHODS[name].title: replace(chosen, loss=METHODS[name]()) for name in methods},
        baselines=tuple(BASELINES),
        lengths=lengths,
        seeds=seeds,
        train=train,
        unseen=unseen,
        split=split,
        shots=shots,
        label_noise=label_noise,
        freeze_backbone=freeze_backbone,
        features=features,
        cutoffs=cutoffs,
        device=device,
        precision=precision,
        workers=workers,
        threads=threads,
        engine=engine,
        progress=progress,
    )
    return HashingTableResult(protocol="reproduce hashing", **made.content, costs=_costs(made))


def _costs(made: HashTable) -> tuple[MethodCost, ...]:
    """Gather what the runs of each method took, whatever its length."""
    found: dict[str, list[tuple[float, int | None]]] = {}
    for run, cost in made.runs.costs().items():
        if cost.seconds is not None:
            found.setdefault(run.method, []).append((cost.seconds, cost.peak_bytes))
    return tuple(
        MethodCost(
            method=method,
            runs=len(costs),
            seconds=sum(seconds for seconds, _ in costs) / len(costs),
            peak_bytes=max((peak for _, peak in costs if peak is not None), default=None),
        )
        for method, costs in found.items()
    )

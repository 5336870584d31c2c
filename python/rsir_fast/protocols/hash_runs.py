"""The runs of a table of hash functions: every method, hash length and seed, each kept, by one set of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.backbones import all_turns
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.datasets import Dataset, LabelNoise, Split, open_dataset
from rsir_fast.encoders.hash_training import MAX_BITS, MIN_BITS
from rsir_fast.encoders.load import load_encoder
from rsir_fast.extraction import encode
from rsir_fast.hashing import Recipe, train_dhcnn
from rsir_fast.hashing.encode import encode_features
from rsir_fast.hashing.inputs import check_items, check_network
from rsir_fast.hashing.train import MODEL
from rsir_fast.protocols.cutoffs import as_cutoffs
from rsir_fast.protocols.dhcnn2021 import evaluate_dhcnn2021
from rsir_fast.protocols.drawing import Drawing
from rsir_fast.protocols.facts import describe_dataset, describe_features
from rsir_fast.protocols.ge2018 import check_classes
from rsir_fast.protocols.hash_retrieval import CUTOFFS
from rsir_fast.protocols.hash_rows import (
    Parts,
    by_label,
    by_probabilities,
    embedded,
    euclidean,
    hashed_without_labels,
    preserving_cosines,
)
from rsir_fast.protocols.hash_table import Embedding, Run, curves_of, hash_rows
from rsir_fast.protocols.reproduce_dhcnn2021_result import Dhcnn2021TableSettings, HashRun
from rsir_fast.protocols.runs import KeptRuns, digest
from rsir_fast.training import Precision

__all__ = ["HashTable", "make_hash_table"]

NO_CODES = "features, Euclidean"
COSINES = "cosine-preserving"


class HashTable(NamedTuple):
    """What a table states, and the costs of its runs.

    Attributes
    ----------
    content : dict
        Fields of a `HashTableResult`.
    runs : KeptRuns
    """

    content: dict[str, Any]
    runs: KeptRuns[Run, HashRun]


def make_hash_table(
    dataset: Any,
    load: Callable[[], Any],
    *,
    out: str | Path,
    variants: Mapping[str, Recipe],
    baselines: Sequence[str],
    lengths: Sequence[int],
    seeds: Sequence[int],
    train: float,
    unseen: float | None,
    split: Split | str | Path | None,
    shots: int | None = None,
    label_noise: LabelNoise | None = None,
    freeze_backbone: bool,
    features: Features | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    accumulate: int = 1,
    workers: int | None = None,
    threads: int | None = None,
    engine: EngineName | None = None,
    progress: OnProgress | None = None,
) -> HashTable:
    """Train and evaluate methods for every hash length and seed, beside functions without labels and no hashing.

    Parameters
    ----------
    dataset, load, out, lengths, seeds, train, unseen, split, shots, label_noise, freeze_backbone, cutoffs
        As in `rsir_fast.reproduce_dhcnn2021`.
    variants : mapping of str to Recipe
        What is trained, by its name in the table. All of one network; for a frozen one, of its head.
    baselines : sequence of str
        Of `rsir_fast.protocols.hash_rows.BASELINES`.
    features : Features, optional
        Those of the backbone, of all turns where a recipe augments, computed before. Default: computed into
        OUT/features.
    device, precision, accumulate, workers, threads, engine, progress
        As in `rsir_fast.reproduce_dhcnn2021`.

    Returns
    -------
    HashTable
    """
    folder = Path(out)
    _check(lengths, seeds)
    cutoffs = as_cutoffs(cutoffs)
    data = open_dataset(dataset)
    check_classes(data.name, data.labels)
    drawing = Drawing.of(train, unseen, split, data, shots)
    splits = {seed: drawing.split(data, seed) for seed in seeds}
    backbone = next(iter(variants.values())).network(load_encoder(load()))
    turning = freeze_backbone and any(variant.augment for variant in variants.values())
    whole = all_turns(backbone) if turning else backbone
    seen = features
    if seen is None:
        how: dict[str, Any] = {"device": device, "workers": workers, "engine": engine, "progress": progress}
        seen = encode(data, whole, out=folder / "features", resume=True, **how)
    elif not freeze_backbone:
        raise ValueError("features: expected none where the backbone is trained; leave them out, or freeze it")
    else:
        check_network(seen if turning else seen.field(), whole, data.reader)
        used = {item for drawn in splits.values() for item in (*drawn.train, *drawn.test)}
        check_items(seen, sorted(used), f"training and test images of {data.name}")
    plain = seen.field()
    settings: dict[str, Any] = {
        "train": drawing.train,
        "freeze_backbone": freeze_backbone,
        "precision": precision,
        "accumulate": accumulate,
        "rsir_fast": version("rsir-fast"),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }

    def train_and_evaluate(todo: Run, chosen: Recipe, place: Path) -> HashRun:
        model = train_dhcnn(
            data,
            backbone if freeze_backbone else load(),
            bits=todo.values if isinstance(todo, Embedding) else todo.bits or 0,
            recipe=chosen,
            freeze_backbone=freeze_backbone,
            features=seen,
            split=splits[todo.seed],
            shots=shots,
            label_noise=label_noise,
            seed=todo.seed,
            out=place,
            resume=True,
            device=device,
            precision=precision,
            accumulate=accumulate,
            workers=workers,
            progress=progress,
        )
        if freeze_backbone:
            encoded = encode_features(model, plain)
        else:
            again: dict[str, Any] = {"device": device, "workers": workers, "engine": engine, "progress": progress}
            coded = model.as_backbone(place / MODEL)
            encoded = encode(data, coded, out=place / "features", resume=True, **again)
        parts = Parts.of(encoded, splits[todo.seed], unseen=drawing.unseen is not None)
        if isinstance(todo, Embedding):
            return embedded(encoded, parts, threads)
        found = evaluate_dhcnn2021(encoded, cutoffs=cutoffs, examples=0, threads=threads)
        scores = np.asarray(encoded["probabilities"])
        truth = check_classes(encoded.name, encoded.labels)
        visual = None if parts.unseen else found.test_vs_train
        if not chosen.loss.labels:
            return HashRun(test_vs_train=visual, test_vs_test=found.test_vs_test)
        return HashRun(
            test_vs_train=visual,
            test_vs_test=found.test_vs_test,
            labels=found.labels,
            by_label=by_label(scores.argmax(1), truth, scores.shape[1], parts, threads),
            by_probabilities=by_probabilities(scores, truth, parts),
        )

    total = len(seeds) * (1 + len(lengths) * (len(variants) + len(baselines) + (drawing.unseen is not None)))
    # Not of the table's settings: what was measured by other cut-offs, or with ties by index, is measured again.
    shared = {"features": digest(plain), **settings, "cutoffs": cutoffs, "ties": "expected"} | drawing.told()
    wrong: dict[str, Any] = {} if label_noise is None else {"label_noise": label_noise.told()}
    runs: KeptRuns[Run, HashRun] = KeptRuns(HashRun, folder, shared, total, progress)
    for seed in seeds:
        parts = Parts.of(plain, splits[seed], unseen=drawing.unseen is not None)
        runs.do(Run(NO_CODES, None, seed), "baselines", _apart(partial(euclidean, plain, parts, threads)))
        for bits in lengths:
            for method, chosen in variants.items():
                run = (
                    Embedding(f"{method}, {bits} values", None, seed, bits)
                    if chosen.loss.embeds
                    else Run(method, bits, seed)
                )
                # Labels: a run of before them is evaluated again, its model as it is.
                own = {"recipe": chosen.told(), "labels": True, **wrong}
                runs.do(run, "models", partial(train_and_evaluate, run, chosen), **own)
            for method in baselines:
                fit = partial(hashed_without_labels, plain, parts, method, bits, seed, threads, cutoffs)
                runs.do(Run(method, bits, seed), "baselines", _apart(fit))
            if drawing.unseen is not None:
                taught = _taught(plain, splits[seed].apply(data)[0], label_noise, seed)
                fit = partial(preserving_cosines, seen, parts, taught, bits, seed, threads, cutoffs)
                runs.do(Run(COSINES, bits, seed), "baselines", _apart(fit), **wrong)
    content = {
        "rsir_fast": version("rsir-fast"),
        "dataset": describe_dataset(plain).model_copy(update={"name": data.name}),
        "features": describe_features(plain),
        "settings": Dhcnn2021TableSettings(
            **settings,
            lengths=tuple(lengths),
            seeds=tuple(seeds),
            recipes={method: chosen.told() for method, chosen in variants.items()},
            **drawing.settings(data, splits, cutoffs, label_noise),
        ),
        "rows": hash_rows(runs.results, drawing.tested(splits)),
        "curves": curves_of(runs.results, max(lengths), seeds[0]),
    }
    return HashTable(content, runs)


def _apart(work: Callable[[], HashRun]) -> Callable[[Path], HashRun]:
    """Return work that leaves nothing in its folder but its result."""
    return lambda _: work()


def _taught(features: Features, train: Dataset, label_noise: LabelNoise | None, seed: int) -> NDArray[np.int64]:
    """Return the labels of all images, those of the training images as they are taught."""
    labels = check_classes(features.name, features.labels).copy()
    row = {item: number for number, item in enumerate(features.items)}
    noisy = train if label_noise is None else label_noise.apply(train, seed)
    for item, label in zip(noisy.items, noisy.require_labels().tolist(), strict=True):
        if item in row:
            labels[row[item]] = label
    return labels


def _check(lengths: Sequence[int], seeds: Sequence[int]) -> None:
    for name, values in (("lengths", lengths), ("seeds", seeds)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name}: expected at least one, each once, got {list(values)}")
    for bits in lengths:
        if not MIN_BITS <= bits <= MAX_BITS:
            raise ValueError(f"lengths: expected hash lengths of {MIN_BITS} to {MAX_BITS}, got {bits}")
    if min(seeds) < 0:
        raise ValueError(f"seeds: expected numbers from 0 on, got {min(seeds)}")

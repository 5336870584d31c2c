"""The whole table of Song et al. 2021 from images: lengths, seeds, and hash functions without labels beside DHCNN."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.backbones import all_turns
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.renamed import former_arguments
from rsir_fast.datasets import Dataset, Split, open_dataset, stratified_split
from rsir_fast.encoders.hash_training import MAX_BITS, MIN_BITS
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import DatasetError
from rsir_fast.extraction import encode
from rsir_fast.hashing import RECIPES, Recipe, train_dhcnn
from rsir_fast.hashing.baselines import LinearHash, TooManyBitsError, iterative_quantization, random_projection
from rsir_fast.hashing.encode import encode_features
from rsir_fast.hashing.recipe import as_recipe
from rsir_fast.hashing.train import MODEL
from rsir_fast.metrics import RetrievalAccumulator, mean_over_queries
from rsir_fast.ops import pack_codes, relevant_ranks
from rsir_fast.protocols.dhcnn2021 import dhcnn2021_rules, evaluate_dhcnn2021
from rsir_fast.protocols.dhcnn2021_result import CodeFigures
from rsir_fast.protocols.facts import describe_dataset, describe_features
from rsir_fast.protocols.ge2018 import check_classes
from rsir_fast.protocols.hash_retrieval import TIE_RULES, evaluate_codes
from rsir_fast.protocols.protocol import SplitSource
from rsir_fast.protocols.reproduce_dhcnn2021_result import (
    Curves,
    Dhcnn2021TableResult,
    Dhcnn2021TableSettings,
    ExpectedMap,
    HashRow,
    HashRun,
    Measured,
    SeedRun,
    UncodedFigures,
)
from rsir_fast.protocols.runs import KeptRuns, digest, slug
from rsir_fast.training import Precision

__all__ = ["MEASURES", "reproduce_dhcnn2021"]

MEASURES = (*(f"map_{rule}" for rule in TIE_RULES), "test_map_expected", "overall_accuracy", "kappa")
"""mAP of test images against training images under four rules for ties, against one another; labels."""

NO_CODES = "features, Euclidean"
BASELINES: dict[str, Callable[..., LinearHash]] = {
    "ITQ": iterative_quantization,
    "random projection": random_projection,
}


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


@former_arguments(extraction_progress="progress", training_progress="progress")
def reproduce_dhcnn2021(
    dataset: Any,
    load: Callable[[], Any],
    *,
    out: str | Path,
    lengths: Sequence[int] = (16, 32, 64),
    seeds: Sequence[int] = (0, 1, 2),
    train: float = 0.8,
    freeze_backbone: bool = False,
    recipe: str | Recipe = "modern",
    epochs: int | None = None,
    compare_weightings: bool = False,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    accumulate: int = 1,
    workers: int | None = None,
    threads: int | None = None,
    engine: EngineName | None = None,
    progress: OnProgress | None = None,
) -> Dhcnn2021TableResult:
    """Train and evaluate DHCNN for every hash length and seed, beside ITQ, random projection, and no hashing at all.

    A seed draws the split (training images are the database, test images the queries), the new weights, the order, and
    the baselines' directions. The baselines see the training features of the backbone as it is loaded.

    Parameters
    ----------
    dataset : Dataset, path or ImageFolder
        With classes, in files: images in memory could not be known again when the work is gone on with.
    load : callable
        Gives the backbone, a fresh one at each call: training changes it.
    out : path
        Folder for features, models and results of single runs. The same call again goes on where it was interrupted,
        and takes what is finished as it is.
    lengths : sequence of int
        Hash lengths, 8 to 1024.
    seeds : sequence of int
    train : float
        Share of every class to train on: in the paper 0.8 for UC Merced and PatternNet, 0.5 for AID and WHU-RS.
    freeze_backbone, recipe, epochs, precision, accumulate
        As in `rsir_fast.train_dhcnn`. With a frozen backbone the network sees every image, or its eight turns, once,
        whatever the number of lengths and seeds.
    compare_weightings : bool
        DHCNN twice: with the loss weighted as in the authors' MATLAB release, and as in their PyTorch release, each
        with its release's beta.
    device, workers, engine
        As in `rsir_fast.encode`; torch trains.
    threads : int, optional
        Of the search. Never changes a figure.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"run"`` before each run, and within it as by
        `rsir_fast.encode` and `rsir_fast.train_dhcnn`; returning False stops.

    Returns
    -------
    Dhcnn2021TableResult
        The same however often it was interrupted. ``rows``: for each method and length ``measures`` (by name, of
        `MEASURES`: ``mean``, ``deviation`` (sample standard deviation, None for one seed), ``seeds`` (how many), or
        ``missing``, the reason) and ``runs`` (the values of each seed). ``curves``: of the longest codes with the first
        seed, by method, as of `rsir_fast.protocols.evaluate_codes`. Seconds of the single runs are in
        ``OUT/timing.json``, apart.

    Raises
    ------
    DatasetError, FeaturesError, TrainingError
        As of `rsir_fast.encode` and `rsir_fast.train_dhcnn`; also if `out` holds a run with other settings.
    ValueError
        If a setting is out of range.

    Notes
    -----
    Time: one pass over all images and, unless frozen, a training of the network and a pass for every length and seed.
    """
    folder = Path(out)
    variants = _variants(as_recipe(recipe, epochs, frozen=freeze_backbone), compare_weightings)
    _check(lengths, seeds)
    data = open_dataset(dataset)
    check_classes(data.name, data.labels)
    splits = {seed: _split(data, train, seed) for seed in seeds}
    backbone = load_encoder(load()).backbone
    turning = freeze_backbone and any(variant.augment for variant in variants.values())
    seen = encode(
        data,
        all_turns(backbone) if turning else backbone,
        out=folder / "features",
        resume=True,
        device=device,
        workers=workers,
        engine=engine,
        progress=progress,
    )
    features = seen.field()
    settings: dict[str, Any] = {
        "train": train,
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
            bits=todo.bits or 0,
            recipe=chosen,
            freeze_backbone=freeze_backbone,
            features=seen,
            split=splits[todo.seed],
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
            encoded = encode_features(model, features)
        else:
            whole = model.as_backbone(place / MODEL)
            run: dict[str, Any] = {"device": device, "workers": workers, "engine": engine, "progress": progress}
            encoded = encode(data, whole, out=place / "features", resume=True, **run)
        found = evaluate_dhcnn2021(encoded, examples=0, threads=threads)
        return HashRun(test_vs_train=found.test_vs_train, test_vs_test=found.test_vs_test, labels=found.labels)

    total = len(seeds) * (1 + len(lengths) * (len(variants) + len(BASELINES)))
    shared = {"features": digest(features), **settings}
    runs: KeptRuns[Run, HashRun] = KeptRuns(HashRun, folder, shared, total, progress)
    for seed in seeds:
        parts = _Parts.of(features, splits[seed])
        runs.do(Run(NO_CODES, None, seed), "baselines", partial(_euclidean, features, parts, threads))
        for bits in lengths:
            for method, chosen in variants.items():
                run = Run(method, bits, seed)
                runs.do(run, "models", partial(train_and_evaluate, run, chosen), recipe=asdict(chosen))
            for method in BASELINES:
                run = Run(method, bits, seed)
                runs.do(run, "baselines", partial(_baseline, features, parts, threads, run))
    return Dhcnn2021TableResult(
        protocol="reproduce dhcnn2021",
        rsir_fast=version("rsir-fast"),
        dataset=describe_dataset(features),
        features=describe_features(features),
        settings=Dhcnn2021TableSettings(
            **settings,
            lengths=tuple(lengths),
            seeds=tuple(seeds),
            recipes={method: asdict(chosen) for method, chosen in variants.items()},
            rules=dhcnn2021_rules(SplitSource(kind="drawn", train=train, seeds=tuple(seeds))),
        ),
        rows=_rows(runs.results),
        curves=_curves(runs.results, max(lengths), seeds[0]),
    )


def _split(data: Dataset, train: float, seed: int) -> Split:
    split = stratified_split(data, train=train, seed=seed)
    if not split.test:
        raise DatasetError(
            f"{data.name}: expected a class with two images or more, to train on and to test, found none"
        )
    return split


def _variants(chosen: Recipe, compare: bool) -> dict[str, Recipe]:
    """Return the recipes to train by, by the method's name in the table."""
    if not compare:
        return {"DHCNN": chosen}
    # Each weighting with its own release's weight of the distance from binary.
    losses = (replace(chosen.loss, loss_weighting=name, beta=RECIPES[name].loss.beta) for name in ("matlab", "pytorch"))
    return {
        f"DHCNN ({loss.loss_weighting} weighting, beta {loss.beta:g})": replace(chosen, loss=loss) for loss in losses
    }


def _check(lengths: Sequence[int], seeds: Sequence[int]) -> None:
    for name, values in (("lengths", lengths), ("seeds", seeds)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name}: expected at least one, each once, got {list(values)}")
    for bits in lengths:
        if not MIN_BITS <= bits <= MAX_BITS:
            raise ValueError(f"lengths: expected hash lengths of {MIN_BITS} to {MAX_BITS}, got {bits}")
    if min(seeds) < 0:
        raise ValueError(f"seeds: expected numbers from 0 on, got {min(seeds)}")


@dataclass(frozen=True)
class _Parts:
    """Rows of the feature matrix by their part in a split; images that cannot be read are in none."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of(cls, features: Features, split: Split) -> _Parts:
        row = {item: number for number, item in enumerate(features.items)}
        return cls(*(np.array([row[i] for i in part if i in row], np.int64) for part in (split.train, split.test)))


def _baseline(features: Features, parts: _Parts, threads: int | None, run: Run, _: Path) -> HashRun:
    """Fit on the training features, evaluate the codes of all."""
    bits = run.bits or 0
    try:
        fitted = BASELINES[run.method](features.matrix[parts.train], bits, seed=run.seed)
        codes = pack_codes(fitted.project(features.matrix))
    except TooManyBitsError as error:
        return HashRun(missing=str(error))
    labels, test = check_classes(features.name, features.labels), parts.test
    return HashRun(
        test_vs_train=evaluate_codes(codes, labels, bits, test, parts.train, threads),
        test_vs_test=evaluate_codes(codes, labels, bits, test, test, threads) if len(test) > 1 else None,
    )


def _euclidean(features: Features, parts: _Parts, threads: int | None, _: Path) -> HashRun:
    """Rank by the distance of row-normalised features: what hashing gives away, and learning gains."""
    labels, test = check_classes(features.name, features.labels), parts.test

    def mean_ap(database: NDArray[np.int64], own: NDArray[np.int64] | None) -> UncodedFigures:
        found = RetrievalAccumulator(features.classes, len(database))
        given = (features.matrix[test], features.matrix[database], labels[test], labels[database])
        for block in relevant_ranks(*given, self_ids=own, normalize="row", threads=threads):
            ranks = block if own is None else block.drop_self()
            found.add_ranks(ranks.ranks, ranks.counts, labels[test][block.start : block.start + len(block.counts)])
        return UncodedFigures(map=ExpectedMap(expected=mean_over_queries(found.average_precision()).value))

    return HashRun(
        test_vs_train=mean_ap(parts.train, None),
        test_vs_test=mean_ap(test, np.arange(len(test))) if len(test) > 1 else None,
    )


def _rows(results: Mapping[Run, HashRun]) -> tuple[HashRow, ...]:
    """Return the table: no codes first, then by length; methods in the order in which they came."""
    found: dict[tuple[int, str], list[tuple[Run, HashRun]]] = {}
    for run, result in results.items():
        found.setdefault((run.bits or 0, run.method), []).append((run, result))
    return tuple(_row(runs) for _, runs in sorted(found.items(), key=lambda entry: entry[0][0]))


def _row(found: list[tuple[Run, HashRun]]) -> HashRow:
    """Summarise the runs of a method at a length over the seeds."""
    first, result = found[0]
    runs = tuple(SeedRun(seed=run.seed, **_values(each)) for run, each in found)
    measures = {}
    for measure in MEASURES:
        values = [value for value in (getattr(run, measure) for run in runs) if value is not None]
        measures[measure] = Measured(
            mean=statistics.fmean(values) if values else None,
            deviation=statistics.stdev(values) if len(values) > 1 else None,
            seeds=len(values),
            missing=None if values else _reason(measure, first, result),
        )
    return HashRow(method=first.method, bits=first.bits, measures=measures, runs=runs)


def _values(result: HashRun) -> dict[str, float | None]:
    """Return the measures of one run, None where it has none."""
    visual, among, labels = result.test_vs_train, result.test_vs_test, result.labels
    maps = {} if visual is None else dict(visual.map)
    values = [maps.get(rule) for rule in TIE_RULES]
    values += [None if among is None else among.map.expected]
    values += [None, None] if labels is None else [labels.overall_accuracy, labels.kappa]
    return dict(zip(MEASURES, values, strict=True))


def _reason(measure: str, run: Run, result: HashRun) -> str:
    """Say why there is no value."""
    if result.missing is not None:
        return result.missing
    if measure in ("overall_accuracy", "kappa"):
        return "learns without labels, gives none" if result.labels is None else "undefined for these labels"
    if measure != "test_map_expected" and run.bits is None:
        return "distances of floats: ties, if any, by index"
    return "a single test image" if result.test_vs_test is None else "no query has a relevant image"


def _curves(results: Mapping[Run, HashRun], bits: int, seed: int) -> Curves:
    """Return the retrieval figures of every method that gave codes of a length with a seed."""
    methods = {
        run.method: result.test_vs_train.summary()
        for run, result in results.items()
        if (run.bits, run.seed) == (bits, seed) and isinstance(result.test_vs_train, CodeFigures)
    }
    return Curves(bits=bits, seed=seed, methods=methods)

"""The whole table of Song et al. 2021 from images: lengths, seeds, and hash functions without labels beside DHCNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.renamed import former_arguments
from rsir_fast.datasets import LabelNoise, Split
from rsir_fast.hashing import RECIPES, HashLoss, Recipe
from rsir_fast.hashing.recipe import as_recipe
from rsir_fast.protocols.hash_retrieval import CUTOFFS
from rsir_fast.protocols.hash_rows import BASELINES
from rsir_fast.protocols.hash_runs import make_hash_table
from rsir_fast.protocols.reproduce_dhcnn2021_result import Dhcnn2021TableResult
from rsir_fast.training import Precision

__all__ = ["reproduce_dhcnn2021"]

NO_CODES = "features, Euclidean"


@former_arguments(extraction_progress="progress", training_progress="progress")
def reproduce_dhcnn2021(
    dataset: Any,
    load: Callable[[], Any],
    *,
    out: str | Path,
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
    compare_weightings: bool = False,
    cutoffs: Sequence[int] = CUTOFFS,
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
    the baselines' directions. The baselines see the training features of the backbone as it is loaded. Behind a model
    stand two rankings by what it says of classes alone (Sablayrolles et al. 2017): by its label of every image as a
    code of ceil(log2 K) bits, and by the inner product of class probabilities.

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
        Share of every class to train on; the paper's by `rsir_fast.protocols.dhcnn2021_paper`.
    unseen : float, optional
        Share of the classes that a seed draws (`rsir_fast.datasets.unseen_split`) and that are not trained on; all
        images of the others are. The images of the drawn classes are then ranked among themselves, and `train` counts
        for nothing. Beside the others stands the hash that is made for them,
        `rsir_fast.hashing.cosine_preserving.cosine_preserving`.
    split : Split, str or path, optional
        In place of `train`: shares such as ``"80/20"``, drawn by each seed; or a split, or a file of one
        (`rsir_fast.datasets.split_of`), which all seeds share.
    shots : int, optional
        Training images of every class that a seed keeps (`rsir_fast.datasets.low_shot`): trained on, and the database.
    label_noise : LabelNoise, optional
        Wrong labels for training the networks, drawn by each seed; figures are by the true ones.
    freeze_backbone, recipe, epochs, precision, accumulate
        As in `rsir_fast.train_dhcnn`. With a frozen backbone the network sees every image, or its eight turns, once,
        whatever the number of lengths and seeds.
    features : Features, optional
        Those of the frozen backbone, of ``load_encoder("NAME:LAYER,turns=each")`` where the recipe augments, computed
        before: for several tables of one network. Default: computed into OUT/features.
    compare_weightings : bool
        DHCNN twice: with the loss weighted as in the authors' MATLAB release, and as in their PyTorch release, each
        with its release's beta.
    cutoffs : sequence of int
        As in `rsir_fast.evaluate_dhcnn2021`.
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
    recipe = as_recipe(recipe, epochs, frozen=freeze_backbone)
    variants = _variants(recipe, compare_weightings)
    made = make_hash_table(
        dataset,
        load,
        out=out,
        variants=variants,
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
        accumulate=accumulate,
        workers=workers,
        threads=threads,
        engine=engine,
        progress=progress,
    )
    return Dhcnn2021TableResult(protocol="reproduce dhcnn2021", **made.content)


def _variants(chosen: Recipe, compare: bool) -> dict[str, Recipe]:
    """Return the recipes to train by, by the method's name in the table."""
    if not compare:
        return {"DHCNN": chosen}
    own = chosen.loss
    if not isinstance(own, HashLoss):
        raise ValueError(f"compare_weightings: expected a recipe of DHCNN's loss, got one of {own.title}")
    # Each weighting with its own release's weight of the distance from binary.
    releases = [release for name in ("matlab", "pytorch") if isinstance(release := RECIPES[name].loss, HashLoss)]
    losses = (replace(own, loss_weighting=release.loss_weighting, beta=release.beta) for release in releases)
    return {
        f"DHCNN ({loss.loss_weighting} weighting, beta {loss.beta:g})": replace(chosen, loss=loss) for loss in losses
    }

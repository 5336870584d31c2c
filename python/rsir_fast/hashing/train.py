"""From a data set and a backbone to a trained hash model."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsir_fast.archive import Features
from rsir_fast.backbones import Backbone, all_turns, dropouts
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.renamed import former_arguments
from rsir_fast.datasets import Dataset, LabelNoise, Split, low_shot, open_dataset, stratified_split
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import TrainingError
from rsir_fast.extraction import encode
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.stamps import fingerprint
from rsir_fast.hashing.inputs import Inputs, load_images, of_training_images
from rsir_fast.hashing.methods import HashLoss
from rsir_fast.hashing.recipe import Recipe, as_recipe
from rsir_fast.hashing.training import Trainer, check_parts
from rsir_fast.training import (
    Precision,
    check_place,
    from_first,
    own_rank,
    read_checkpoint,
    run_epochs,
)

__all__ = ["train_dhcnn"]

MODEL = "model.safetensors"


@former_arguments(extraction_progress="progress", backbone="encoder")
def train_dhcnn(
    dataset: Any,
    encoder: Any,
    *,
    bits: int = 64,
    recipe: str | Recipe = "modern",
    epochs: int | None = None,
    freeze_backbone: bool = False,
    split: Split | None = None,
    shots: int | None = None,
    label_noise: LabelNoise | None = None,
    features: Features | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    accumulate: int = 1,
    workers: int | None = None,
    engine: EngineName | None = None,
    progress: OnProgress | None = None,
) -> HashModel:
    """Train DHCNN (Song et al. 2021), hash codes and semantic labels in one network, or another method.

    Parameters
    ----------
    dataset : Dataset, path, ImageFolder or torch map-style data set
        With classes, whatever `rsir_fast.datasets.open_dataset` takes.
    encoder : Encoder, or whatever `rsir_fast.load_encoder` takes
        A network. The paper's is VGG-F up to fc7; another layer or network is an adaptation, and
        recorded as what it is. Trained in place unless frozen.
    bits : int
        Hash length, 8 to 1024.
    recipe : {"modern", "matlab", "pytorch"} or Recipe
        Ours, or that of one of the authors' two releases. Its loss says what is learnt:
        ``dataclasses.replace(RECIPES["modern"], loss=METHODS["dpsh"]())`` of `rsir_fast.hashing` is DPSH.
    epochs : int, optional
        In place of the recipe's, of the whole network or, frozen, of the head.
    freeze_backbone : bool
        Train hash layer and classifier alone, on features computed once, of every image's eight turns if the recipe
        augments: then seconds on a CPU.
    split : Split, optional
        Only its training part is looked at. Default: 80 % of every class, drawn with `seed`.
    shots : int, optional
        Training images of every class that are kept (`rsir_fast.datasets.low_shot`). Default: all.
    label_noise : LabelNoise, optional
        Wrong labels in training, drawn with `seed`; whoever evaluates the model knows the true ones.
    features : Features, optional
        Those of the encoder as it is given, of all training images at least, computed before; of
        ``load_encoder("NAME:LAYER,turns=each")`` where it stays frozen and the recipe augments. Made with the default
        settings they give the same model, bit for bit. Default: computed here, where they are needed.
    seed : int
        Of the split, the new weights, the order and the augmentation.
    out : path, optional
        Folder for ``model.safetensors`` and, after every epoch, ``checkpoint.pt``, ``log.jsonl`` and, where the package
        tensorboard is installed, events for it in ``tensorboard``. Without a folder nothing is written.
    resume : bool
        Go on with the checkpoint in `out`, if there is one: on a CPU the weights are those without interruption, bit
        for bit.
    device : optional
        Default: CUDA where there is a device, else the CPU.
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast.
    accumulate : int, at least 1
        Parts in which a batch is passed through the network.
    workers : int, optional
        Threads that decode images. Default: one a core, at most 32.
    engine : {"torch", "onnx", "openvino", "auto"}, optional
        What computes features, as in `rsir_fast.encode`; torch trains.
    progress : callable, optional
        Called with a `rsir_fast.Progress` after every batch of features (stage ``"extract"``) and every step of
        training (``"train head"``, ``"train network"``); returning False stops the run (the last checkpoint stays).

    Returns
    -------
    HashModel
        On the device, in eval mode. Its ``training`` has the ``split`` that was learnt from, without images that could
        not be read, and these under ``skipped``.

    Raises
    ------
    DatasetError
        If there are no classes, or the split is of other images.
    TrainingError
        If there is nothing to tell apart, or no two images of one class where a method compares such, the loss is not
        finite, `progress` stopped the run, or the checkpoint is of another training.
    NoImageReadError
        If no training image could be read.
    MachineError
        If the machine failed to read an image: nothing is learnt without it.
    ValueError
        If a setting is out of range.

    Notes
    -----
    Memory: all training images as the network takes them, 3 size^2 bytes each (a quarter of a GB for 1,680 of 224),
    from 4 GiB on in a temporary file that is mapped into memory; or their features; the codes of all, 4 bits each; in a
    step ``batch_size`` times their number of products. Started by torchrun (torch.distributed set up), each process
    takes its share of every batch; only the first computes features, reads a checkpoint and writes.
    """
    chosen = as_recipe(recipe, epochs, frozen=freeze_backbone)
    check_parts(chosen, accumulate)  # before the features
    backbone = chosen.network(load_encoder(encoder))
    check_itself(backbone)
    target = usable_device(device)
    folder = None if out is None else Path(out)
    check_place(folder, resume=resume)
    data = open_dataset(dataset)
    data.require_labels()
    drawn = stratified_split(data, seed=seed) if split is None else split
    drawn = drawn if shots is None else low_shot(drawn, data, shots, seed)
    train, _ = drawn.apply(data)
    train = train if label_noise is None else label_noise.apply(train, seed)
    _check_likes(chosen, train)
    head = HashHead(
        backbone.dim, bits, len(train.classes), seed, chosen.initialization, classifies=chosen.loss.classifies
    )
    chosen.loss.prepare(head, seed)
    drop_features = chosen.dropout > 0 and dropouts(backbone).after
    training = {
        "dataset": data.name,
        "split": {"seed": drawn.seed, "train": list(drawn.train), "test": list(drawn.test)},
        "recipe": chosen.told(),
        **({} if isinstance(chosen.loss, HashLoss) else {"method": chosen.loss.title}),
        "bits": bits,
        "seed": seed,
        "freeze_backbone": freeze_backbone,
        "precision": precision,
        "accumulate": accumulate,
        "processes": own_rank()[1],
        "cpu_threads": torch.get_num_threads() if target.type == "cpu" else None,
        "torch": str(torch.__version__),
        "rsir_fast": version("rsir-fast"),
        **data.reader.provenance(),
        **({} if shots is None else {"shots": shots}),
        **({} if label_noise is None else {"label_noise": label_noise.told()}),
    }
    settings = {**training, "encoder": spec_of(backbone.provenance).meaning(), "images": fingerprint(train)}
    state = from_first(lambda: read_checkpoint(folder, settings))

    def computed(turns: bool) -> Inputs:
        """Return features and labels of the training images."""
        seen = all_turns(backbone) if turns else backbone
        run = {"device": target, "workers": workers, "engine": engine, "progress": progress}
        given = features if turns or features is None else features.field()
        found = _extracted(train, seen, folder, run) if given is None else given
        return of_training_images(found, train, seen)

    codes = None
    if freeze_backbone or (state is None and (chosen.standardize or chosen.head_epochs)):
        inputs = from_first(lambda: computed(freeze_backbone and chosen.augment))
        _check_classes(data.name, inputs.labels)
        if chosen.standardize:
            head.standardize(inputs.values.flatten(0, -2))
        if not freeze_backbone and chosen.head_epochs:
            alone = Trainer(
                head.to(target),
                inputs.values,
                inputs.labels,
                as_recipe(chosen, frozen=True),
                seed=seed,
                drop_features=drop_features,
            )
            codes = _trained_codes(alone, progress)
    if not freeze_backbone:
        inputs = load_images(train, backbone.preprocessing, workers)
        _check_classes(data.name, inputs.labels)
    network = head if freeze_backbone else DHCNN(backbone, head)
    network.to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = Trainer(
        network,
        inputs.values,
        inputs.labels,
        chosen,
        seed=seed,
        precision=precision,
        accumulate=accumulate,
        drop_features=drop_features,
    )
    if codes is not None:
        trainer.bank.copy_(codes)
    run_epochs(trainer, folder, settings, state, progress)
    chosen.loss.finish(head)
    whole = DHCNN(backbone, head).requires_grad_(False).to(target).eval()
    values = {"embeds": True} if chosen.loss.embeds else {}
    model = HashModel(whole, train.classes, {**training, **values, **_learnt_from(drawn, train, inputs)})
    if folder is not None and trainer.rank == 0:
        model.save(folder / MODEL)
    return model


def check_itself(backbone: Backbone) -> None:
    """Raise ValueError if a network's features are taken over several turns or sizes: such a one is not trained."""
    if {"turns", "averaged"} & backbone.provenance.keys():
        raise ValueError(
            f"encoder: expected {backbone.name} itself, got one of features over several turns or sizes; the recipe's "
            "augment lets the network see every turn"
        )


def _learnt_from(split: Split, train: Dataset, inputs: Inputs) -> dict[str, Any]:
    """State the images that were learnt from: those of the split that could be read; and those that could not."""
    unreadable = {entry.item for entry in inputs.skipped}
    read = [item for item in split.train if item not in unreadable]
    skipped = [entry._asdict() for entry in (*train.unreadable, *inputs.skipped)]
    return {"split": {"seed": split.seed, "train": read, "test": list(split.test)}, "skipped": skipped}


def _check_classes(name: str, labels: Tensor) -> None:
    if len(labels.unique()) < 2:  # type: ignore[no-untyped-call]
        raise TrainingError(f"{name}: expected training images of two classes or more, found {len(labels)} of one")


def _check_likes(recipe: Recipe, train: Dataset) -> None:
    """Raise TrainingError where a method compares images of one class, and no class has two: its loss stays 0."""
    loss = recipe.loss
    if loss.per_class > 1 and np.bincount(train.require_labels()).max(initial=0) < 2:
        raise TrainingError(
            f"{train.name}: expected a class with two training images or more, as {loss.title} learns from images of "
            "one class, found one image a class; take more, or another method"
        )


def _extracted(train: Dataset, backbone: Backbone, out: Path | None, run: dict[str, Any]) -> Features:
    """Compute the features of the training images, kept in OUT/features where they can be known again."""
    store = None if out is None or train.root is None else out / "features"
    return encode(train, backbone, out=store, resume=store is not None, **run)


def _trained_codes(alone: Trainer, progress: OnProgress | None) -> Tensor:
    """Train hash layer and classifier alone; return the codes u [n, bits] that they give."""
    while alone.epoch < alone.epochs:
        alone.train_epoch(progress)
    with torch.no_grad():
        u: Tensor = alone.network(alone.inputs.to(alone.device)).u
    return u

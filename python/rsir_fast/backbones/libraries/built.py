"""From a network as its library builds it, and a weight file, to a `Backbone`: every tensor is accounted for."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from rsir_fast.backbones.backbone import Backbone, ReadTexts
from rsir_fast.backbones.preprocessing import Preprocessing
from rsir_fast.backbones.weights import (
    KnownFile,
    Located,
    NetworkShapes,
    file_digest,
    fill,
    find_weights,
    is_counter,
    locate_weights,
    open_state_dict,
    sniff,
    unwrapped,
)
from rsir_fast.base.reading import unchanged
from rsir_fast.errors import WeightFileError

__all__ = ["Built", "Shapes", "fetched_by", "refuse_unknown", "shapes_of", "trained", "untrained"]

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Built:
    """A network as its library builds it, with random weights.

    Attributes
    ----------
    name : str
        ``timm:resnet18.a1_in1k``: the whole name, whose meaning stays.
    layer : str
    whole : nn.Module
        What a weight file holds the tensors of, but for a classifier.
    features : nn.Module
        Images to features, by the tensors of `whole`.
    preprocessing : Preprocessing
        The library's own.
    texts : callable or None
        Texts to vectors among those of images, of a model that reads text as well.
    head : mapping of str to tuple of int
        Tensors of the classifier above the cut, which a file may lack, or have of other classes.
    computed : collection of str
        What old files hold and the network computes itself.
    files : sequence of KnownFile
        As they are called in the folder ``RSIR_WEIGHTS`` and in torch hub's cache.
    cached : callable
        The file in the library's own cache, or None.
    remedy : str
        How the library's own weights are had; empty where it has none.
    """

    name: str
    layer: str
    whole: nn.Module
    features: nn.Module
    preprocessing: Preprocessing
    texts: ReadTexts | None = None
    head: Shapes = field(default_factory=dict)
    computed: Collection[str] = ()
    files: Sequence[KnownFile] = ()
    cached: Callable[[], Path | None] = lambda: None
    remedy: str = ""

    def backbone(self, record: dict[str, object], note: str) -> Backbone:
        """Return it as a backbone, whose weights are `record`."""
        self.whole.eval()
        with torch.inference_mode():
            seen = self.features(torch.zeros(1, *self.preprocessing.shape))
        if not isinstance(seen, torch.Tensor) or seen.ndim != 2 or len(seen) != 1:
            found = list(seen.shape) if isinstance(seen, torch.Tensor) else type(seen).__name__
            raise ValueError(f"encoder: expected {self.name} to give one vector an image, got {found}; take another")
        made = Backbone(
            self.features,
            name=self.name,
            layer=self.layer,
            dim=seen.shape[1],
            preprocessing=self.preprocessing,
            description=f"{self.name} ({note})" if note else self.name,
            weights=record,
        )
        made.texts = self.texts
        return made


def shapes_of(module: nn.Module) -> Shapes:
    """Shapes of a network's tensors, by name."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def refuse_unknown(library: str, model: str, names: Sequence[str]) -> None:
    """Raise ValueError with close names unless a library has a model."""
    if model in names:
        return
    by_small = {name.lower(): name for name in names}
    near = difflib.get_close_matches(model.lower(), list(by_small), n=4, cutoff=0.5)
    close = ", ".join(f"{library}:{by_small[name]}" for name in near)
    raise ValueError(
        f"encoder: unknown model '{library}:{model}'; "
        f"{f'close names: {close}' if close else f'{library} has {len(names)}, such as {library}:{names[0]}'}"
    )


def untrained(build: Callable[[], Built], weights: str) -> Backbone:
    """Return a network with random weights of a seed, ``random:SEED``."""
    seed = weights.removeprefix("random:")
    if not seed.isdecimal() or int(seed) >= 1 << 63:
        raise ValueError(f"weights: expected random:SEED with a whole number below 2^63, got {weights!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        built = build()
    digest = hashlib.sha256()
    for tensor in built.whole.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    record: dict[str, object] = {"file": weights, "sha256": digest.hexdigest(), "source": "random weights, untrained"}
    return built.backbone({**record, "format": "none"}, f"random weights, seed {seed}: untrained")


def trained(build: Callable[[], Built], weights: str | os.PathLike[str] | None) -> Backbone:
    """Return a network with the weights of a file, never fetched: one that is named, or is on this machine.

    Raises
    ------
    WeightFileError
        If there is none, or it is damaged, unsafe, or of another network: by a tensor that is missing, of another
        shape, or that the network does not have.
    """
    with torch.random.fork_rng(devices=[]):
        built = build()
    located = _locate(built, weights)
    with unchanged(located.path, WeightFileError):
        kind = sniff(located.path)
        file = open_state_dict(located.path, kind)
        needed = {name: shape for name, shape in shapes_of(built.whole).items() if not is_counter(name)}
        shapes = {**built.head, **shapes_of(built.whole), **dict.fromkeys(built.computed, ())}
        wanted = NetworkShapes(built.name, shapes, frozenset(needed))
        fill(
            built.whole,
            unwrapped(file, wanted),
            wanted,
            in_head=lambda name: name in built.head or name in built.computed,
            covered=lambda present: "",
            whose=lambda shapes: "",
        )
        sha256 = file_digest(located.path)
    record: dict[str, object] = {"file": located.path.name, "sha256": sha256, "source": located.source}
    return built.backbone({**record, "format": file.format}, file.note)


def _locate(built: Built, weights: str | os.PathLike[str] | None) -> Located:
    if weights is None and find_weights(built.files) is None:
        path = built.cached()
        if path is not None:
            return Located(path, f"cache of {built.name.partition(':')[0]}", None)
    try:
        return locate_weights(built.name, weights, built.files)
    except WeightFileError as error:
        if weights is not None or not built.remedy:
            raise
        raise WeightFileError(f"{error}; or {built.remedy}") from None


def fetched_by(library: str, line: str) -> str:
    """Say that a line of Python puts a library's weights where they are found."""
    return f'let {library} fetch it into its cache, where it is found: python -c "{line}"'

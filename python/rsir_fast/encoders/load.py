"""From a word, a spec, a file or a module to an `Encoder`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rsir_fast.backbones import Backbone, Preprocessing, all_turns, averaged, every_layer, load_backbone
from rsir_fast.base.reading import unchanged
from rsir_fast.descriptors import Descriptor, load_descriptor, rebuild_descriptor
from rsir_fast.encoders.differences import differences, told
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.spec import DescriptorSpec, ForeignSpec, HashModelSpec, ModuleSpec, NetworkSpec, Spec
from rsir_fast.encoders.word import Word, parse_word
from rsir_fast.errors import WeightFileError

__all__ = ["load_encoder"]


def load_encoder(encoder: Any, *, weights: str | os.PathLike[str] | None = None) -> Encoder:
    """Load an encoder: what makes vectors of images.

    Parameters
    ----------
    encoder : str, path, Spec, torch.nn.Module, HashModel, Descriptor or Encoder
        A word: ``NAME[:LAYER]`` of a network (``mobilenet_v2:gap``; ``cnn-m:pool5+fc6`` for several layers by one
        pass), with options after commas: ``resize=short-side``, ``turns=mean`` (over the image's eight turns) or
        ``turns=each`` (all are kept, for training), ``sizes=224+320`` (mean over input sizes), ``width=0.5``,
        ``precision=bfloat16``; a descriptor (``bovw-150``, ``hog``); or a ``model.safetensors`` of ``rsir train
        dhcnn``.
        A spec, such as that of `Features`: the encoder that it means, and no other. Any module that has a `name` and a
        `preprocessing` (`rsir_fast.backbones.Preprocessing`) and maps its batches [n, C, size, size] to [n, ...].
    weights : path or str, optional
        Weight file of a network, or ``"random:SEED"``; of a spec also the model file of a hash model, or the
        ``descriptor.safetensors`` of a descriptor that has learnt. Default: the usual places
        (`rsir_fast.backbones.load_backbone`).

    Returns
    -------
    Encoder

    Raises
    ------
    ValueError
        If it cannot be understood; the message says what can.
    WeightFileError
        If weights are missing, damaged, or not those of the spec.
    FeaturesError
        If what a descriptor learnt is missing, or this version describes otherwise.
    ImportError
        If a package is missing.

    Examples
    --------
    >>> encoder = load_encoder("squeezenet1_1:gap", weights="random:0")
    >>> encoder, encoder.spec.digest()[:8]
    (Encoder(squeezenet1_1:gap, gap 512, random:0), 'c0fc33df')
    >>> load_encoder(encoder.spec).spec == encoder.spec
    True
    """
    if isinstance(encoder, Spec):
        return _of_spec(encoder, weights)
    if isinstance(encoder, str | os.PathLike):
        return _of_word(parse_word(os.fspath(encoder)), weights)
    if weights is not None:
        raise ValueError(f"weights: expected none beside a {type(encoder).__name__}, which has its own; leave it out")
    if isinstance(encoder, Encoder):
        return encoder
    if isinstance(encoder, HashModel):
        made = encoder.as_backbone()
        # Known by the file that it would be saved as.
        made.provenance["weights"] = {**made.provenance["weights"], "sha256": encoder.digest()}  # type: ignore[dict-item]
        return Encoder(made)
    if isinstance(encoder, Backbone | Descriptor):
        return Encoder(encoder)
    if isinstance(encoder, nn.Module):
        return Encoder(_of_module(encoder))
    raise ValueError(
        "encoder: expected a word such as 'mobilenet_v2:gap', a spec, or a module with a name and a preprocessing, got "
        f"{type(encoder).__name__}"
    )


def _of_word(word: Word, weights: str | os.PathLike[str] | None) -> Encoder:
    if word.is_descriptor:
        return Encoder(load_descriptor(word.name, None if weights is None else Path(weights)))
    if word.is_model:
        if weights is not None:
            raise ValueError("weights: expected none beside a hash model, which is its own file; leave it out")
        return Encoder(averaged(_model(Path(word.name)), turns=word.turns == "mean"), word.precision)
    last = word.layers[-1] if word.layers else None
    loaded = load_backbone(word.name, last, weights, resize=word.resize, width=word.width)
    if len(word.layers) > 1:
        loaded = every_layer(loaded, word.layers)
    if word.turns == "each":
        return Encoder(all_turns(loaded), word.precision)
    return Encoder(averaged(loaded, turns=word.turns == "mean", sizes=word.sizes), word.precision)


def _model(path: Path) -> Backbone:
    with unchanged(path, WeightFileError):
        return HashModel.load(path).as_backbone(path)


def _of_spec(spec: Spec, weights: str | os.PathLike[str] | None) -> Encoder:
    if isinstance(spec, DescriptorSpec):
        if weights is not None and spec.learnt is None:
            raise ValueError(f"weights: expected none for {spec.name}, which learns nothing; leave it out")
        file = None if weights is None else Path(weights)
        stated = dict(spec.parameters), dict(spec.choices)
        return Encoder(rebuild_descriptor(spec.descriptor, *stated, spec.learnt, file))
    if isinstance(spec, ForeignSpec):
        raise ValueError("encoder: expected one that is known here, got vectors that another program made")
    if isinstance(spec, ModuleSpec):
        raise ValueError(f"encoder: expected the module {spec.name!r} itself, which no file holds; give that instead")
    if isinstance(spec, HashModelSpec):
        if weights is None:
            raise ValueError(
                f"weights: expected the model that is meant ({spec.title}, SHA-256 {spec.weights[:16]}...), got none; "
                "name its file"
            )
        loaded = averaged(_model(Path(weights)), turns=spec.view.turns == "mean")
    else:
        assert isinstance(spec, NetworkSpec)
        loaded = _network(spec, weights)
    found = Encoder(loaded, spec.precision)
    changed = differences(spec, found.spec, ignoring=("reader", "dtype"))
    if changed:
        file = found.provenance["weights"]["file"]
        raise WeightFileError(
            f"expected the encoder that is recorded, {spec.title}, found another with {file} ({told(changed)}); "
            "give the right file with weights (--weights)"
        )
    return found


def _network(spec: NetworkSpec, weights: str | os.PathLike[str] | None) -> Backbone:
    if weights is None and spec.weights.startswith("random:"):
        weights = spec.weights
    names = [layer.name for layer in spec.layers]
    # A file of `rsir train pretrain` says its width itself.
    width = None if spec.width == 1 else spec.width
    loaded = load_backbone(spec.name, names[-1], weights, resize=spec.preprocessing.resize, width=width)
    if len(names) > 1:
        loaded = every_layer(loaded, names)
    if spec.view.turns == "each":
        return all_turns(loaded)
    sizes = spec.view.sizes
    if not sizes and spec.preprocessing.input_size != loaded.preprocessing.input_size:
        sizes = (spec.preprocessing.input_size,)
    return averaged(loaded, turns=spec.view.turns == "mean", sizes=sizes)


def _of_module(module: nn.Module) -> Backbone:
    """Wrap a module that is no network of ours."""
    name, steps = getattr(module, "name", None), getattr(module, "preprocessing", None)
    if not isinstance(name, str) or not isinstance(steps, Preprocessing):
        raise ValueError(
            f"encoder: expected {type(module).__name__} to have a name (str) and a preprocessing "
            "(rsir_fast.backbones.Preprocessing), to be known by and to be given images; set both"
        )
    module.eval()
    parameter = next(module.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    with torch.inference_mode():
        seen = module(torch.zeros(1, *steps.shape, device=device))
    if not isinstance(seen, torch.Tensor) or len(seen) != 1:
        raise ValueError(f"encoder: expected {name} to give one tensor [n, ...] for images [n, ...], got another thing")
    return Backbone(
        module,
        name=name,
        layer=str(getattr(module, "layer", "output")),
        dim=int(seen.flatten(1).shape[1]),
        preprocessing=steps,
        description=f"{name} ({type(module).__name__})",
        weights={
            "file": "none: a module",
            "sha256": _digest(module),
            "source": "the caller",
            "format": "module",
        },
    )


def _digest(module: nn.Module) -> str:
    """SHA-256 of the tensors of a module, by name."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{key} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(np.ascontiguousarray(values.reshape(-1).view(torch.uint8).numpy()).data)
    return digest.hexdigest()

"""Descriptors by name, and again from what a matrix says of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsir_fast.base.reading import reading
from rsir_fast.base.text import printable
from rsir_fast.base.visual_words import parse_visual_words
from rsir_fast.descriptors.bovw import BagOfVisualWords
from rsir_fast.descriptors.colour import ColourHistogram
from rsir_fast.descriptors.descriptor import Descriptor
from rsir_fast.descriptors.hog import OrientedGradients
from rsir_fast.descriptors.lbp import LocalBinaryPatterns
from rsir_fast.descriptors.learnt import read_learnt
from rsir_fast.descriptors.morphological import MorphologicalTexture
from rsir_fast.errors import FeaturesError

__all__ = ["NAMES", "load_descriptor", "rebuild_descriptor"]

_FIXED: dict[str, Callable[[], Descriptor]] = {
    "morphological-62": MorphologicalTexture,
    "colour-histogram": ColourHistogram,
    "hog": OrientedGradients,
    "lbp": LocalBinaryPatterns,
}
NAMES = ("bovw-150", "bovw-15000", *_FIXED)
"""The names a list shows; ``bovw-N[-dense][-root][,norm=l1|l2|root][,detector=dog|dense]`` goes with any N."""

_KINDS: dict[str, Callable[..., Descriptor]] = {
    made.kind: made
    for made in (BagOfVisualWords, MorphologicalTexture, ColourHistogram, OrientedGradients, LocalBinaryPatterns)
}


def load_descriptor(name: str, file: Path | None = None) -> Descriptor:
    """Return a descriptor by its name, with the default parameters.

    Parameters
    ----------
    name
        One of `NAMES`, or ``bovw-N[-dense][-root]``: N visual words, from a dense grid, of RootSIFT; behind it, by
        commas, ``norm=l1``, ``l2`` or ``root`` of the histogram, and ``detector=dog`` or ``dense``, as ``-dense``.
    file
        ``descriptor.safetensors`` of a folder of features: what one that learns has learnt already.

    Raises
    ------
    ValueError
        For an unknown name, or a file for a descriptor that learns nothing.
    FeaturesError
        If the file holds nothing that such a descriptor learnt.
    ImportError
        If it needs a package that is missing.

    Examples
    --------
    >>> load_descriptor("bovw-150").title, load_descriptor("morphological-62").dim
    ('BoVW-150 (ours)', 62)
    >>> load_descriptor("bovw-150,norm=root").title
    'BoVW-150 (ours, square roots)'
    """
    words = parse_visual_words(name)
    if words is not None:
        made: Descriptor = BagOfVisualWords(words.words, words.detector, root=words.root, norm=words.norm)
    elif name in _FIXED:
        made = _FIXED[name]()
    else:
        raise ValueError(f"descriptor: expected one of {', '.join(NAMES)} (or bovw-N for N words), got {name!r}")
    made.check()
    if file is None:
        return made
    if not made.learns:
        raise ValueError(f"weights: expected none for {name}, which runs no network; leave it out")
    made.learnt = read_learnt(file, {"kind": made.kind, "parameters": made.parameters})
    if made.learnt is None:
        raise FeaturesError(
            f"{printable(file)}: expected what {name} learnt (descriptor.safetensors beside its features), found none; "
            "name the right file, or leave it out to learn from the images"
        )
    return made


def rebuild_descriptor(
    kind: str, parameters: dict[str, Any], choices: dict[str, Any], learnt: str | None, file: Path | None
) -> Descriptor:
    """Return a descriptor from what is recorded of it, to describe further images the same way.

    Parameters
    ----------
    kind, parameters, choices
        As `Descriptor.provenance` states them.
    learnt
        SHA-256 of what it learnt; None if that was nothing.
    file
        Where that is: ``descriptor.safetensors`` of a folder of features.

    Raises
    ------
    FeaturesError
        If this version describes otherwise, or what was learnt is missing or damaged.
    ImportError
        If a package is missing.
    """
    remedy = "describe the images again with `rsir features --encoder`"
    with reading(file or Path(kind), "a descriptor that this version of rsir_fast has", remedy, FeaturesError):
        made = _KINDS[kind](**parameters)
    made.check()
    if made.learns:
        made.learnt = None if file is None else read_learnt(file)
        if made.learnt is None or made.digest() != learnt:
            found = "none" if made.learnt is None else "another"
            raise FeaturesError(
                f"{file or made.name}: expected what {made.name} learnt (SHA-256 {str(learnt)[:16]}...), found "
                f"{found}; name with weights the descriptor.safetensors beside its features, or describe the images "
                f"again with `rsir features --encoder {made.word}`"
            )
    ours = made.provenance["descriptor"]["choices"]
    changed = [key for key, value in ours.items() if choices.get(key) != value]
    if changed:
        raise FeaturesError(
            f"{file or made.name}: this version of rsir_fast describes otherwise ({', '.join(changed)}); "
            f"describe the images again with `rsir features --encoder {made.word}`"
        )
    return made

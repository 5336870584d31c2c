"""Descriptors by name, and again from what a matrix says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsir_fast.base.reading import reading
from rsir_fast.descriptors.bovw import BagOfVisualWords
from rsir_fast.descriptors.colour import ColourHistogram
from rsir_fast.descriptors.describe import read_learnt
from rsir_fast.descriptors.descriptor import Descriptor
from rsir_fast.descriptors.hog import OrientedGradients
from rsir_fast.descriptors.lbp import LocalBinaryPatterns
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
"""The names a list shows; ``bovw-N``, ``bovw-N-dense`` and ``bovw-N-dense-root`` go with any N."""

_WORDS = re.compile(r"bovw-([1-9]\d{0,6})(-dense)?(-root)?")
_KINDS: dict[str, Callable[..., Descriptor]] = {
    made.kind: made
    for made in (BagOfVisualWords, MorphologicalTexture, ColourHistogram, OrientedGradients, LocalBinaryPatterns)
}


def load_descriptor(name: str) -> Descriptor:
    """Return a descriptor by its name, with the default parameters.

    Parameters
    ----------
    name
        One of `NAMES`, or ``bovw-N[-dense][-root]``: N visual words, from a dense grid, of RootSIFT.

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If it needs a package that is missing.

    Examples
    --------
    >>> load_descriptor("bovw-150").title, load_descriptor("morphological-62").dim
    ('BoVW-150 (ours)', 62)
    """
    words = _WORDS.fullmatch(name)
    if words is not None:
        number, dense, root = words.groups()
        made: Descriptor = BagOfVisualWords(int(number), "dense" if dense else "dog", root=root is not None)
    elif name in _FIXED:
        made = _FIXED[name]()
    else:
        raise ValueError(f"descriptor: expected one of {', '.join(NAMES)} (or bovw-N for N words), got {name!r}")
    made.check()
    return made


def rebuild_descriptor(provenance: dict[str, Any], folder: Path) -> Descriptor:
    """Return the descriptor that made a folder of features, to describe further images the same way.

    Parameters
    ----------
    provenance
        Of those features.
    folder
        Where they are, with what the descriptor learnt.

    Raises
    ------
    FeaturesError
        If this version describes otherwise, or what was learnt is missing or damaged.
    ImportError
        If a package is missing.
    """
    remedy = "describe the images again with `rsir features --descriptor`"
    with reading(folder, "features of a descriptor that this version of rsir_fast has", remedy, FeaturesError):
        stated = provenance["descriptor"]
        made = _KINDS[stated["kind"]](**stated["parameters"])
        sha256 = stated["learnt"]["sha256"] if made.learns else None
        choices = dict(stated["choices"])
    made.check()
    if made.learns:
        made.learnt = read_learnt(folder)
        if made.learnt is None or made.digest() != sha256:
            found = "none" if made.learnt is None else "another"
            raise FeaturesError(
                f"{folder}: expected what {made.name} learnt (SHA-256 {str(sha256)[:16]}...) beside the features, in "
                "descriptor.safetensors, found "
                f"{found}; describe the images again with `rsir features --descriptor {made.name}`"
            )
    ours = made.provenance["descriptor"]
    changed = [key for key, value in ours["choices"].items() if choices.get(key) != value]
    if changed:
        raise FeaturesError(
            f"{folder}: this version of rsir_fast describes otherwise ({', '.join(changed)}); "
            f"describe the images again with `rsir features --descriptor {made.name}`"
        )
    return made

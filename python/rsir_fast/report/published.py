"""The tables of Ge et al. (2018), to be set beside a run with the same network, layer and data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rsir_fast.base.visual_words import parse_visual_words
from rsir_fast.datasets.known import find_by_name
from rsir_fast.report.format import count, counted

if TYPE_CHECKING:
    from rsir_fast.protocols.facts import DatasetFacts
    from rsir_fast.protocols.ge2018_result import Ge2018Result

__all__ = [
    "LAYERS",
    "Comparison",
    "PublishedFigures",
    "PublishedRow",
    "compare_with_published",
    "deviation",
    "is_uc_merced",
    "published_deviation",
    "published_figures",
]

LAYERS = ("pool5", "fc6", "fc7")


@dataclass(frozen=True)
class PublishedRow:
    """One line of the paper's table.

    Attributes
    ----------
    method : str
        Name of the network or of the shallow descriptor.
    map_percent : tuple of float or None
        mAP in percent for `LAYERS`; a single entry for a descriptor that has no layers.
    anmrr : float
        ANMRR; of layer fc6 for the networks.
    """

    method: str
    map_percent: tuple[float | None, ...]
    anmrr: float


_UC_MERCED = (
    PublishedRow("CNN-Alex", (45.9, 52.4, 49.3), 0.405),
    PublishedRow("CNN-M", (50.6, 55.8, 54.9), 0.370),
    PublishedRow("CNN-16", (53.6, 55.3, 53.3), 0.374),
    PublishedRow("CNN-19", (52.3, 54.6, 52.0), 0.380),
    PublishedRow("BoVW, 150 words", (30.2,), 0.601),
    PublishedRow("BoVW, 15,000 words", (None,), 0.591),
    PublishedRow("morphological texture, 62 values", (None,), 0.575),
)
_WHU_RS = (
    PublishedRow("CNN-Alex", (55.1, 62.3, 62.2), 0.308),
    PublishedRow("CNN-M", (59.2, 65.6, 64.6), 0.278),
    PublishedRow("CNN-16", (58.1, 64.5, 63.3), 0.291),
    PublishedRow("CNN-19", (56.6, 62.5, 60.8), 0.308),
    PublishedRow("BoVW, 150 words", (38.9,), 0.525),
    PublishedRow("BoVW, 15,000 words", (None,), 0.492),
)


@dataclass(frozen=True)
class _Table:
    """One data set of the paper: number of its table of mAP, what it was made of, and what was measured on it."""

    number: str
    dataset: str
    classes: int
    per_class: int
    rows: tuple[PublishedRow, ...]


_UC_MERCED_TABLE = _Table("2", "UC Merced", 21, 100, _UC_MERCED)
_WHU_RS_TABLE = _Table("3", "WHU-RS19", 19, 50, _WHU_RS)
_TABLES = {"UCMerced_LandUse": _UC_MERCED_TABLE, "WHU-RS19": _WHU_RS_TABLE}
"""By the name that `rsir_fast.datasets` knows a data set by."""

_WORDS = {150: "BoVW, 150 words", 15_000: "BoVW, 15,000 words"}
"""By the size of the vocabulary. The paper's morphological texture has no row of ours: its parameters are not known."""
_ANOTHER_METHOD = {
    "BoVW, 15,000 words": "the published figure is of another method, whose dictionary comes from a background image; "
    "no difference is taken"
}
_NETWORKS = {
    "cnnalex": "CNN-Alex",
    "cnnm": "CNN-M",
    "vggm": "CNN-M",
    "cnn16": "CNN-16",
    "vgg16": "CNN-16",
    "cnn19": "CNN-19",
    "vgg19": "CNN-19",
}


@dataclass(frozen=True)
class Comparison:
    """The paper's table for a data set and the cell a run belongs in.

    Attributes
    ----------
    dataset : str
        The data set as people call it.
    rows : tuple of PublishedRow
        The paper's table.
    network, layer : str
        Row and column of the run; of a descriptor there are no columns, and the layer is empty.
    deviation : str
        How the images of the run differ in number from the paper's; empty if they do not.
    """

    dataset: str
    rows: tuple[PublishedRow, ...]
    network: str
    layer: str
    deviation: str


def compare_with_published(result: Ge2018Result) -> Comparison | None:
    """Find the published table a result can be read against.

    Returns
    -------
    Comparison or None
        None unless data set, network and layer, or descriptor, are among the paper's, and every image asks for all.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix, items = np.eye(4, dtype=np.float32), ("a/1", "a/2", "b/1", "b/2")
    >>> made = {"name": "CNN-Alex (8-bit conv trunk)", "layer": "pool5"}
    >>> features = rf.Features(matrix, items, np.array([0, 0, 1, 1]), ("a", "b"), "UC Merced", provenance=made)
    >>> comparison = compare_with_published(rf.evaluate_ge2018(features))
    >>> comparison.network, comparison.deviation
    ('CNN-Alex', 'this run: 4 images of 2 classes; the paper: 2,100 of 21')
    """
    rules = result.rules
    if rules is not None and (rules.gallery != ("all",) or rules.split.kind != "leave one out"):
        return None
    table, features = _table_of([result.dataset.name]), result.features
    name, layer = _key(features.backbone), features.layer
    if features.descriptor is not None:
        network, layer = _of_descriptor(features.backbone), ""
    else:
        network = _NETWORKS.get(name)
    if table is None or network is None or layer not in (*LAYERS, ""):
        return None
    deviates = deviation(result.dataset, table.classes, table.per_class)
    return Comparison(table.dataset, table.rows, network, layer, deviates)


class PublishedFigures(NamedTuple):
    """What the paper says of a row.

    Attributes
    ----------
    table : str
        Number of its table of mAP on this data set.
    map, anmrr : float or None
        Fractions; None where the paper has none.
    remark : str
        Why no difference is to be taken from them; empty where it may be.
    """

    table: str
    map: float | None
    anmrr: float | None
    remark: str = ""


def published_figures(dataset: Sequence[str], maker: str, layer: str) -> PublishedFigures | None:
    """Find what the paper says of a network's layer, or of a descriptor, on a data set.

    Parameters
    ----------
    dataset : sequence of str
        Names of the data set, of which one is enough.
    maker, layer : str
        Network and layer; of a descriptor the layer is empty.

    Returns
    -------
    PublishedFigures or None
        None for a data set that the paper does not have.

    Examples
    --------
    >>> published_figures(["UCMerced_LandUse"], "cnn-alex", "pool5")
    PublishedFigures(table='2', map=0.459, anmrr=None, remark='')
    >>> published_figures(["mine", "WHU-RS19"], "bovw-150", "").anmrr
    0.525
    """
    table = _table_of(dataset)
    if table is None:
        return None
    method = _NETWORKS.get(_key(maker)) if layer else _of_descriptor(maker)
    found = next((row for row in table.rows if row.method == method), None)
    if found is None or layer not in (*LAYERS, ""):
        return PublishedFigures(table.number, None, None)
    percent = found.map_percent[LAYERS.index(layer) if layer else 0]
    # The paper's ANMRR of a network is that of fc6.
    anmrr = found.anmrr if layer in ("fc6", "") else None
    remark = _ANOTHER_METHOD.get(found.method, "")
    return PublishedFigures(table.number, None if percent is None else round(percent / 100, 6), anmrr, remark)


def published_deviation(names: Sequence[str], dataset: DatasetFacts) -> str:
    """Say how a data set that the paper has differs in number from the paper's; empty if it does not."""
    table = _table_of(names)
    return "" if table is None else deviation(dataset, table.classes, table.per_class)


def is_uc_merced(name: str) -> bool:
    """Tell whether a data set's name is that of UC Merced.

    Examples
    --------
    >>> is_uc_merced("UCMerced_LandUse"), is_uc_merced("AID")
    (True, False)
    """
    return _table_of([name]) is _UC_MERCED_TABLE


def deviation(dataset: DatasetFacts, classes: int, per_class: int) -> str:
    """Say how a data set differs in number from one of `classes` classes of `per_class` images; empty if it does not.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import DatasetFacts
    >>> deviation(DatasetFacts(name="mine", items=6, classes=("a", "b")), 21, 100)
    'this run: 6 images of 2 classes; the paper: 2,100 of 21'
    """
    items, found = dataset.items, len(dataset.classes)
    published = classes * per_class
    if (items, found) != (published, classes):
        mine = f"{counted(items, 'image', 'images')} of {counted(found, 'class', 'classes')}"
        return f"this run: {mine}; the paper: {count(published)} of {classes}"
    sizes = set(dataset.class_counts or [per_class])
    if sizes != {per_class}:
        return f"this run: {min(sizes)} to {max(sizes)} images in a class; the paper: {per_class} in each"
    return ""


def _of_descriptor(name: str) -> str | None:
    """Return the paper's name of a descriptor, whatever detector and norm ours has."""
    words = parse_visual_words(name)
    return None if words is None else _WORDS.get(words.words)


def _table_of(names: Sequence[str]) -> _Table | None:
    found = filter(None, (find_by_name(_key(name)) for name in names))
    return next((_TABLES[known.name] for known in found if known.name in _TABLES), None)


def _key(name: str) -> str:
    """Reduce a name to its letters and digits; a remark in brackets says which weights, not which network."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)", "", name.lower()))

"""A result in words: how it was measured, what it was made from, how long it took, whom to cite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rsir_fast.report.format import count, counted, rate, seconds, shorten

if TYPE_CHECKING:
    from rsir_fast.protocols.evaluation import EvaluationResult
    from rsir_fast.protocols.facts import DatasetFacts, FeaturesFacts, Timing
    from rsir_fast.protocols.reproduce_dhcnn2021_result import HashTableResult

__all__ = [
    "Citation",
    "Row",
    "citations",
    "features_rows",
    "flat",
    "named_layer",
    "network_text",
    "notes",
    "provenance_rows",
    "timing_rows",
    "weights_name",
]


class Row(NamedTuple):
    """A label and what is said under it; `code` marks text to be set in a fixed width."""

    label: str
    text: str
    code: bool = False


class Citation(NamedTuple):
    """A publication and, where there is one, the address of its record."""

    text: str
    url: str | None = None


_LISTED = 12

_RANK_LAST = ("it ranks last", "they rank last")
_EFFECT = {"dhcnn2021": ("its code and label mean nothing", "their codes and labels mean nothing")}

_GE_2018 = Citation(
    "Ge Y., Jiang S., Ye F., Xu Q., Tang Y. (2018). Remote sensing image retrieval using pre-trained convolutional "
    "neural networks based on ImageNet. Geomatics and Information Science of Wuhan University 43(1), 67-73.",
    "https://doi.org/10.13203/j.whugis20150498",
)
_SONG_2021 = Citation(
    "Song W., Li S., Benediktsson J. A. (2021). Deep Hashing Learning for Visual and Semantic Retrieval of Remote "
    "Sensing Images. IEEE Transactions on Geoscience and Remote Sensing 59(11), 9661-9672.",
    "https://doi.org/10.1109/TGRS.2020.3035676",
)
_ZHAO_2015 = Citation(
    "Zhao F., Huang Y., Wang L., Tan T. (2015). Deep semantic ranking based hashing for multi-label image retrieval. "
    "CVPR. (weighted mAP)",
    "https://doi.org/10.1109/CVPR.2015.7298763",
)
_PROTOCOLS = {"ge2018": _GE_2018, "dhcnn2021": _SONG_2021, "multilabel": _ZHAO_2015}
_DESCRIPTORS = {
    "bovw": Citation(
        "Yang Y., Newsam S. (2013). Geographic image retrieval using local invariant features. IEEE Transactions on "
        "Geoscience and Remote Sensing 51(2), 818-832."
    ),
    "morphological": Citation(
        "Aptoula E. (2014). Remote sensing image retrieval with global morphological texture descriptors. IEEE "
        "Transactions on Geoscience and Remote Sensing 52(5), 3023-3034."
    ),
    "colour-histogram": Citation(
        "Swain M. J., Ballard D. H. (1991). Color indexing. International Journal of Computer Vision 7(1), 11-32."
    ),
    "hog": Citation("Dalal N., Triggs B. (2005). Histograms of oriented gradients for human detection. CVPR."),
    "lbp": Citation(
        "Ojala T., Pietikäinen M., Mäenpää T. (2002). Multiresolution gray-scale and rotation invariant texture "
        "classification with local binary patterns. IEEE Transactions on Pattern Analysis and Machine Intelligence "
        "24(7), 971-987."
    ),
}
_DATASETS = {
    "ucmerced": Citation(
        "Yang Y., Newsam S. (2010). Bag-of-visual-words and spatial extensions for land-use classification. "
        "ACM SIGSPATIAL GIS. (The UC Merced Land Use data set.)",
        "https://doi.org/10.1145/1869790.1869829",
    ),
    "whurs": Citation(
        "Xia G.-S., Yang W., Delon J., Gousseau Y., Sun H., Maître H. (2010). Structural high-resolution satellite "
        "image indexing. ISPRS TC VII Symposium. (The WHU-RS19 data set.)"
    ),
}


def named_layer(features: FeaturesFacts, longest: int | None = None) -> str:
    """Name a network and its layer, which the title of a hash model names already; of at most so many characters.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import FeaturesFacts
    >>> named_layer(FeaturesFacts(backbone="cnn-m", layer="fc6", dim=4096))
    'cnn-m, fc6'
    >>> named_layer(FeaturesFacts(backbone="cnn-m", layer="fc6, hash 16", dim=37, description="DPSH on cnn-m, fc6"))
    'DPSH on cnn-m, fc6'
    """
    title, (layer, hashed, _) = features.title, features.layer.partition(", hash ")
    if hashed and title.endswith(f", {layer}"):
        return title if longest is None else shorten(title, longest)
    if longest is None:
        return f"{title}, {features.layer}"
    return f"{shorten(title, longest - 22)}, {shorten(features.layer, 20)}"


def network_text(features: FeaturesFacts) -> str:
    """Name a network, its layer and how many values it gives.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import FeaturesFacts
    >>> network_text(FeaturesFacts(backbone="cnn-m", layer="fc6", dim=4096))
    'cnn-m, fc6, 4,096 values'
    """
    return f"{named_layer(features)}, {count(features.dim)} values"


def weights_name(features: FeaturesFacts) -> str:
    """Say where the weights came from, or else their file.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import FeaturesFacts
    >>> weights_name(FeaturesFacts(backbone="cnn-alex", layer="fc6", dim=4096, weights={"file": "alex.pth"}))
    'alex.pth'
    """
    weights = features.weights
    return (weights and (weights.source or weights.file)) or "not stated"


def notes(result: EvaluationResult | HashTableResult) -> list[str]:
    """List what a reader must know before the figures: deviations of the data set, images whose features are useless.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix = np.array([[0, 1], [np.nan, 2], [5, 0], [9, 0]], np.float32)
    >>> features = rf.Features(matrix, ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1]), ("a", "b"), "demo")
    >>> notes(rf.evaluate_ge2018(features))
    ['1 image has features that are not finite (NaN or infinity); it ranks last']
    """
    stated = list(result.dataset.notes)
    useless = result.features.non_finite_rows
    if useless:
        subject = counted(useless, "image has", "images have")
        effect = _EFFECT.get(result.protocol, _RANK_LAST)[useless > 1]
        stated.append(f"{subject} features that are not finite (NaN or infinity); {effect}")
    return stated


def provenance_rows(
    result: EvaluationResult | HashTableResult, network: str, machine: Mapping[str, str] | None = None
) -> list[Row]:
    """List what the figures were computed from: data, network, weights, preprocessing, library, machine."""
    return [
        Row("Data set", result.dataset.name),
        *features_rows(result.features, network),
        Row("rsir_fast", result.rsir_fast),
        *(Row(key, text) for key, text in (machine or {}).items()),
    ]


def features_rows(features: FeaturesFacts, network: str) -> list[Row]:
    """List what features were made by: network or descriptor, weights, preprocessing, and what else is stated.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import FeaturesFacts
    >>> features = FeaturesFacts(backbone="cnn-m", layer="fc6", dim=4096, weights={"file": "m.mat", "sha256": "ab12"})
    >>> [row.text for row in features_rows(features, network_text(features)) if row.label == "Weights, SHA-256"]
    ['ab12']
    """
    weights, shallow = features.weights, features.descriptor is not None
    rows = [
        Row("Descriptor" if shallow else "Network and layer", network),
        Row("Loaded as", features.backbone, code=True),
    ]
    if not shallow:
        rows.append(Row("Weights, file", (weights and weights.file) or "not stated", code=True))
        rows.append(Row("Weights, SHA-256", (weights and weights.sha256) or "not stated", code=True))
    if weights and weights.source:
        rows.append(Row("Weights, source", weights.source))
    preprocessing = "; ".join(f"{key}: {text}" for key, text in flat(features.preprocessing or {}))
    rows.append(Row("Preprocessing", preprocessing or "not stated"))
    known = {"backbone", "name", "description", "layer", "dim", "weights", "preprocessing", "non_finite_rows"}
    more = {key: value for key, value in sorted(features.content().items()) if key not in known}
    return [*rows, *(Row(key, text) for key, text in flat(more))]


def timing_rows(timing: Timing) -> list[Row]:
    """List how long each step took; steps that did not run have no row.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import Timing
    >>> timing_rows(Timing(rank_s=2.5, threads=2))
    [Row(label='Ranking', text='2.5 s', code=False), Row(label='Threads', text='2', code=False)]
    """
    rows = {
        "Extraction": (timing.extract_s, seconds(timing.extract_s)),
        "Extraction rate": (timing.extract_images_per_s, rate(timing.extract_images_per_s)),
        "Bare forward pass": (timing.forward_images_per_s, rate(timing.forward_images_per_s)),
        "Ranking": (timing.rank_s, seconds(timing.rank_s)),
        "Total": (timing.total_s, seconds(timing.total_s)),
        "Threads": (timing.threads, count(timing.threads)),
        "Ranked on": (timing.device, str(timing.device)),
    }
    return [Row(label, text) for label, (value, text) in rows.items() if value is not None]


def citations(protocol: str, dataset: DatasetFacts, features: FeaturesFacts | None = None) -> list[Citation]:
    """Name the publications behind a result: of the protocol, of a shallow descriptor, of the data set if it is known.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import DatasetFacts
    >>> len(citations("ge2018", DatasetFacts(name="UCMerced_LandUse", items=2100, classes=())))
    2
    """
    name = "".join(char for char in dataset.name.lower() if char.isalnum())
    cited = [_PROTOCOLS[protocol]] if protocol in _PROTOCOLS else []
    kind = ((features and features.descriptor) or {}).get("kind")
    cited += [_DESCRIPTORS[kind]] if kind in _DESCRIPTORS else []
    cited.extend(citation for prefix, citation in _DATASETS.items() if name.startswith(prefix))
    return cited


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested settings as (dotted name in words, text)."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}, ")
        elif isinstance(value, list | tuple):
            short = len(value) <= _LISTED
            yield name, ", ".join(str(entry) for entry in value) if short else f"{len(value)} values"
        elif value is not None:
            yield name, str(value)

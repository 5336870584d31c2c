"""A result in words: how it was measured, what it was made from, how long it took, whom to cite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rsir_fast.report.format import count, counted, rate, seconds

__all__ = [
    "Citation",
    "Row",
    "citations",
    "flat",
    "network_name",
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
_PROTOCOLS = {"ge2018": _GE_2018, "dhcnn2021": _SONG_2021}
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


def network_name(features: Mapping[str, Any]) -> str:
    """Name a network as its loader describes it, which says when the weights are not the usual ones.

    Examples
    --------
    >>> network_name({"backbone": "cnn-alex", "description": "CNN-Alex (8-bit conv trunk)"})
    'CNN-Alex (8-bit conv trunk)'
    >>> network_name({"backbone": "cnn-alex"})
    'cnn-alex'
    """
    return str(features.get("description") or features["backbone"])


def weights_name(features: Mapping[str, Any]) -> str:
    """Say where the weights came from, or else their file.

    Examples
    --------
    >>> weights_name({"weights": {"file": "alex.pth", "source": "torchvision"}}), weights_name({})
    ('torchvision', 'not stated')
    """
    weights = features.get("weights") or {}
    return str(weights.get("source") or weights.get("file") or "not stated")


def notes(result: Mapping[str, Any]) -> list[str]:
    """List what a reader must know before the figures: deviations of the data set, images whose features are useless.

    Examples
    --------
    >>> notes({"dataset": {"notes": ["one class left out"]}, "features": {"non_finite_rows": 1}})[1]
    '1 image has features that are not finite (NaN or infinity); it ranks last'
    """
    stated = [str(note) for note in result["dataset"].get("notes") or ()]
    useless = result["features"].get("non_finite_rows") or 0
    if useless:
        subject = counted(useless, "image has", "images have")
        effect = _EFFECT.get(result.get("protocol", ""), _RANK_LAST)[useless > 1]
        stated.append(f"{subject} features that are not finite (NaN or infinity); {effect}")
    return stated


def provenance_rows(result: Mapping[str, Any], machine: Mapping[str, str] | None = None) -> list[Row]:
    """List what the figures were computed from: data, weights, preprocessing, library, machine.

    Examples
    --------
    >>> features = {"backbone": "cnn-m", "layer": "fc6", "dim": 4096, "weights": {"file": "m.mat", "sha256": "ab12"}}
    >>> rows = provenance_rows({"features": features, "dataset": {"name": "AID"}, "rsir_fast": "0.1.0"})
    >>> [row.text for row in rows if row.label == "Weights, SHA-256"]
    ['ab12']
    """
    features, dataset = result["features"], result["dataset"]
    weights = features.get("weights") or {}
    rows = [
        Row("Data set", dataset["name"]),
        Row("Descriptor" if "descriptor" in features else "Network and layer", _network(result)),
        Row("Loaded as", str(features["backbone"]), code=True),
    ]
    if "descriptor" not in features:
        rows.append(Row("Weights, file", str(weights.get("file", "not stated")), code=True))
        rows.append(Row("Weights, SHA-256", str(weights.get("sha256", "not stated")), code=True))
    if weights.get("source"):
        rows.append(Row("Weights, source", str(weights["source"])))
    preprocessing = "; ".join(f"{key}: {text}" for key, text in flat(features.get("preprocessing") or {}))
    rows.append(Row("Preprocessing", preprocessing or "not stated"))
    known = {"backbone", "name", "description", "layer", "dim", "weights", "preprocessing", "non_finite_rows"}
    rows.extend(Row(key, text) for key, text in flat({k: features[k] for k in sorted(features.keys() - known)}))
    rows.append(Row("rsir_fast", str(result.get("rsir_fast", "not stated"))))
    rows.extend(Row(key, text) for key, text in (machine or {}).items())
    return rows


def timing_rows(result: Mapping[str, Any]) -> list[Row]:
    """List how long each step took; steps that did not run have no row.

    Examples
    --------
    >>> timing_rows({"timing": {"extract_s": None, "rank_s": 2.5, "threads": 2}})
    [Row(label='Ranking', text='2.5 s', code=False), Row(label='Threads', text='2', code=False)]
    """
    timing = result.get("timing") or {}
    known = (
        ("extract_s", "Extraction", seconds),
        ("extract_images_per_s", "Extraction rate", rate),
        ("forward_images_per_s", "Bare forward pass", rate),
        ("rank_s", "Ranking", seconds),
        ("total_s", "Total", seconds),
        ("threads", "Threads", count),
        ("device", "Ranked on", str),
    )
    return [Row(label, show(timing[key])) for key, label, show in known if timing.get(key) is not None]


def citations(result: Mapping[str, Any]) -> list[Citation]:
    """Name the publications behind a result: of the protocol, of a shallow descriptor, of the data set if it is known.

    Examples
    --------
    >>> len(citations({"protocol": "ge2018", "dataset": {"name": "UCMerced_LandUse"}}))
    2
    """
    name = "".join(char for char in result["dataset"]["name"].lower() if char.isalnum())
    cited = [_PROTOCOLS[result["protocol"]]] if result["protocol"] in _PROTOCOLS else []
    kind = (result.get("features") or {}).get("descriptor", {}).get("kind")
    cited += [_DESCRIPTORS[kind]] if kind in _DESCRIPTORS else []
    cited.extend(citation for prefix, citation in _DATASETS.items() if name.startswith(prefix))
    return cited


def _network(result: Mapping[str, Any]) -> str:
    features = result["features"]
    if "bits" in result:
        labels = count(len(result["classes"]))
        return f"{network_name(features)}: {count(result['bits'])} values for the code, {labels} probabilities"
    return f"{network_name(features)}, {features['layer']}, {count(features['dim'])} values"


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

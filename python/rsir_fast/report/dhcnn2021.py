"""What is particular to a report on the protocol of Song et al. 2021."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.describe import Row, flat, network_name
from rsir_fast.report.format import count, counted, fraction, percent, shorten
from rsir_fast.report.hash_plots import (
    class_bars,
    confusion_matrix_plot,
    precision_by_number,
    precision_recall_by_radius,
    recall_by_number,
)
from rsir_fast.report.published_hashing import compare_with_published_hashing

__all__ = ["context", "heading", "method_rows", "plots", "tables"]

_TIES = (
    ("expected", "mAP, expected over ties"),
    ("by_index", "mAP, ties by index"),
    ("worst", "mAP, ties at worst"),
    ("best", "mAP, ties at best"),
)
_WEIGHTING = {
    "matlab": "{eta:g} · similarity + {rest:g} · label loss, as in the authors' MATLAB release",
    "pytorch": "{rest:g} · similarity + {eta:g} · label loss, as in the authors' PyTorch release",
}
_GRADIENT = {
    "paper-code": "paper-code: of the similarity term as the authors' MATLAB release has it, without 1/p, which is p "
    "times the exact one",
    "exact": "exact: that of the loss as it is written",
}
_EXPLAINED = {"recipe", "seed", "bits", "freeze_backbone", "dataset"}


def plots(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the figures of a report, as SVG files by their stem."""
    curves = {name: measures for name, _, measures in _conventions(result)}
    visual, labels = result["test_vs_train"], result["labels"]
    return {
        "precision_recall_by_radius": precision_recall_by_radius(curves),
        "precision_by_number": precision_by_number(curves),
        "recall_by_number": recall_by_number(curves),
        "confusion_matrix": confusion_matrix_plot(labels["confusion"], result["classes"]),
        "per_class": class_bars(result["classes"], visual["per_class"], labels["per_class"]),
    }


def context(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page's template needs beside what all pages have."""
    conventions = _conventions(result)
    confusion = result["labels"]["confusion"]
    return {
        "title": f"{result['dataset']['name']}, {network_name(result['features'])}",
        "network": _network(result),
        "conventions": conventions,
        "tie_rules": _TIES,
        "cutoffs": _by_number(conventions),
        "right_labels": sum(row[place] for place, row in enumerate(confusion)),
        "classes": _class_rows(result),
        "published": compare_with_published_hashing(result),
        "method": method_rows(result),
    }


def method_rows(result: Mapping[str, Any]) -> list[Row]:
    """State every setting that decides the figures, of the training as well.

    Examples
    --------
    >>> result = {"bits": 64, "features": {"backbone": "mobilenet_v2", "layer": "gap, hash 64"}, "training": {},
    ...           "images": {"train": 8, "test": 2}, "split": {"seed": 0, "train": 8, "test": 2}}
    >>> method_rows(result)[0].text
    'backbone mobilenet_v2, layer gap in place of VGG-F fc7'
    """
    training = result["training"]
    rows = [
        Row("Adaptation", _adaptation(result)),
        Row("Backbone", _FROZEN.get(training.get("freeze_backbone"), "not stated")),
        Row(
            "Code",
            f"{counted(result['bits'], 'bit', 'bits')} of a linear layer on the backbone: bit = u > 0{_mean(result)}",
        ),
        Row("Label", "the likeliest class by a linear classifier with softmax on the real-valued u"),
        *_recipe_rows(training.get("recipe") or {}, bool(training.get("freeze_backbone"))),
        Row("Seed", str(training.get("seed", "not stated"))),
        Row("Split", _split(result)),
        Row("Queries", "every test image; relevant = same class; distance: Hamming"),
        Row("Test vs train", "the database is the training images, as in the paper; the network has seen their labels"),
        Row("Test vs test", "the database is the test images, each query left out of its own ranking by its index"),
        Row("mAP", "mean over queries of AP over the whole database; AP divides by the number of all relevant images"),
        Row(
            "Ties",
            "codes tie massively: the headline is the expectation of AP over a random order of equal distances; by "
            "index, worst and best order beside it",
        ),
        Row("Precision, recall", "by number: means over the queries, ties by index; by radius: over all pairs at once"),
        Row("No relevant image", "such queries are counted apart and not averaged in"),
    ]
    rest = {key: training[key] for key in sorted(training.keys() - _EXPLAINED)}
    return rows + [Row(f"Training, {key}", text) for key, text in flat(rest)]


def _mean(result: Mapping[str, Any]) -> str:
    turns = (result["features"].get("averaged") or {}).get("turns", 1)
    return f"; u and probabilities are means over the image's {turns} turns" if turns > 1 else ""


def heading(result: Mapping[str, Any]) -> list[str]:
    """Say above the table what was measured."""
    images, training = result["images"], result["training"]
    recipe = (training.get("recipe") or {}).get("name", "not stated")
    return [
        f"DHCNN of {counted(result['bits'], 'bit', 'bits')} on {shorten(_network(result), 40)}; recipe: {recipe}",
        f"{counted(images['test'], 'test image', 'test images')} as queries, "
        f"{counted(images['train'], 'training image', 'training images')}; distance: Hamming",
    ]


def tables(result: Mapping[str, Any], per_class: bool) -> list[RenderableType]:
    """Lay out the figures for a terminal."""
    return [_headline(result), _labels(result), *([_classes(result)] if per_class else [])]


def _headline(result: Mapping[str, Any]) -> Table:
    conventions = _conventions(result)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure")
    for name, _, _ in conventions:
        table.add_column(name, justify="right", min_width=16)
    for key, words in _TIES:
        table.add_row(words, *(f"{percent(m['map'][key])} ({fraction(m['map'][key])})" for _, _, m in conventions))
    for n, cells in _by_number(conventions):
        table.add_row(f"precision, recall at {n}", *(f"{percent(p)}, {percent(r)}" for p, r in cells))
    table.add_row("queries", *(count(m["queries"]) for _, _, m in conventions))
    alone = [m["queries_without_relevant"] for _, _, m in conventions]
    if any(alone):
        table.add_row("no relevant image", *(count(number) for number in alone))
    table.add_row("images in the database", *(count(m["database"]) for _, _, m in conventions))
    return table


def _labels(result: Mapping[str, Any]) -> Text:
    labels = result["labels"]
    return Text(
        f"labels of the test images: overall accuracy {percent(labels['overall_accuracy'])}, "
        f"kappa {fraction(labels['kappa'])}\n"
        "training images in the database flatter the score: read test vs test beside it"
    )


def _classes(result: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for heading in ("test images", "mAP vs train", "mAP vs test", "right labels"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, images, train, test, accuracy in _class_rows(result):
        table.add_row(Text(shorten(name, 30)), count(images), percent(train), percent(test), percent(accuracy))
    return table


def _conventions(result: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return (name, where it stands in the result, figures) of the two databases, the second where it was measured."""
    named = (("test vs train", "test_vs_train"), ("test vs test", "test_vs_test"))
    return [(name, key, result[key]) for name, key in named if result[key] is not None]


def _by_number(
    conventions: list[tuple[str, str, Mapping[str, Any]]],
) -> list[tuple[int, list[tuple[float | None, float | None]]]]:
    """Return for each number of returned images precision and recall of every convention, None beyond its database."""
    found = [
        dict(zip(m["cutoffs"], zip(m["precision_at"], m["recall_at"], strict=True), strict=True))
        for _, _, m in conventions
    ]
    numbers = sorted({n for cells in found for n in cells})
    return [(n, [cells.get(n, (None, None)) for cells in found]) for n in numbers]


def _class_rows(result: Mapping[str, Any]) -> list[tuple[str, int, float | None, float | None, float | None]]:
    """Return name, test images, mAP vs train, mAP vs test and accuracy of every class, by name."""
    labels, among_test = result["labels"], result["test_vs_test"]
    missing = [None] * len(result["classes"])
    rows = zip(
        result["classes"],
        [sum(row) for row in labels["confusion"]],
        result["test_vs_train"]["per_class"],
        missing if among_test is None else among_test["per_class"],
        labels["per_class"],
        strict=True,
    )
    return sorted(rows, key=lambda row: row[0])


def _layer(result: Mapping[str, Any]) -> str:
    return str(result["features"]["layer"]).removesuffix(f", hash {result['bits']}")


def _network(result: Mapping[str, Any]) -> str:
    return f"{result['features']['backbone']}, {_layer(result)}"


_FROZEN = {
    True: "frozen: its weights stay as they were; hash layer and classifier are trained on its features",
    False: "trained together with hash layer and classifier",
}


def _adaptation(result: Mapping[str, Any]) -> str:
    backbone, layer = result["features"]["backbone"], _layer(result)
    if (backbone, layer) == ("cnn-f", "fc7"):
        return "none: VGG-F fc7, as in the paper"
    return f"backbone {backbone}, layer {layer} in place of VGG-F fc7"


def _split(result: Mapping[str, Any]) -> str:
    split, images = result["split"], result["images"]
    seed = "seed not stated" if split.get("seed") is None else f"seed {split['seed']}"
    sizes = f"{count(images['train'])} training and {count(images['test'])} test images"
    found = f"{sizes}, at random in each class, {seed}"
    missing = sum(split[part] - images[part] for part in ("train", "test"))
    return f"{found}; {counted(missing, 'image', 'images')} of the split not found" if missing else found


def _recipe_rows(recipe: Mapping[str, Any], frozen: bool) -> list[Row]:
    if not recipe:
        return [Row("Recipe", "not stated")]
    loss = recipe.get("loss") or {}
    eta = float(loss.get("eta", float("nan")))
    weighting = _WEIGHTING.get(loss.get("loss_weighting", ""), "not stated").format(eta=eta, rest=round(1 - eta, 6))
    theta = f"p = {loss.get('p', '?'):g}, β = {loss.get('beta', '?'):g}, η = {eta:g}" if loss else "not stated"
    idle = {"backbone_factor", "head_epochs"} if frozen else set()
    others = {key: recipe[key] for key in sorted(recipe.keys() - {"name", "loss"} - idle)}
    steps = "; ".join(f"{key} {text}" for key, text in flat(others))
    return [
        Row("Loss", f"{weighting}; {theta}"),
        Row("Gradient", _GRADIENT.get(loss.get("similarity_gradient", ""), "not stated")),
        Row("Recipe", f"{recipe.get('name', 'unnamed')}: {steps}"),
    ]

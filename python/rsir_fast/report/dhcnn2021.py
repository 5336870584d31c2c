"""What is particular to a report on the protocol of Song et al. 2021."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.content import Content, Options
from rsir_fast.report.describe import Row, flat
from rsir_fast.report.evaluation import evaluation_content, with_heading
from rsir_fast.report.format import count, counted, fraction, percent, shorten
from rsir_fast.report.hash_plots import (
    class_bars,
    confusion_matrix_plot,
    precision_by_number,
    precision_recall_by_radius,
    recall_by_number,
)
from rsir_fast.report.hashing_citations import METHODS_CITED
from rsir_fast.report.intervals import how_sure, interval_method, interval_rows
from rsir_fast.report.published_hashing import compare_with_published_hashing
from rsir_fast.report.rules import map_at_rows, wrong_labels
from rsir_fast.report.split_words import (
    database_in_words,
    leakage,
    queries_in_words,
    split_rows,
    to_be_read,
    what_flatters,
)

if TYPE_CHECKING:
    from rsir_fast.protocols.dhcnn2021_result import CodeFigures, Dhcnn2021Result, RecipeFacts

__all__ = ["content", "method_rows", "table"]

_PLACES = ("test_vs_train", "test_vs_test")
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
_LABEL = {
    "dhcnn": "the likeliest class by a linear classifier with softmax on the real-valued u",
    "greedyhash": "the likeliest class by a linear classifier with softmax on the signs of u",
    "csq": "the class whose centre is nearest to the real-valued u",
}
_RELEASED = {"alexnet": "torchvision's AlexNet", "vgg11": "torchvision's VGG-11"}
_EXPLAINED = {"recipe", "method", "embeds", "seed", "bits", "freeze_backbone", "dataset"}
_SURE = "mAP, expected over ties, and of the labels' accuracy"
_WILSON = f"{_SURE}, which by query has Wilson's (1927)"
_FROZEN = {
    True: "frozen: its weights stay as they were; hash layer and classifier are trained on its features",
    False: "trained together with hash layer and classifier",
    None: "not stated",
}


class _Convention(NamedTuple):
    """A database, and the figures on it."""

    name: str
    figures: CodeFigures


def content(result: Dhcnn2021Result, options: Options) -> Content:
    """Put the report together."""
    conventions, labels, first = _conventions(result), result.labels, _first(result)
    curves = {each.name: each.figures for each in conventions}
    plots = {
        "precision_recall_by_radius": precision_recall_by_radius(curves),
        "precision_by_number": precision_by_number(curves),
        "recall_by_number": recall_by_number(curves),
        **({"confusion_matrix": confusion_matrix_plot(labels.confusion, result.classes)} if _labelled(result) else {}),
        "per_class": class_bars(result.classes, result.headline.per_class, labels.per_class),
    }
    particular = {
        "network": _network(result),
        "wrong": _wrong(result),
        "conventions": conventions,
        "tie_rules": _TIES,
        "map_at": map_at_rows([each.figures.map_at for each in conventions]),
        "sure": {each.name: how_sure(each.figures.map_intervals) for each in conventions},
        "intervals": interval_rows([each.figures.map_intervals for each in conventions]),
        "cutoffs": _by_number(conventions),
        "by_number": _number_words(result),
        "sure_labels": how_sure(labels.accuracy_intervals),
        "labelled": _labelled(result),
        "databases": what_flatters(result),
        "right_labels": sum(row[place] for place, row in enumerate(labels.confusion)),
        "first": [(place, None if each is None else each.map.expected) for place, each in first],
        "classes": _class_rows(result),
        "published": (
            None
            if result.test_vs_train is None or leakage(result)
            else compare_with_published_hashing(result.dataset, result.images, result.rules)
        ),
    }
    values = f"{count(result.bits)} values for the code"
    if _labelled(result):
        values += f", {count(len(result.classes))} probabilities"
    return evaluation_content(
        result,
        options,
        plots,
        title=f"{result.dataset.name}, {result.features.title}",
        network=f"{result.features.title}: {values}",
        method=[*method_rows(result), *interval_method(conventions[0].figures.map_intervals, _sure(result))],
        particular=particular,
        cited=[METHODS_CITED[name] for name in [_method(result)] if name in METHODS_CITED],
    )


def _sure(result: Dhcnn2021Result) -> str:
    found = result.labels.accuracy_intervals
    return _WILSON if found is not None and not found.by_query.resamples else _SURE


def method_rows(result: Dhcnn2021Result) -> list[Row]:
    """State every setting that decides the figures, of the training as well."""
    training = result.training
    seed = "not stated" if training.seed is None else str(training.seed)
    rows = [
        Row("Adaptation", _adaptation(result)),
        Row("Backbone", _FROZEN[training.freeze_backbone]),
        Row(
            "Code",
            f"{counted(result.bits, 'bit', 'bits')} of a linear layer on the backbone: bit = u > 0{_mean(result)}",
        ),
        Row("Label", _LABEL.get(_method(result), f"none: {result.labels.missing or 'the method gives none'}")),
        *_recipe_rows(training.recipe, bool(training.freeze_backbone), result.method),
        Row("Seed", seed),
        *split_rows(result),
        Row("Queries", f"{queries_in_words(result)}; relevant = same class; distance: Hamming"),
        *(
            Row(_place(name).capitalize(), database_in_words(result, name))
            for name in (*_PLACES, *sorted(_more(result)))
        ),
        Row("mAP", "mean over queries of AP over the whole database; AP divides by the number of all relevant images"),
        Row(
            "Ties",
            "codes tie massively: the headline is the expectation of AP over a random order of equal distances; by "
            "index, worst and best order beside it",
        ),
        Row("Precision, recall", f"by number: {_number_words(result)}; by radius: over all pairs at once"),
        Row("No relevant image", "such queries are counted apart and not averaged in"),
    ]
    rest = {key: value for key, value in sorted(training.content().items()) if key not in _EXPLAINED}
    return rows + [Row(f"Training, {key}", text) for key, text in flat(rest)]


def _method(result: Dhcnn2021Result) -> str:
    """Return the name of the method that a command takes."""
    recipe = result.training.recipe
    return (recipe and recipe.loss and recipe.loss.method) or "dhcnn"


def _labelled(result: Dhcnn2021Result) -> bool:
    """Whether the method gives labels."""
    return _method(result) in _LABEL


def _number_words(result: Dhcnn2021Result) -> str:
    if not result.headline.recall_micro_at:  # a result of before
        return "means over the queries, ties by index"
    return (
        "means over the queries, expected over a random order of equal distances; recall (micro): all relevant images "
        "found by all there are"
    )


def _mean(result: Dhcnn2021Result) -> str:
    turns = (result.features.averaged or {}).get("turns", 1)
    return f"; u and probabilities are means over the image's {turns} turns" if turns > 1 else ""


def table(result: Dhcnn2021Result, per_class: bool, _: bool) -> RenderableType:
    """Lay out the figures for a terminal, under what was measured."""
    recipe = result.training.recipe
    heading = [
        f"{result.method} of {counted(result.bits, 'bit', 'bits')} on {shorten(_network(result), 40)}; "
        f"recipe: {(recipe and recipe.name) or 'not stated'}",
        f"{counted(result.images.test, 'test image', 'test images')} as queries, "
        f"{counted(result.images.train, 'training image', 'training images')}{_wrong(result)}; distance: Hamming",
    ]
    return with_heading(result, heading, [_headline(result), _labels(result), *([_classes(result)] * per_class)])


def _wrong(result: Dhcnn2021Result) -> str:
    split = None if result.rules is None else result.rules.split
    noise = None if split is None else split.label_noise
    return "" if split is None or noise is None else f", {wrong_labels(noise, split.noise)}"


def _headline(result: Dhcnn2021Result) -> Table:
    conventions = _conventions(result)
    figures = [each.figures for each in conventions]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure")
    for name, _ in conventions:
        table.add_column(name, justify="right", min_width=16)
    for rule, words in _TIES:
        values = [getattr(m.map, rule) for m in figures]
        table.add_row(words, *(f"{percent(value)} ({fraction(value)})" for value in values))
        if rule == "expected":
            for label, texts in interval_rows([m.map_intervals for m in figures]):
                table.add_row(f"  {label}", *texts)
    for words, found in map_at_rows([m.map_at for m in figures]):
        table.add_row(words, *(f"{percent(value)} ({fraction(value)})" for value in found))
    for n, cells in _by_number(conventions):
        table.add_row(f"precision, recall at {n}", *(f"{percent(p)}, {percent(r)}" for p, r, _ in cells))
    table.add_row("queries", *(count(m.queries) for m in figures))
    if any(m.queries_without_relevant for m in figures):
        table.add_row("no relevant image", *(count(m.queries_without_relevant) for m in figures))
    table.add_row("images in the database", *(count(m.database) for m in figures))
    return table


def _labels(result: Dhcnn2021Result) -> Text:
    labels = result.labels
    figures = f"overall accuracy {percent(labels.overall_accuracy)}, kappa {fraction(labels.kappa)}"
    sure = how_sure(labels.accuracy_intervals)
    lines = [
        f"labels of the test images: {labels.missing or figures}",
        *([f"accuracy, {sure}"] if sure else []),
        *([to_be_read(result)] if to_be_read(result) else []),
    ]
    return Text("\n".join(lines))


def _classes(result: Dhcnn2021Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", no_wrap=True)
    places = [place.replace("test vs", "mAP vs") for place, _ in _first(result)]
    for heading in ("test images", *places, "right labels"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, images, *shares in _class_rows(result):
        table.add_row(Text(shorten(name, 30)), count(images), *map(percent, shares))
    return table


def _conventions(result: Dhcnn2021Result) -> list[_Convention]:
    """Return the databases that were measured, the headline's first."""
    return [_Convention(place.replace("_", " "), figures) for place, figures in result.by_place.items()]


def _by_number(conventions: list[_Convention]) -> list[tuple[int, list[tuple[float | None, ...]]]]:
    """Return for each number of returned images precision, recall and micro recall of every convention.

    None beyond its database, and for micro recall in results of before.
    """
    found = [
        dict(zip(m.cutoffs, zip_longest(m.precision_at, m.recall_at, m.recall_micro_at), strict=True))
        for _, m in conventions
    ]
    numbers = sorted({n for cells in found for n in cells})
    return [(n, [cells.get(n, (None, None, None)) for cells in found]) for n in numbers]


def _place(name: str) -> str:
    return name.replace("_", " ")


def _more(result: Dhcnn2021Result) -> set[str]:
    return set(result.by_place) - set(_PLACES)


def _first(result: Dhcnn2021Result) -> list[tuple[str, CodeFigures | None]]:
    """Return the two databases that a reader sees first: those of the paper where no other was asked for."""
    names = list(_PLACES) if set(result.by_place) <= set(_PLACES) else list(result.by_place)[:2]
    return [(_place(name), result.by_place.get(name)) for name in names]


def _class_rows(result: Dhcnn2021Result) -> list[tuple[Any, ...]]:
    """Return name, test images, mAP against the first databases and accuracy of every class, by name."""
    labels, unknown = result.labels, [None] * len(result.classes)
    maps = [unknown if figures is None else figures.per_class for _, figures in _first(result)]
    tested = [sum(row) for row in labels.confusion]
    rows = zip(result.classes, tested, *maps, labels.per_class, strict=True)
    return sorted(rows, key=lambda row: row[0])


def _layer(result: Dhcnn2021Result) -> str:
    return result.features.layer.removesuffix(f", hash {result.bits}")


def _network(result: Dhcnn2021Result) -> str:
    return f"{result.features.backbone}, {_layer(result)}"


def _adaptation(result: Dhcnn2021Result) -> str:
    backbone, layer = result.features.backbone, _layer(result)
    if _method(result) != "dhcnn":
        return f"backbone {backbone}, layer {layer}, and a recipe that is not that of the method's paper"
    if (backbone, layer) == ("cnn-f", "fc7"):
        return "none: VGG-F fc7, as in the paper"
    recipe = result.training.recipe
    if layer == "fc7" and backbone in _RELEASED and recipe is not None and recipe.name == "pytorch":
        return f"{_RELEASED[backbone]} fc7, as in the authors' PyTorch release; VGG-F fc7 in the paper"
    return f"backbone {backbone}, layer {layer} in place of VGG-F fc7"


def _recipe_rows(recipe: RecipeFacts | None, frozen: bool, method: str) -> list[Row]:
    if recipe is None:
        return [Row("Recipe", "not stated")]
    loss = recipe.loss
    idle = {"backbone_factor", "head_epochs"} if frozen else set()
    others = {k: value for k, value in sorted(recipe.content().items()) if k not in {"name", "loss"} | idle}
    steps = "; ".join(f"{key} {text}" for key, text in flat(others))
    how = Row("Recipe", f"{recipe.name or 'unnamed'}: {steps}")
    if loss is not None and loss.method is not None:
        own = {key: value for key, value in loss.content().items() if key != "method"}
        told = ", ".join(f"{key} = {text}" for key, text in flat(own))
        return [Row("Loss", f"that of the paper of {method}{told and ': '}{told}"), how]
    weighting = theta = gradient = "not stated"
    if loss is not None and None not in (loss.p, loss.beta, loss.eta):
        theta = f"p = {loss.p:g}, β = {loss.beta:g}, η = {loss.eta:g}"
    if loss is not None and loss.eta is not None:
        rest = round(1 - loss.eta, 6)
        weighting = _WEIGHTING.get(loss.loss_weighting or "", "not stated").format(eta=loss.eta, rest=rest)
        gradient = _GRADIENT.get(loss.similarity_gradient or "", "not stated")
        if loss.classifier_gradient == "whole":
            gradient += "; of the label term whole for the classifier's own weights"
    return [Row("Loss", f"{weighting}; {theta}"), Row("Gradient", gradient), how]

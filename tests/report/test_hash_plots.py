from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import pytest

import rsir_fast
from rsir_fast.protocols import CodeFigures
from rsir_fast.report import (
    confusion_matrix_plot,
    precision_by_number,
    precision_recall_by_radius,
    recall_by_number,
)

SVG = "{http://www.w3.org/2000/svg}"
CURVES = (precision_recall_by_radius, precision_by_number, recall_by_number)


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def figures(**given) -> CodeFigures:
    none = {"map": dict.fromkeys(("expected", "by_index", "worst", "best")), "per_class": []}
    return CodeFigures(**none, queries=0, queries_without_relevant=0, database=0, **given)


def measures(height: float = 0.9) -> CodeFigures:
    radius = {
        "precision": [None, *[height - 0.05 * r for r in range(8)]],
        "recall": [0.0, *[(r + 1) / 8 for r in range(8)]],
    }
    by_number = {"precision_at": [height, height / 2, None], "recall_at": [0.1, 0.5, None]}
    return figures(cutoffs=[1, 11, 21], radius=radius, **by_number)


def draw_all() -> list[bytes]:
    return [draw({"run": measures()}) for draw in CURVES] + [confusion_matrix_plot([[3, 1], [0, 4]], ["a", "b"])]


def data_points(svg: bytes, colour: str = "#0072b2") -> list[tuple[float, float]]:
    """The points of the first line of a colour, on the scale of the grid: 0 to 1 on both axes."""
    root = ET.fromstring(svg)
    paths = [(node.get("d") or "", (node.get("style") or "").lower()) for node in root.iter(f"{SVG}path")]
    line = next(d for d, style in paths if colour in style and "fill: none" in style)
    tokens = [float(token) for token in line.split() if token not in ("M", "L")]
    grid = [d.split() for d, style in paths if "#e5e7eb" in style and "fill: none" in style]
    verticals = [float(path[1]) for path in grid if path[1] == path[4]]
    levels = [float(path[2]) for path in grid if path[2] == path[5]]
    scale_x, scale_y = verticals[-1] - verticals[0], levels[-1] - levels[0]
    points = zip(tokens[::2], tokens[1::2], strict=True)
    return [((x - verticals[0]) / scale_x, (y - levels[0]) / scale_y) for x, y in points]


def test_same_bytes_for_the_same_input_and_under_any_settings():
    first = draw_all()
    before = dict(mpl.rcParams)
    with mpl.rc_context({"axes.facecolor": "black", "savefig.facecolor": "red", "image.cmap": "hot"}):
        assert draw_all() == first
    assert dict(mpl.rcParams) == before


def test_same_bytes_in_another_process_with_another_hash_seed():
    code = (
        "import sys; from rsir_fast.protocols import CodeFigures;"
        "from rsir_fast.report import precision_recall_by_radius;"
        f"figures = CodeFigures.model_validate({measures().content()!r});"
        "sys.stdout.buffer.write(precision_recall_by_radius({'run': figures}))"
    )
    paths = {"PYTHONPATH": str(Path(rsir_fast.__file__).parents[1]), "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, check=True)
    assert other.stdout == precision_recall_by_radius({"run": measures()})


def test_needs_nothing_from_outside_and_carries_no_date():
    for svg in draw_all():
        root = ET.fromstring(svg)
        links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
        assert all(link.startswith("#") for link in links)
        assert b"<metadata" not in svg
        assert b"<image" not in svg


def test_axes_say_what_they_show_and_in_which_unit():
    radius, precision, recall, confusion = (set(texts(svg)) for svg in draw_all())
    assert {"Recall (%)", "Precision (%)", "Precision and recall by Hamming radius", "run"} <= radius
    assert {"Items returned", "Mean precision (%)"} <= precision
    assert {"Items returned", "Mean recall (%)"} <= recall
    assert {"true class", "label given"} <= confusion


def test_the_curve_goes_through_every_radius_that_retrieves_something():
    given = measures()
    points = data_points(precision_recall_by_radius({"run": given}))
    expected = zip(given.radius.recall[1:], given.radius.precision[1:], strict=True)
    assert len(points) == 8
    for found, (recall, precision) in zip(points, expected, strict=True):
        assert found == pytest.approx((recall, precision), abs=1e-3)


def test_curves_by_number_stop_where_the_values_stop():
    for draw, values in ((precision_by_number, [0.9, 0.45]), (recall_by_number, [0.1, 0.5])):
        points = data_points(draw({"run": measures()}))
        assert [y for _, y in points] == pytest.approx(values, abs=1e-3)


def test_radii_of_a_single_curve_are_named_and_of_several_are_not():
    one = [text for text in texts(precision_recall_by_radius({"run": measures()})) if text.startswith("r = ")]
    assert one == ["r = 2", "r = 4", "r = 8"]  # nothing lies within radius 0
    two = texts(precision_recall_by_radius({"run": measures(), "other": measures(0.8)}))
    assert not [text for text in two if text.startswith("r = ")]


@pytest.mark.parametrize("draw", CURVES)
def test_ten_curves_are_told_apart_without_colour(draw):
    names = [f"method {index}" for index in range(10)]
    svg = draw({name: measures(0.9 - 0.03 * index) for index, name in enumerate(names)})
    assert set(names) <= set(texts(svg))
    root = ET.fromstring(svg)
    legend = next(node for node in root.iter(f"{SVG}g") if node.get("id") == "legend_1")
    markers = [value for node in legend.iter(f"{SVG}use") for key, value in node.attrib.items() if "href" in key]
    assert len(markers) == len(set(markers)) == 10


@pytest.mark.parametrize("draw", CURVES)
def test_nothing_to_draw_says_so(draw):
    radius = {"precision": [0.0, 0.0], "recall": [None, None]}
    empty = figures(cutoffs=[], precision_at=[], recall_at=[], radius=radius)
    assert any(text.startswith("no ") for text in texts(draw({"run": empty})))
    assert any(text.startswith("no ") for text in texts(draw({})))


def test_cells_of_the_confusion_matrix_stand_in_row_and_column():
    svg = confusion_matrix_plot([[31, 12, 0], [0, 43, 0], [0, 0, 0]], ["beach", "forest", "river"])
    root = ET.fromstring(svg)
    places = {}
    for node in root.iter(f"{SVG}text"):
        transform = node.get("transform") or ""
        x, y = (node.get("x"), node.get("y")) if node.get("x") else transform.split("(")[1].split(")")[0].split()[:2]
        places.setdefault("".join(node.itertext()), []).append((float(x), float(y)))
    assert set(places) >= {"31", "12", "43"}
    assert "0" not in places
    (a,), (b,), (c,) = places["31"], places["12"], places["43"]
    assert a[1] == b[1] < c[1]
    assert a[0] < b[0] == c[0]


@pytest.mark.parametrize("name", ["$x^$ \\frac{", "农田", "<script>alert(1)</script>", "bell\x07", "x" * 300])
def test_any_name_can_be_drawn(name):
    for svg in (confusion_matrix_plot([[1, 0], [0, 1]], [name, "river"]), precision_by_number({name: measures()})):
        assert any(text.startswith(name[:4]) for text in texts(svg))


@pytest.mark.parametrize("classes", [0, 1, 45])
def test_any_number_of_classes(classes):
    names = [f"class {index}" for index in range(classes)]
    svg = confusion_matrix_plot([[int(i == j) for j in range(classes)] for i in range(classes)], names)
    assert set(names) <= set(texts(svg))
    height = float(ET.fromstring(svg).get("viewBox").split()[3])
    assert height >= 12 * classes

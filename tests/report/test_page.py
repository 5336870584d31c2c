from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from html_page import Page
from rsir_fast.errors import ImageError
from rsir_fast.report.content import Options
from rsir_fast.report.page import inline_svg, render_page
from rsir_fast.report.published import compare_with_published
from rsir_fast.report.views import view_of


def render(evaluation, command=None, **options) -> str:
    result = evaluation.result
    given = Options(**{"load_image": evaluation.load_image, **options})
    return render_page(view_of(result).content(result, given).page, result, command)


def test_page_is_well_formed_with_unique_ids_and_live_anchors(evaluation):
    page = Page(render(evaluation, command="rsir evaluate ge2018 scenes"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    anchors = [value for tag, attrs in page.tags for key, value in attrs.items() if key.endswith("href")]
    assert {anchor[1:] for anchor in anchors if anchor.startswith("#")} <= set(ids)


def test_page_fetches_nothing(evaluation):
    source = render(evaluation)
    page = Page(source)
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        link = attrs.get("href", attrs.get("xlink:href"))
        assert link is None or link.startswith("#") or (tag == "a" and link.startswith("https://doi.org/"))
        assert not any(name.startswith("on") for name in attrs)
    assert not re.search(r"url\((?!#)|@import", source)


def test_headline_settings_provenance_and_command_are_stated(evaluation):
    command = "rsir evaluate ge2018 /data/scenes --encoder cnn-m:pool5"
    text = Page(render(evaluation, command=command, machine={"Machine": "x86-64, 2 cores"})).text
    excluded = evaluation.content["query_excluded"]
    wanted = [
        f"{excluded['map']:.4f}",
        f"{excluded['anmrr']:.4f}",
        "K = 2 NG",
        "over the elements of each image",
        "Euclidean",
    ]
    wanted += ["equal distances are ordered by item index", "trunk.npz", "ab" * 32, "input size: 227", command]
    wanted += ["x86-64, 2 cores", "9,216", "Ge Y., Jiang S.", "1 min 15 s"]
    for words in wanted:
        assert words in text


def test_right_and_wrong_are_told_apart_without_colour(evaluation):
    source = render(evaluation)
    hits = [hit for example in evaluation.examples for hit in example["results"]]
    right = sum(hit["relevant"] for hit in hits)
    assert 0 < right < len(hits)
    assert source.count('<li class="scene right">') == right
    assert source.count('<li class="scene wrong">') == len(hits) - right
    marks = re.findall(r'<span class="mark">\d+ (.)</span>', source)
    assert marks == ["✓" if hit["relevant"] else "✗" for hit in hits]
    alternatives = [attrs["alt"] for tag, attrs in Page(source).tags if tag == "img"]
    assert sum(words.endswith(", wrong") for words in alternatives) == len(hits) - right


def test_pictures_are_small_jpegs_of_the_right_items(evaluation):
    page = Page(render(evaluation, thumbnail_size=40))
    shown = [Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) for uri in page.values("src")]
    expected = [item for e in evaluation.examples for item in [e["query"], *(hit["item"] for hit in e["results"])]]
    assert len(shown) == len(expected)
    for picture, item in zip(shown, expected, strict=True):
        assert (picture.format, picture.size) == ("JPEG", (40, 30))
        got, want = picture.getpixel((20, 15)), evaluation.images[item].getpixel((20, 15))
        assert max(abs(a - b) for a, b in zip(got, want, strict=True)) <= 6


def test_an_unreadable_image_leaves_a_placeholder_with_the_reason(evaluation):
    bad = evaluation.examples[0]["results"][0]["item"]

    class PartlyBroken:
        result, examples = evaluation.result, evaluation.examples

        @staticmethod
        def load_image(item):
            if item == bad:
                raise ImageError(f"scene-{item}.jpg is cut off <here>")
            return evaluation.images[item]

    page = Page(render(PartlyBroken))
    assert f"rank 1: scene-{bad}.jpg is cut off <here>" in page.text
    assert page.values("title") == []
    assert "no picture" in page.text
    assert len(page.values("src")) > 0


HOSTILE = "<script>alert('x')</script>"


def test_names_cannot_become_markup(make_evaluation):
    evaluation = make_evaluation([HOSTILE, '"><img src=x onerror=y>', '{{ 7*7 }} url(#a) id="b"'], name=HOSTILE)
    evaluation.content["dataset"]["skipped"] = [{"item": f"a/{HOSTILE}.jpg", "reason": f"not an image: {HOSTILE}"}]
    evaluation.content["features"][HOSTILE] = HOSTILE
    page = Page(render(evaluation, command=f"rsir {HOSTILE}"))
    assert not {"script"} & {tag for tag, _ in page.tags}
    assert all(value.startswith("data:") for value in page.values("src"))
    assert HOSTILE in page.text
    assert '{{ 7*7 }} url(#a) id="b"' in page.text


def test_skipped_inputs_are_counted_and_the_long_list_is_cut(evaluation):
    evaluation.content["dataset"]["skipped"] = [{"item": f"s/{i:03d}.jpg", "reason": "0 bytes"} for i in range(250)]
    page = Page(render(evaluation))
    assert "250 inputs could not be read" in page.text
    assert "s/099.jpg" in page.text
    assert "s/100.jpg" not in page.text


@pytest.mark.parametrize("name", ["农田", "Ödland", "مزرعة", "🛰 orbit"])
def test_names_in_any_script(make_evaluation, name):
    assert name in Page(render(make_evaluation([name, "b"]))).text


@pytest.mark.parametrize("weights", ["absent", None, {}])
def test_features_of_unknown_weights_can_be_reported(make_evaluation, weights):
    evaluation = make_evaluation(["a", "b"], name="UCMerced_LandUse")
    evaluation.content["features"].pop("weights")
    if weights != "absent":
        evaluation.content["features"]["weights"] = weights
    text = Page(render(evaluation)).text
    assert "Beside the published numbers" in text
    assert "Weights of this run: not stated." in text


def test_notes_and_useless_features_stand_before_the_measures(evaluation):
    assert "on the data" not in Page(render(evaluation)).text
    evaluation.content["dataset"]["notes"] = ["the first 50 of each class taken", f"left out: {HOSTILE}"]
    evaluation.content["features"]["non_finite_rows"] = 1200
    text = Page(render(evaluation)).text
    useless = "1,200 images have features that are not finite (NaN or infinity); they rank last"
    for words in ("Notes on the data", *evaluation.content["dataset"]["notes"], useless):
        assert text.index("Values per image") < text.index(words) < text.index("Queries averaged")
        assert text.count(words) == 1
    assert "non finite rows" not in text


def test_no_useless_features_are_not_mentioned(evaluation):
    evaluation.content["dataset"]["notes"] = []
    evaluation.content["features"]["non_finite_rows"] = 0
    text = Page(render(evaluation)).text
    assert "finite" not in text
    assert "on the data" not in text


@pytest.mark.parametrize(
    ("name", "classes", "counts", "expected"),
    [
        ("UCMerced_LandUse", 11, [3] * 11, "this run: 33 images of 11 classes; the paper: 2,100 of 21"),
        ("UCMerced_LandUse", 1, [1], "this run: 1 image of 1 class; the paper: 2,100 of 21"),
        ("UCMerced_LandUse", 21, [100] * 21, ""),
        (
            "UCMerced_LandUse",
            21,
            [99, 101, *[100] * 19],
            "this run: 99 to 101 images in a class; the paper: 100 in each",
        ),
        ("WHU-RS19", 19, [50] * 19, ""),
        ("WHU-RS19", 19, [55, *[50] * 17, 100], "this run: 1,005 images of 19 classes; the paper: 950 of 19"),
    ],
)
def test_other_images_than_the_papers_are_named_beside_its_table(evaluation, name, classes, counts, expected):
    names = [f"class{index}" for index in range(classes)]
    evaluation.content["dataset"] |= {"name": name, "classes": names, "class_counts": counts, "items": sum(counts)}
    assert compare_with_published(evaluation.result).deviation == expected
    text = Page(render(evaluation)).text
    section = text[text.index("Beside the published numbers") : text.index("BoVW")]
    assert expected in section
    assert ("the paper's:" in section) == bool(expected)


def test_every_section_is_reached_from_the_navigation(evaluation):
    evaluation.content["dataset"] |= {"name": "UC Merced", "skipped": [{"item": "a.jpg", "reason": "0 bytes"}]}
    page = Page(render(evaluation))
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert len(sections) == 10
    assert [f"#{name}" for name in sections] == [link for link in page.values("href") if link.startswith("#")][:10]


def test_pictures_and_tables_have_names_and_captions_stay_readable(evaluation):
    evaluation.content["dataset"] |= {"name": "UC Merced", "skipped": [{"item": "a.jpg", "reason": "0 bytes"}]}
    source = render(evaluation)
    tags = Page(source).tags
    assert not [tag for tag, attrs in tags if attrs.get("role") == "img" and tag != "div"]
    wrapped = re.findall(r'<div role="img" aria-label="([^"]+)"><svg\b.*?</svg></div>', source, flags=re.DOTALL)
    assert len(wrapped) == len(set(wrapped)) == source.count("<figure") == 3
    captions = re.findall(r"<table>\s*<caption[^>]*>([^<]+)</caption>", source)
    assert len(captions) == len(set(captions)) == source.count("<table") == 5


def test_one_of_a_thing_is_not_called_many(make_evaluation):
    evaluation = make_evaluation(["a", "b"], per_class=1)
    evaluation.content["query_included"] = evaluation.content["query_excluded"] | {"queries": 1}
    evaluation.content["query_excluded"] = evaluation.content["query_included"]
    text = Page(render(evaluation)).text
    for words in ("1 image each", "1 query", "no query has another image of its class"):
        assert words in text
    for words in ("1 images", "1 queries", "no labelled queries"):
        assert words not in text


def test_one_class_and_sixty_classes(make_evaluation):
    for number in (1, 60):
        evaluation = make_evaluation([f"class{i}" for i in range(number)], per_class=2)
        assert f"class{number - 1}" in Page(render(evaluation)).text


def test_no_labels_and_no_examples(make_evaluation):
    evaluation = make_evaluation(["a", "b"], labelled=False)
    evaluation.examples.clear()
    page = Page(render(evaluation))
    assert "no labels" in page.text
    assert "Example rankings" not in page.text
    assert not re.search(r"\bnan\b|\bNone\b", page.text)


def test_examples_without_a_loader_show_captions_only(evaluation):
    page = Page(render(evaluation, load_image=None))
    assert page.values("src") == []
    assert "beach" in page.text


def test_inline_svg_changes_references_only_inside_tags():
    svg = b'<svg width="3pt"><g id="a" clip-path="url(#c)"/><use xlink:href="#a"/><text>id="a" url(#c)</text></svg>'
    expected = '<svg><g id="p-a" clip-path="url(#p-c)"/><use xlink:href="#p-a"/><text>id="a" url(#c)</text></svg>'
    assert inline_svg(svg, "p") == expected


def test_published_numbers_only_beside_the_same_network_layer_and_data(make_evaluation):
    run = make_evaluation(["a", "b"], name="UCMerced_LandUse")
    text = Page(render(run)).text
    assert "Beside the published numbers" in text
    assert "45.9" in text
    assert "this run: CNN-Alex (8-bit conv trunk)" in text
    assert "Yang Y., Newsam S." in text
    for part, key, value in (
        ("dataset", "name", "AID"),
        ("features", "layer", "gap"),
        ("features", "backbone", "alexnet"),
        ("features", "backbone", "mobilenet_v2"),
    ):
        changed = replace(run, content={**run.content, part: {**run.content[part], key: value}})
        assert compare_with_published(changed.result) is None
    for name in ("vgg16", "VGG-16", "cnn-m", "CNN-19"):
        changed = replace(run, content={**run.content, "features": {**run.content["features"], "backbone": name}})
        assert compare_with_published(changed.result) is not None


@pytest.mark.parametrize(
    ("name", "row"), [("bovw-150", "30.2"), ("bovw-15000", "0.591"), ("morphological-62", None), ("bovw-99", None)]
)
def test_a_shallow_descriptor_is_no_network(make_evaluation, name, row):
    run = make_evaluation(["a", "b"], name="UCMerced_LandUse")
    features = run.content["features"]
    features |= {"backbone": name, "description": "BoVW (ours)", "layer": "visual words", "dim": 150}
    features["descriptor"] = {
        "kind": "bovw",
        "parameters": {"words": 150},
        "choices": {"assignment": "hard"},
        "not_verified": "their k-means; their distance",
    }
    del features["weights"]
    text = Page(render(run)).text
    assert "BoVW (ours), visual words, 150 values" in text
    assert "their k-means; their distance" in text
    assert "Geographic image retrieval using local invariant features" in text
    assert "Weights" not in text
    assert ("Beside the published numbers" in text) == (row is not None)
    if row is not None:
        section = text[text.index("Beside the published numbers") :]
        assert row in section
        assert "our own implementation of the published idea" in section
        assert f"this run: BoVW (ours){100 * run.content['query_excluded']['map']:.1f}" in section.replace("\n", "")

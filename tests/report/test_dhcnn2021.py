"""The report on the protocol of Song et al. 2021: page, table and files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import rsir_fast as rf
from html_page import Page
from rsir_fast.archive import Features
from rsir_fast.errors import FeaturesError
from rsir_fast.hashing import RECIPES
from rsir_fast.hashing.recipe import as_recipe
from rsir_fast.protocols import Dhcnn2021Result
from rsir_fast.protocols.dhcnn2021_result import ImageCounts
from rsir_fast.protocols.facts import DatasetFacts
from rsir_fast.report import result_table, write_report
from rsir_fast.report.content import Options
from rsir_fast.report.dhcnn2021 import method_rows
from rsir_fast.report.page import render_page
from rsir_fast.report.published_hashing import compare_with_published_hashing
from rsir_fast.report.views import view_of

BITS = 12
FILES = [
    "confusion_matrix.svg",
    "per_class.svg",
    "precision_by_number.svg",
    "precision_recall_by_radius.svg",
    "queries.csv",
    "recall_by_number.svg",
    "report.html",
    "result.json",
]
HOSTILE = "<script>alert('x')</script>"


@dataclass(frozen=True)
class Run:
    content: dict[str, Any]
    examples: list[dict[str, Any]]
    images: list[Image.Image]

    @property
    def result(self) -> Dhcnn2021Result:
        return Dhcnn2021Result.model_validate({**self.content, "examples": self.examples})

    def load_image(self, item: int) -> Image.Image:
        return self.images[item]


def evaluated(classes: list[str], per_class: int = 6, *, name: str = "scenes", tests: int = 2, **training: Any) -> Run:
    """Codes and labels that are right more often than not, evaluated by the protocol itself."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(len(classes)), per_class)
    u = rng.normal(size=(len(classes), BITS))[labels] + rng.normal(0, 0.9, (len(labels), BITS))
    scores = rng.random((len(labels), len(classes))) + 0.6 * np.eye(len(classes))[labels]
    scores /= scores.sum(1, keepdims=True)
    items = tuple(f"{label}/{place}.png" for place, label in enumerate(labels))
    test = [item for place, item in enumerate(items) if place % per_class < tests]
    split = {"seed": 3, "train": [item for item in items if item not in test], "test": test}
    given = {
        "recipe": as_recipe("modern", frozen=True).told(),
        "seed": 9,
        "freeze_backbone": True,
        "torch": "2.9",
        "split": split,
    }
    provenance = {
        "name": "mobilenet_v2",
        "layer": f"gap, hash {BITS}",
        "description": f"DHCNN of {BITS} bits on mobilenet_v2, gap",
        "weights": {"file": "model.safetensors", "sha256": "cd" * 32, "source": "rsir train dhcnn"},
        "preprocessing": {"input_size": 224},
        "hash": {"bits": BITS, "classes": list(reversed(classes)), "training": given | training},
    }
    matrix = np.hstack([u, scores[:, ::-1]]).astype(np.float32)
    features = Features(matrix, items, labels, tuple(classes), name, provenance=provenance)
    result = rf.evaluate_dhcnn2021(features, examples=5)
    content = json.loads(result.to_json()) | {"timing": {"extract_s": 75.0, "rank_s": 0.25, "threads": 1}}
    colours = rng.integers(0, 256, (len(labels), 3))
    images = [Image.new("RGB", (32, 24), tuple(int(value) for value in colour)) for colour in colours]
    return Run(content, [example.model_dump() for example in result.examples], images)


@pytest.fixture
def run() -> Run:
    return evaluated(["beach", "forest", "river"])


def render(run: Run, command: str | None = None, **options: Any) -> str:
    given = Options(**{"load_image": run.load_image, **options})
    return render_page(view_of(run.result).content(run.result, given).page, run.result, command)


def printed(run: Run, width: int = 80, **options: Any) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(result_table(run.result, **options))
    return captured.get()


def table(source: str, caption: str) -> list[list[str]]:
    """The cells of the table with this caption, row by row."""
    body = source[source.index(caption) :].split("</table>")[0].split("<tbody>")[1]
    rows = re.findall(r"<tr.*?</tr>", body, flags=re.DOTALL)
    return [[re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def percent(value: float) -> str:
    return f"{100 * round(value, 4):.2f} %"


def test_page_is_well_formed_with_unique_ids_and_reachable_sections(run):
    run.content["dataset"] |= {"name": "UC Merced", "skipped": [{"item": "a.jpg", "reason": "0 bytes"}]}
    page = Page(render(run, command="rsir evaluate dhcnn2021 codes"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = [value[1:] for value in page.values("href") if value.startswith("#")]
    assert set(links) <= set(ids)
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert len(sections) == 11
    assert links[:11] == sections


def test_page_fetches_nothing(run):
    source = render(run)
    page = Page(source)
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        link = attrs.get("href", attrs.get("xlink:href"))
        assert link is None or link.startswith("#") or (tag == "a" and link.startswith("https://doi.org/"))
    assert not re.search(r"url\((?!#)|@import", source)


def test_the_headline_is_the_expectation_for_both_databases_and_says_which_flatters(run):
    source = render(run)
    text = Page(source).text
    hero = text[: text.index("Images in the database")]
    for part, words in (("test_vs_train", "test vs train (the paper's way)"), ("test_vs_test", "mAP, test vs test")):
        value = run.content[part]["map"]["expected"]
        assert hero.index(words) < hero.index(percent(value), hero.index(words)) < hero.index(words) + 60
    assert "which flatters the score" in hero
    labels = run.content["labels"]
    assert f"{percent(labels['overall_accuracy'])}" in hero
    assert f"kappa {labels['kappa']:.4f}" in hero


def test_all_tie_rules_and_both_databases_stand_in_the_table(run):
    rows = {row[0]: row[1:] for row in table(render(run), "mAP under four rules for ties")}
    for key, words in (("expected", "expected over ties"), ("by_index", "ties by index")):
        shown = [run.content[part]["map"][key] for part in ("test_vs_train", "test_vs_test")]
        assert rows[f"mAP, {words}"] == [f"{percent(value)} ({value:.4f})" for value in shown]
    assert {"mAP, ties at worst", "mAP, ties at best"} <= set(rows)
    assert len({tuple(rows[name]) for name in rows if name.startswith("mAP")}) == 4
    assert rows["Images in the database"] == ["12", "6"]


def test_precision_and_recall_by_number_with_dashes_beyond_the_database(run):
    rows = table(render(run), "Precision and recall by number of images returned")
    visual, among = run.content["test_vs_train"], run.content["test_vs_test"]
    assert [row[0] for row in rows] == ["1", "11"]
    keys = ("precision_at", "recall_at", "recall_micro_at")
    assert rows[0][1:] == [percent(m[key][0]) for m in (visual, among) for key in keys]
    assert rows[1][4:] == ["–", "–", "–"]


def test_a_result_of_before_says_that_its_precision_is_by_index(run):
    now = {row.label: row.text for row in method_rows(run.result)}["Precision, recall"]
    figures = run.result.test_vs_train.model_copy(update={"recall_micro_at": ()})
    before = method_rows(run.result.model_copy(update={"test_vs_train": figures}))
    assert "expected over a random order" in now
    assert "ties by index" in {row.label: row.text for row in before}["Precision, recall"]


def test_classes_have_their_own_row_whatever_the_models_order(run):
    rows = {row[0]: row[1:] for row in table(render(run), "mAP by database and share of right labels")}
    assert list(rows) == ["beach", "forest", "river"]
    place = run.content["classes"].index("beach")
    assert rows["beach"] == [
        "2",
        percent(run.content["test_vs_train"]["per_class"][place]),
        percent(run.content["test_vs_test"]["per_class"][place]),
        percent(run.content["labels"]["per_class"][place]),
    ]


def test_right_and_wrong_images_and_labels_are_told_apart_without_colour(run):
    source = render(run)
    hits = [hit for example in run.examples for hit in example["results"]]
    mislabelled = [hit for hit in hits if hit["label"] != hit["class_name"]]
    assert 0 < len(mislabelled) < len(hits)
    assert source.count('<li class="scene right">') == sum(hit["relevant"] for hit in hits)
    marks = re.findall(r'<span class="mark">\d+ (.)</span>', source)
    assert marks == ["✓" if hit["relevant"] else "✗" for hit in hits]
    captions = re.findall(r'<li class="scene.*?</b><span class="(\w+)">(.*?)</span>', source, flags=re.DOTALL)
    expected = []
    for hit in hits:
        share = f"{100 * hit['probability']:.0f} %"
        wrong = hit["label"] != hit["class_name"]
        expected.append(("mislabel", f"≠ label {hit['label']}, {share}") if wrong else ("soft", f"= label, {share}"))
    assert captions == expected
    for example in run.examples:
        assert f"{100 * example['query_probability']:.0f} %" in source
    distances = re.findall(r'<span class="soft">(\d+ bits?)</span></li>', source)
    assert distances == [f"{hit['distance']} bit{'' if hit['distance'] == 1 else 's'}" for hit in hits]


def test_method_provenance_timing_command_and_citation_are_stated(run):
    command = "rsir evaluate dhcnn2021 codes"
    text = Page(render(run, command=command, machine={"Machine": "x86-64"})).text
    wanted = [
        "backbone mobilenet_v2, layer gap in place of VGG-F fc7",
        "frozen: its weights stay as they were",
        "0.2 · similarity + 0.8 · label loss, as in the authors' MATLAB release; p = 32, β = 25, η = 0.2",
        "paper-code: of the similarity term",
        "modern: augment True; batch size 32; epochs 60",
        "12 training and 6 test images, at random in each class, seed 3",
        "queries: the test images of a split drawn in each class, 66.67 % for training, seed 3; gallery: the training "
        "images, then the other test images; relevant: an image of the query's class",
        "model.safetensors",
        "cd" * 32,
        "12 values for the code, 3 probabilities",
        "1 min 15 s",
        "Song W., Li S., Benediktsson J. A. (2021)",
        "59(11), 9661-9672",
        command,
        "x86-64",
    ]
    for words in wanted:
        assert words in text


def test_method_follows_the_training():
    pytorch = evaluated(["a", "b"], recipe=RECIPES["pytorch"].told(), freeze_backbone=False).result
    rows = {row.label: row.text for row in method_rows(pytorch)}
    assert rows["Loss"].startswith("0.8 · similarity + 0.2 · label loss, as in the authors' PyTorch release")
    assert rows["Gradient"].startswith("exact")
    assert rows["Backbone"].startswith("trained together")
    assert rows["Recipe"].startswith("pytorch: augment False; backbone factor 1.0; batch size 50")
    assert rows["Training, torch"] == "2.9"
    features = pytorch.features.model_copy(update={"backbone": "cnn-f", "layer": f"fc7, hash {BITS}"})
    vgg_f = pytorch.model_copy(update={"features": features})
    assert method_rows(vgg_f)[0].text == "none: VGG-F fc7, as in the paper"
    alexnet = features.model_copy(update={"backbone": "alexnet"})
    words = "torchvision's AlexNet fc7, as in the authors' PyTorch release; VGG-F fc7 in the paper"
    assert method_rows(pytorch.model_copy(update={"features": alexnet}))[0].text == words
    fewer = pytorch.model_copy(update={"images": ImageCounts(train=7, test=4)})
    assert "7 training and 4 test images" in {row.label: row.text for row in method_rows(fewer)}["Split"]
    assert "1 image of the split not found" in {row.label: row.text for row in method_rows(fewer)}["Split"]


def test_a_training_that_says_little_can_be_reported():
    text = Page(render(evaluated(["a", "b"], recipe=None, freeze_backbone=None))).text
    assert text.count("not stated") >= 2
    assert not re.search(r"\bnan\b|\bNone\b", text)


def test_published_numbers_stand_beside_uc_merced_only():
    ours = evaluated(["a", "b"], name="UCMerced_LandUse")
    source = render(ours)
    rows = table(source, "this run and published methods")
    assert rows[0][:3] == [
        "this run, expected over ties",
        percent(ours.content["test_vs_train"]["map"]["expected"]),
        percent(ours.content["labels"]["overall_accuracy"]),
    ]
    assert [row[:4] for row in rows[2:]] == [
        ["DHCNN", "96.67 %", "95.71 %", ""],
        ["DHCNN", "", "–", "98.02 %"],  # of ranks and a split that are not known
        ["DHCL", "", "–", "99.60 %"],
        ["HPSH", "", "–", "99.70 %"],
    ]
    assert rows[3][4] == "64 bits, as later papers quote it; cut-off and split not known"
    assert "this run: 12 images of 2 classes; the paper: 2,100 of 21" in Page(source).text
    assert "published numbers" not in Page(render(evaluated(["a", "b"], name="AID"))).text


def test_deviations_from_the_papers_split_are_named():
    dataset = {"name": "UCMerced_LandUse", "items": 2100, "classes": ["c"] * 21, "class_counts": [100] * 21}
    for train, test, expected in (
        (1680, 420, ""),
        (1050, 1050, "this run: 1,050 training and 1,050 test images; the paper: 1,680 and 420"),
    ):
        found = compare_with_published_hashing(DatasetFacts(**dataset), ImageCounts(train=train, test=test))
        assert found.deviation == expected


def test_wrong_labels_in_training_are_said_wherever_figures_stand():
    wrong = {"share": 0.25, "kind": "symmetric"}
    ours = evaluated(["a", "b"], name="UCMerced_LandUse", label_noise=wrong)
    said = "25 % of the labels wrong in training (symmetric)"
    text = Page(render(ours)).text
    assert f"; taught with {said}; gallery: the training images" in text
    assert f"8 training, {said}, 4 test" in text
    assert f"of 21; this run: {said}; the paper: true labels. The rows cannot be compared" in text
    assert said in " ".join(printed(ours).split())
    for nonsense in ({"share": "a"}, {"share": 0.2, "kind": "odd"}):
        with pytest.raises(FeaturesError, match="other things under (label_noise|noise)"):
            evaluated(["a", "b"], label_noise=nonsense)


def test_names_cannot_become_markup():
    run = evaluated([HOSTILE, '"><img src=x onerror=y>'], name=HOSTILE)
    page = Page(render(run, command=f"rsir {HOSTILE}"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(value.startswith("data:") for value in page.values("src"))
    assert HOSTILE in page.text
    assert "[/]" in printed(evaluated(["[red]x[/red]", "[/]"]), per_class=True)


def test_useless_features_are_explained(run):
    run.content["features"]["non_finite_rows"] = 2
    words = "2 images have features that are not finite (NaN or infinity); their codes and labels mean nothing"
    assert words in Page(render(run)).text
    assert words in printed(run, width=120)


def test_a_single_test_image_has_no_second_database():
    run = evaluated(["a", "b"], tests=1)
    run.content["test_vs_test"] = None
    text = Page(render(run)).text
    assert "mAP, test vs test–" in text.replace("\n", "")
    assert "test vs test" not in printed(run).split("labels of the test images")[0]


def test_pictures_and_tables_have_names(run):
    run.content["dataset"] |= {"name": "UC Merced", "skipped": [{"item": "a.jpg", "reason": "0 bytes"}]}
    source = render(run)
    wrapped = re.findall(r'<div[^>]* role="img" aria-label="([^"]+)"><svg\b', source)
    assert len(wrapped) == len(set(wrapped)) == source.count("<figure") == 5
    captions = re.findall(r"<table>\s*<caption[^>]*>([^<]+)</caption>", source)
    assert len(captions) == len(set(captions)) == source.count("<table") == 5


def test_no_pictures_and_no_examples(run):
    assert "The pictures themselves were not at hand" in Page(render(run, load_image=None)).text
    assert "Example rankings" not in Page(render(replace(run, examples=[]))).text


def test_figures_stand_under_the_right_database_at_80_columns(run):
    out = printed(run, per_class=True)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    heading = next(line for line in lines if "test vs train" in line)
    assert heading.index("test vs train") < heading.index("test vs test")
    row = next(line for line in lines if "expected over ties" in line)
    visual, among = (run.content[part]["map"]["expected"] for part in ("test_vs_train", "test_vs_test"))
    assert visual != among
    assert row.index(f"({visual:.4f})") < row.index(f"({among:.4f})")
    for words in ("ties at worst", "precision, recall at 11", "recipe: modern", "flatter the score", "forest"):
        assert words in out
    assert f"overall accuracy {percent(run.content['labels']['overall_accuracy'])}" in out
    assert "forest" not in printed(run)


def test_writes_its_files_with_the_same_bytes_on_a_second_run(tmp_path):
    for folder in ("one", "two"):
        run = evaluated(["a", "b", "c"])
        paths = write_report(tmp_path / folder, run.result, run.load_image)
        assert sorted(path.name for path in paths.values()) == FILES
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one/result.json").read_text() == run.result.to_json()


def test_what_is_no_result_is_named(run, tmp_path):
    with pytest.raises(TypeError, match=r"expected a Ge2018Result, .*, got a dict; Ge2018Result.load"):
        write_report(tmp_path / "run", run.content)
    assert not (tmp_path / "run").exists()

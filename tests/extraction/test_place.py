"""A row's bits depend neither on the images beside it nor on its place in the batch; queries are computed alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.backbones import Backbone, load_backbone
from rsir_fast.cli import app
from rsir_fast.extraction import encode
from rsir_fast.extraction.again import encode_like
from rsir_fast.extraction.run import Run
from scene_files import write_scenes

NETWORKS = {
    "squeezenet1_1": {},
    "mobilenet_v2": {},
    "cnn-f": {"layer": "fc6", "width": 0.1},
    "cnn-alex": {"layer": "pool5", "width": 0.1},
}
BATCH = 5


def network(name: str) -> Backbone:
    return load_backbone(name, weights="random:0", **NETWORKS[name])


def images(backbone: Backbone, count: int) -> torch.Tensor:
    side = backbone.preprocessing.input_size
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "count", "precision"),
    [
        ("mobilenet_v2", 2, "float32"),
        ("squeezenet1_1", 2, "bfloat16"),
        ("cnn-alex", 2, "float32"),
        *(("cnn-f", count, precision) for count in (1, 2) for precision in ("float32", "bfloat16")),
    ],
)
def test_every_place_of_a_batch_gives_the_same_bits(threads, name, count, precision):
    threads(count)
    run = Run(network(name), torch.device("cpu"), precision, BATCH)
    batch = images(run.backbone, BATCH)
    whole = run.forward(batch)
    assert torch.equal(run.forward(batch[1:2])[0], whole[1])
    assert torch.equal(run.forward(batch.flip(0)).flip(0), whole)
    for place in range(run.size):
        assert torch.equal(run.forward(batch, shift=place), whole)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_a_linear_layer_has_the_same_bits_at_every_place(threads, count):
    """For every batch size, of which 5 to 7 and 9 to 11 would not."""
    threads(count)
    layer, backbone = torch.nn.Linear(512, 12), network("squeezenet1_1")
    for batch_size in range(1, 34):
        size = Run(backbone, torch.device("cpu"), "float32", batch_size).size
        assert batch_size <= size < batch_size + 4
        rows = torch.rand(size, 512)
        assert all(torch.equal(layer(rows.roll(place, 0)).roll(-place, 0), layer(rows)) for place in range(size))


class _ByPlace(torch.nn.Module):
    """An engine that fails: what it gives depends on the place."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.mean((2, 3)) + torch.arange(len(values))[:, None]


def test_an_engine_whose_bits_depend_on_the_place_says_so(tmp_path, monkeypatch):
    scenes = write_scenes(tmp_path / "scenes", classes=2, per_class=4)
    backbone = network("squeezenet1_1")
    assert encode(scenes, backbone, batch_size=3).timing["same_at_every_place"] is True
    backbone._modules = {"network": _ByPlace()}
    backbone.dim = 3
    database = encode(scenes, backbone, batch_size=3, out=tmp_path / "f")
    assert database.timing["same_at_every_place"] is False
    found = encode_like(Features.load(tmp_path / "f"), database.as_dataset(), backbone)
    assert "the bits of the database depend on an image's place in the batch" in found.notes[-1]


def rsir(*arguments, code=0):
    """Run a command; a training may or may not have drawn the unreadable image."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in ((0, 3) if arguments[0] == "train" and not code else (code,)), result.output
    return result


def assert_found_at_zero(folder: Path, *more: object, key: str = "distance") -> None:
    """Every image of a database, all asked together or the last one alone, is at distance 0 from itself."""
    database = Features.load(folder)
    assert database.root is not None
    files = [database.root / item for item in database.items]
    for asked in (files, files[-1:]):
        done = rsir("search", folder, *asked, "-k", 3, *more, "--json")
        assert done.stderr == ""
        answers = json.loads(done.stdout)["queries"]
        assert len(answers) == len(asked)
        for answer, path in zip(answers, asked, strict=True):
            own = {entry["path"]: entry[key] for entry in answer["results"]}
            assert own[str(path)] == 0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """7 readable images and, in their middle, one that is not."""
    folder = write_scenes(tmp_path_factory.mktemp("place") / "scenes", classes=2, per_class=4)
    (folder / "class0" / "class0_2.jpg").write_text("no image")
    return folder


RUN = ["--device", "cpu", "--quiet", "--batch-size", 3]


@pytest.mark.parametrize("options", ["", ",precision=bfloat16", ",turns=mean,sizes=64"])
def test_an_image_of_the_database_has_distance_0(tmp_path, scenes, options):
    network = ["-e", f"squeezenet1_1{options}", "-w", "random:0"]
    rsir("features", scenes, *network, *RUN, "--out", tmp_path / "f", code=3)
    assert_found_at_zero(tmp_path / "f")


@pytest.mark.data
def test_real_images_and_weights(tmp_path, data_root, threads):
    """MobileNetV2 with its published weights; the database by one thread, the search by two."""
    folder = tmp_path / "scenes"
    for name in ("beach", "harbor"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            source = data_root / "UCMerced_LandUse" / "Images" / name / f"{name}{number:02d}.jpg"
            (folder / name / source.name).write_bytes(source.read_bytes())
    (folder / "beach" / "beach02.jpg").write_bytes(b"\xff\xd8 cut")
    threads(1)
    rsir("features", folder, *RUN, "--out", tmp_path / "f", code=3)
    threads(2)
    assert_found_at_zero(tmp_path / "f")


def test_codes_of_a_database_image_have_distance_0(tmp_path, scenes):
    network = ["-e", "squeezenet1_1", "-w", "random:0", *RUN]
    out = tmp_path / "run"
    rsir("train", "dhcnn", scenes, *network, "--freeze-backbone", "--bits", 12, "--epochs", 3, "--out", out)
    model = out / "model.safetensors"
    rsir("features", scenes, "-e", model, *RUN, "--out", tmp_path / "codes", code=3)
    assert_found_at_zero(tmp_path / "codes", "-w", model, "--rerank-codes", 20, key="euclidean")


def test_what_is_not_as_it_was_is_said(tmp_path, scenes):
    backbone = network("squeezenet1_1")
    database = encode(scenes, backbone, batch_size=3, device="cpu")
    made = database.provenance["extraction"]
    older = {key: value for key, value in made.items() if key != "padded"} | {"torch": "1.0"}
    changed = Features(
        database.matrix,
        database.items,
        database.labels,
        database.classes,
        "demo",
        database.root,
        {**database.provenance, "extraction": older},
    )
    changed.save(tmp_path / "f")
    note = rsir("search", tmp_path / "f", scenes / "class1/class1_0.jpg", "-k", 1).stderr
    assert "no image's distance to itself need be exactly 0: the database is of an older version, whose last" in note
    assert f"another version of torch (1.0, now {torch.__version__})" in note


def test_turns_kept_for_training(tmp_path, scenes):
    """Training from the folder gives the weights of training from images; all else takes the first turn."""
    network = ["-e", "squeezenet1_1", "-w", "random:0", "--batch-size", 8]
    each = ["-e", "squeezenet1_1,turns=each", "-w", "random:0", "--batch-size", 8]
    rsir("features", scenes, *each, "--device", "cpu", "--quiet", "--out", tmp_path / "turns", code=3)
    rsir("features", scenes, *network, "--device", "cpu", "--quiet", "--out", tmp_path / "plain", code=3)
    kept, plain = Features.load(tmp_path / "turns"), Features.load(tmp_path / "plain")
    assert (kept.dim, kept.provenance["turns"]) == (8 * plain.dim, 8)
    assert np.array_equal(kept.field().matrix, plain.matrix)
    assert kept.field().provenance == plain.provenance
    train = ["train", "dhcnn", scenes, *network, "--device", "cpu", "--freeze-backbone", "--bits", 8, "--epochs", 2]
    told = rsir(*train, "--out", tmp_path / "one").stderr
    # 80 % of 4 images of each of two classes.
    assert "8 forward passes an image, for its 8 turns (6 images: 48 passes); to make them once for several" in told
    again = f"rsir features {scenes} --encoder squeezenet1_1,turns=each --weights random:0 --device cpu --out FOLDER"
    assert f"{again}, then --features FOLDER" in told
    told = rsir(*train, "--features", tmp_path / "turns", "--out", tmp_path / "two").stderr
    assert "forward passes" not in told
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    told = rsir(*train, "--features", tmp_path / "plain", "--out", tmp_path / "three", code=1).stderr
    assert "found others (turns: upright, now each); make them by `rsir features --encoder NAME,turns=each`" in told
    results = [
        json.loads(rsir("search", tmp_path / name, scenes / "class1/class1_0.jpg", "--json").stdout)["queries"]
        for name in ("turns", "plain")
    ]
    assert results[0] == results[1]
    figures = [
        json.loads(rsir("evaluate", "ge2018", tmp_path / n, "--json", "--out", tmp_path / f"e{n}", code=3).stdout)
        for n in ("turns", "plain")
    ]
    assert figures[0]["query_excluded"] == figures[1]["query_excluded"]
    told = rsir("features", scenes, "-e", "squeezenet1_1,turns=each,sizes=64", "--out", tmp_path / "x", code=2).stderr
    assert "--encoder: expected turns=each or sizes=, got both" in told

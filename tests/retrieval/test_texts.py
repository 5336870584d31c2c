"""A text is a query: a small CLIP model learns what synthetic scenes are called, and finds others by their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app

pytest.importorskip("open_clip", reason="needs open_clip: pip install 'rsir-fast[open_clip]'")
import small_clip

NAME = f"open_clip:{small_clip.NAME}"
CLASSES = ("beach", "farmland", "forest", "harbor", "river", "runway")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights that learnt from two thirds of the scenes, and an archive of the others."""
    folder = tmp_path_factory.mktemp("texts")
    small_clip.known(folder)
    scenes = rf.generate_scenes(folder / "scenes", classes=CLASSES, per_class=24, size=64)
    learnt = scenes.subset([item for item in range(len(scenes)) if item % 3])
    steps = rf.load_encoder(NAME, weights="random:0").backbone.preprocessing
    images = torch.from_numpy(np.stack([steps.prepare(learnt.load_image(item)) for item in range(len(learnt))]))
    clip = small_clip.trained(steps.normalize(images), torch.tensor(learnt.labels), CLASSES, steps=100)
    weights = small_clip.write(clip, folder / "clip.safetensors")
    rf.encode(scenes.subset(range(0, len(scenes), 3)), rf.load_encoder(NAME, weights=weights), out=folder / "A")
    return folder


def test_a_text_finds_what_it_names(trained):
    """The share of right classes among the first five; by chance it is a sixth."""
    archive = rf.Archive(trained / "A")
    hits = archive.search(rf.Query(texts=[f"a {name}" for name in CLASSES], k=5), weights=trained / "clip.safetensors")
    shares = [
        sum(hit["class"] == name for hit in answer["results"]) / 5
        for name, answer in zip(CLASSES, hits.as_json(), strict=True)
    ]
    print(f"right of the first five: {np.mean(shares):.2f} by text, {1 / len(CLASSES):.2f} by chance ({shares})")
    assert np.mean(shares) >= 0.6
    assert hits.how["normalize"] == "none"


def test_the_order_is_that_of_cosines(trained):
    features, weights = rf.Archive(trained / "A").features(), trained / "clip.safetensors"
    text = rf.load_encoder(NAME, weights=weights).texts(["a runway"])[0]
    hits = rf.search(features, rf.Query(texts="a runway", k=len(features)), weights=weights)
    cosines = features.matrix.astype(np.float64) @ text.astype(np.float64)
    np.testing.assert_allclose(2 - 2 * cosines[hits.ids[0]], hits.squared[0], atol=1e-6)
    assert (np.diff(cosines[hits.ids[0]]) <= 1e-6).all()
    image = rf.search(features, rf.Query(ids=[3], k=2))
    assert image.how["normalize"] == "none"


@pytest.mark.parametrize("normalize", ["row", "feature"])
def test_texts_are_compared_as_they_are(trained, normalize):
    query = rf.Query(texts="a runway", normalize=normalize)
    with pytest.raises(ValueError, match=f"normalize: expected none beside texts, .* got '{normalize}'; leave it out"):
        rf.search(rf.Archive(trained / "A").features(), query, weights=trained / "clip.safetensors")


def test_an_archive_that_reads_no_text(tmp_path):
    """Said before weights are looked for, which are not there."""
    scenes = rf.generate_scenes(tmp_path / "scenes", classes=2, per_class=2, size=64)
    for word in ("squeezenet1_1", "colour-histogram"):
        features = rf.encode(scenes, rf.load_encoder(word, weights="random:0" if "net" in word else None))
        with pytest.raises(ValueError, match=f"text: expected an encoder that reads text as well, .*, got {word}"):
            rf.search(features, rf.Query(texts="a runway"), weights=tmp_path / "none")


def rsir(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_on_the_command_line(trained):
    asked = ["search", trained / "A", "--weights", trained / "clip.safetensors", "-k", 3]
    found = rsir(*asked, "--text", "a beach", "--text", "a harbor")
    assert found.exit_code == 0, found.output
    assert "query a beach" in found.stdout
    assert "query a harbor" in found.stdout
    for text, told in (("", "--text"), (" ", "text: expected words"), ("runway " * 99, "at most 75 tokens")):
        refused = rsir(*asked, "--text", text)
        assert refused.exit_code == 2
        assert told in refused.output
        assert refused.stdout == ""

"""An archive that grew gives the figures of a fresh one: vectors and codes, in whatever order the images came."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot, Writer
from rsir_fast.archive.inputs import About, Input
from rsir_fast.retrieval import Column
from scene_files import write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("grown") / "scenes", classes=3, per_class=5)


def grow(scenes, place, encoder):
    """Three steps in the wrong order, one image taken away and brought back."""
    images = sorted(scenes.rglob("*.jpg"))
    steps = [images[10:], images[:3], images[3:10]]
    for added in steps:
        for image in added:
            target = place / "scenes" / image.relative_to(scenes)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(image, target)
        rf.encode(place / "scenes", encoder, out=place / "f", device="cpu", batch_size=4, resume=True)
    gone = place / "scenes" / images[6].relative_to(scenes)
    gone.rename(place / "aside.jpg")
    assert len(rf.encode(place / "scenes", encoder, out=place / "f", device="cpu", batch_size=4, resume=True)) == 14
    (place / "aside.jpg").rename(gone)
    grown = rf.encode(place / "scenes", encoder, out=place / "f", device="cpu", batch_size=4, resume=True)
    fresh = rf.encode(place / "scenes", encoder, out=place / "fresh", device="cpu", batch_size=4)
    assert len(Snapshot(place / "f").segments) == 3
    assert Snapshot(place / "f").version.order is not None
    return grown, fresh


def content(result):
    return {key: value for key, value in result.model_dump().items() if key != "timing"}


def test_vectors(scenes, tmp_path):
    grown, fresh = grow(scenes, tmp_path, rf.load_encoder("squeezenet1_1:gap", weights="random:0"))
    assert grown.provenance == fresh.provenance
    for steps in ("", "power,center,l2"):
        one, other = (rf.evaluate_ge2018(features, steps=steps) for features in (grown, fresh))
        assert content(one) == content(other)


def test_codes(scenes, tmp_path):
    backbone = rf.load_encoder("squeezenet1_1", weights="random:0")
    rf.train_dhcnn(
        scenes, backbone, bits=64, epochs=2, freeze_backbone=True, device="cpu", out=tmp_path / "run", workers=0
    )
    model = rf.load_encoder(tmp_path / "run/model.safetensors")
    grown, fresh = grow(scenes, tmp_path, model)
    assert [field.name for field in grown.fields] == ["u", "codes", "probabilities"]
    assert np.asarray(grown["codes"]).tobytes() == np.asarray(fresh["codes"]).tobytes()
    assert np.array_equal(grown["codes"], rf.pack_codes(fresh["u"]))
    one, other = (rf.evaluate_dhcnn2021(features) for features in (grown, fresh))
    assert content(one) == content(other)


def test_a_hundred_segments_are_one_matrix(tmp_path, monkeypatch):
    x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    labels = np.arange(200) % 5
    whole = Features(x, tuple(f"{number:03d}.jpg" for number in range(200)), labels, tuple("abcde"), "demo")
    whole.save(tmp_path / "one")
    spec = Snapshot(tmp_path / "one").spec
    for last in range(2, 201, 2):
        inputs = [Input("images", f"{n:03d}.jpg", 1, n, "abcde"[n % 5]) for n in range(last)]
        about = About(name="demo", classes=tuple("abcde"), made={})
        with Writer(tmp_path / "many", spec, {}, inputs, about=about, sha256=lambda n: f"{n:064x}") as writer:
            writer.add(writer.todo, {"vector": x[writer.todo]})
            writer.commit()
    assert len(Snapshot(tmp_path / "many").segments) == 100
    short = Features.load(tmp_path / "many")
    assert len(short.vectors.blocks) == 1  # stretches that are too short for blocks are copied together
    monkeypatch.setattr("rsir_fast.archive.snapshot._STRETCH", 1)
    many = rf.Archive(tmp_path / "many").features()
    assert len(many.vectors.blocks) == 100
    for normalize in ("row", "none", "feature"):
        one, *others = (rf.evaluate_ge2018(features, normalize=normalize) for features in (whole, short, many))
        assert all(content(one) == content(other) for other in others)
        for more in ({}, {"where": Column(column="class", op="!=", value="c")}, {"steps": "power,l2"}):
            query = rf.Query(ids=(3, 77, 150), k=9, normalize=normalize, **more)
            assert rf.search(many, query).as_json() == rf.search(whole, query).as_json()
    assert np.array_equal(many.matrix, x)

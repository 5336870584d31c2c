"""What all descriptors share: data set in, features out."""

from __future__ import annotations

import builtins
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from op_support import same_bits
from rsir_fast.archive import Features
from rsir_fast.archive.folders import learnt_file
from rsir_fast.datasets import open_dataset
from rsir_fast.descriptors import BagOfVisualWords, ColourHistogram, load_descriptor
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import FeaturesError, RsirError
from rsir_fast.extraction import encode
from rsir_fast.extraction.again import encoder_of
from rsir_fast.protocols import evaluate_ge2018
from scene_files import write_broken, write_scenes

pytest.importorskip("cv2")
pytest.importorskip("higra")

NAMES = ["bovw-12", "bovw-12-dense", "morphological-62", "colour-histogram", "hog", "lbp"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), per_class=4, size=56)


@pytest.mark.parametrize("name", NAMES)
def test_workers_and_shards_change_no_bit(name, scenes, tmp_path):
    expected = encode(scenes, load_descriptor(name), workers=0)
    assert expected.matrix.shape == (12, load_descriptor(name).dim)
    assert expected.items == open_dataset(scenes).items
    for workers in (1, 3):
        out = tmp_path / str(workers)
        stored = encode(scenes, load_descriptor(name), workers=workers, shard_size=5, out=out)
        assert same_bits(np.asarray(stored.matrix), expected.matrix)
        assert stored.provenance == expected.provenance


@pytest.mark.parametrize("name", NAMES)
def test_images_keep_their_size_and_unreadable_ones_are_listed(name, tmp_path):
    readable = write_broken(tmp_path / "images")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 130), dtype=np.uint8)).save(
        tmp_path / "images/w.png"
    )
    descriptor = load_descriptor(name)
    for out in (None, tmp_path / "f"):
        features = encode(tmp_path / "images", descriptor, workers=1, shard_size=3, out=out)
        assert {entry.item for entry in features.skipped} == {item for item, good in readable.items() if not good}
        assert set(features.items) == {item for item, good in readable.items() if good} | {"w.png"}
        assert np.isfinite(features.matrix).all()
        seen = dict(zip(features.items, features.matrix, strict=True))
        with Image.open(tmp_path / "images/w.png") as image:
            assert same_bits(seen["w.png"], descriptor.describe(image.convert("RGB")))


def rebuilt(features, folder):
    return encoder_of(features, learnt_file(folder)).runs


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_describes_further_images_the_same_way(name, scenes, tmp_path):
    features = encode(scenes, load_descriptor(name), out=tmp_path / "f")
    again = rebuilt(Features.load(tmp_path / "f"), tmp_path / "f")
    assert same_bits(again.describe(open_dataset(scenes).load_image(7)), np.asarray(features.matrix[7]))
    assert again.provenance == features.provenance


def test_provenance_is_complete(scenes):
    made = encode(scenes, BagOfVisualWords(words=12, seed=3)).provenance
    assert made["name"] == "bovw-12"
    assert made["description"] == "BoVW-12 (ours)"
    assert made["descriptor"]["parameters"]["seed"] == 3
    assert set(made["extraction"]) == {"opencv", "numpy", "pillow", "rsir_fast", "cpu_capability"}
    assert "detector thresholds" in made["descriptor"]["not_verified"]
    learnt = made["descriptor"]["learnt"]
    assert learnt["images"] == 12
    assert learnt["sampled"] == learnt["local_descriptors"] > 100
    assert len(learnt["sha256"]) == 64
    assert set(encode(scenes, load_descriptor("morphological-62")).provenance["extraction"]) == {
        "higra",
        "numpy",
        "pillow",
        "rsir_fast",
    }


def test_stopped_and_resumed_is_identical(scenes, tmp_path):
    straight = encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "straight", shard_size=3)
    seen = []

    def stop(progress):
        seen.append(progress.done)
        return len(seen) < 13 + 8  # the vocabulary's 0 to 12, then 0 to 7

    with pytest.raises(RsirError, match="stopped after 7 of 12 images"):
        encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "f", shard_size=3, workers=1, progress=stop)
    with pytest.raises(FeaturesError, match="unfinished"):
        Features.load(tmp_path / "f")
    seen.clear()

    def watch(progress):
        seen.append(progress.done)

    resumed = encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "f", shard_size=3, resume=True, progress=watch)
    assert seen == [6, 7, 8, 9, 10, 11, 12]  # no second vocabulary, no shard made twice
    assert same_bits(np.asarray(resumed.matrix), np.asarray(straight.matrix))
    one, other = (learnt_file(tmp_path / name).read_bytes() for name in ("f", "straight"))
    assert one == other


KILLED = """
import os, signal, sys
from rsir_fast.descriptors import BagOfVisualWords
from rsir_fast.extraction import encode

seen = []

def kill(progress):
    seen.append(progress.done)
    if len(seen) == 13 + 8:  # the vocabulary's 0 to 12, then 0 to 7
        os.kill(os.getpid(), signal.SIGKILL)

encode(sys.argv[1], BagOfVisualWords(words=12), out=sys.argv[2], shard_size=2, workers=1, progress=kill)
"""


def test_killed_and_resumed_is_identical(scenes, tmp_path):
    out = tmp_path / "f"
    process = subprocess.run([sys.executable, "-c", KILLED, str(scenes), str(out)])
    assert process.returncode == -signal.SIGKILL
    assert len(list(out.glob("work/*/[0-9]*/part.json"))) == 3, "of 6 parts"
    resumed = encode(scenes, BagOfVisualWords(words=12), out=out, shard_size=2, resume=True)
    assert "learn_s" not in resumed.timing
    straight = encode(scenes, BagOfVisualWords(words=12))
    assert straight.timing["learn_s"] > 0
    assert same_bits(np.asarray(resumed.matrix), straight.matrix)


def test_a_damaged_vocabulary_is_made_again(scenes, tmp_path):
    encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "f")
    path = tmp_path / "f/encoder/descriptor.safetensors"
    content = path.read_bytes()
    encode(scenes, BagOfVisualWords(words=12, seed=1), out=tmp_path / "other")
    of_another_seed = (tmp_path / "other/encoder/descriptor.safetensors").read_bytes()
    flipped = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
    for damaged in (content[:-9], b"", of_another_seed, flipped):
        path.write_bytes(damaged)
        again = encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "f", resume=True)
        assert len(again) == 12
        assert path.read_bytes() == content


def test_other_settings_are_refused_before_anything_is_learnt(scenes, tmp_path):
    encode(scenes, BagOfVisualWords(words=12), out=tmp_path / "f")
    with pytest.raises(FeaturesError, match=r"another encoder .descriptor: bovw-12, now bovw-13"):
        encode(scenes, BagOfVisualWords(words=13), out=tmp_path / "f", resume=True, progress=pytest.fail)
    with pytest.raises(FeaturesError, match="holds finished features: resume=True"):
        encode(scenes, BagOfVisualWords(words=13), out=tmp_path / "f", progress=pytest.fail)
    with pytest.raises(FeaturesError, match="another encoder .descriptor: bovw-12, now colour-histogram"):
        encode(scenes, ColourHistogram(), out=tmp_path / "f", resume=True)
    replaced = encode(scenes, ColourHistogram(2), out=tmp_path / "f", force=True)
    assert replaced.dim == 8
    assert not (tmp_path / "f/encoder/descriptor.safetensors").exists()


def test_a_folder_of_words_grows_by_its_own_vocabulary(scenes, tmp_path):
    """More images would give other words: what was learnt is named, and is gone on with where it is given."""
    shutil.copytree(scenes, tmp_path / "scenes")
    encode(tmp_path / "scenes", "bovw-12", out=tmp_path / "f", workers=0)
    shutil.copy(tmp_path / "scenes/class0/class0_0.jpg", tmp_path / "scenes/class0/more.jpg")
    with pytest.raises(FeaturesError, match=r"learnt from other images: go on with that \(--weights .*safetensors\)"):
        encode(tmp_path / "scenes", "bovw-12", out=tmp_path / "f", resume=True, progress=pytest.fail)
    words = load_encoder("bovw-12", weights=learnt_file(tmp_path / "f"))
    grown = encode(tmp_path / "scenes", words, out=tmp_path / "f", resume=True)
    assert len(grown) == 13
    assert same_bits(grown.matrix, encode(tmp_path / "scenes", words, workers=0).matrix)
    for wrong, said in (("bovw-13", "expected what bovw-13 learnt"), ("lbp", "weights: expected none for lbp")):
        with pytest.raises(ValueError, match=said):
            load_encoder(wrong, weights=learnt_file(tmp_path / "f"))


def test_a_vocabulary_serves_other_images_too(scenes, tmp_path):
    descriptor = BagOfVisualWords(words=12)
    encode(scenes, descriptor)
    others = write_scenes(tmp_path / "others", classes=2, per_class=2, size=64)
    digest = descriptor.digest()
    features = encode(others, descriptor, out=tmp_path / "f")
    assert descriptor.digest() == digest
    assert features.provenance["descriptor"]["learnt"]["images"] == 12
    assert rebuilt(features, tmp_path / "f").digest() == digest


def test_rebuilding_refuses_what_is_not_the_same(scenes, tmp_path):
    out = tmp_path / "f"
    found = encode(scenes, BagOfVisualWords(words=12), out=out)

    def changed(**stated) -> Features:
        return replace(
            found, provenance={**found.provenance, "descriptor": {**found.provenance["descriptor"], **stated}}
        )

    with pytest.raises(FeaturesError, match=r"describes otherwise \(colour, .*; describe the images again"):
        rebuilt(changed(choices={"colour": "infrared"}), out)
    with pytest.raises(FeaturesError, match="expected a descriptor that this version of rsir_fast has"):
        rebuilt(changed(kind="gist"), out)
    encode(scenes, BagOfVisualWords(words=12, seed=1), out=tmp_path / "other")
    with pytest.raises(FeaturesError, match=r"expected what bovw-12 learnt .* found another"):
        rebuilt(found, tmp_path / "other")
    learnt_file(out).unlink()
    with pytest.raises(
        FeaturesError,
        match=r"found none; name with weights the descriptor",
    ):
        rebuilt(found, out)


def test_data_sets_in_memory(scenes, tmp_path):
    pairs = [(image, 0) for image in open_dataset(scenes)]
    expected = encode(scenes, BagOfVisualWords(words=12)).matrix
    assert same_bits(encode(pairs, BagOfVisualWords(words=12)).matrix, expected)
    with pytest.raises(FeaturesError, match="cannot be known again"):
        encode(pairs, BagOfVisualWords(words=12), out=tmp_path / "f", resume=True)


@pytest.mark.parametrize(("name", "module"), [("bovw-150", "cv2"), ("morphological-62", "higra")])
def test_a_missing_package_is_named_with_the_fix(name, module, monkeypatch):
    real = builtins.__import__

    def without(wanted, *rest, **more):
        if wanted.split(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(wanted, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'rsir-fast\[shallow\]'"):
        load_descriptor(name)
    assert load_descriptor("colour-histogram").dim == 512  # the others go on


def test_unknown_names():
    for name in ("sift", "bovw-0", "bovw-", "bovw-150-sparse"):
        with pytest.raises(ValueError, match=f"descriptor: expected one of bovw-150, .*got '{name}'"):
            load_descriptor(name)


@pytest.mark.data
def test_real_scenes_are_told_apart(data_root):
    """Twenty scenes of five classes: every descriptor well above chance, which is near 0.28 here."""
    data = open_dataset(data_root / "UCMerced_LandUse").select(["beach", "forest", "harbor", "parkinglot", "river"])
    some = data.subset([number for number in range(len(data)) if number % 100 < 4])
    for name, least in {"bovw-150": 0.6, "morphological-62": 0.5, "colour-histogram": 0.5, "lbp": 0.5}.items():
        features = encode(some, load_descriptor(name))
        result = evaluate_ge2018(features, normalize="feature" if name.startswith("m") else "row")
        assert result.query_excluded.map > least, name
        assert result.features.non_finite_rows == 0

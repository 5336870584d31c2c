"""From a word, a spec or a module to an encoder, and back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.backbones import Preprocessing, all_turns, averaged, load_backbone
from rsir_fast.datasets import generate_scenes
from rsir_fast.descriptors import NAMES
from rsir_fast.encoders import ModuleSpec, ReaderSpec, parse_spec
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead
from rsir_fast.encoders.word import DESCRIPTORS, Word, parse_row, parse_word
from rsir_fast.errors import FeaturesError, WeightFileError
from rsir_fast.extraction.again import encode_like, encoder_of
from side_by_side import table

NETWORK = "squeezenet1_1"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return generate_scenes(tmp_path_factory.mktemp("scenes"), classes=2, per_class=3, size=64)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    network = load_backbone("cnn-f", "fc6", "random:0", width=0.02)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    made = DHCNN(network, HashHead(network.dim, 12, 2, seed=3))
    HashModel(made, ("a", "b"), {"freeze_backbone": True}).save(path)
    return path


class Means(nn.Module):
    """A module of a user's: the mean of every channel, scaled."""

    name = "channel-means"

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.preprocessing = Preprocessing(16, divisor=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images):
        return images.mean((2, 3)) * self.scale


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cnn-m", Word(name="cnn-m")),
        ("cnn-m:fc6", Word(name="cnn-m", layers=("fc6",))),
        ("cnn-m:pool5+fc6,resize=short-side", Word(name="cnn-m", layers=("pool5", "fc6"), resize="short-side")),
        ("resnet18:layer3.1.relu", Word(name="resnet18", layers=("layer3.1.relu",))),
        ("resnet18,turns=mean,sizes=224+320", Word(name="resnet18", turns="mean", sizes=(224, 320))),
        ("resnet18,precision=bfloat16,turns=each", Word(name="resnet18", turns="each", precision="bfloat16")),
        ("cnn-m,width=0.5", Word(name="cnn-m", width=0.5)),
        ("a,b/c:d/model.safetensors,turns=mean", Word(name="a,b/c:d/model.safetensors", turns="mean")),
        ("bovw-20-dense", Word(name="bovw-20-dense")),
        ("bovw-20,norm=l2,detector=dense", Word(name="bovw-20-dense")),
        ("bovw-20-root,detector=dog,norm=root", Word(name="bovw-20-root,norm=root")),
        ("timm:resnet18.a1_in1k,turns=mean", Word(name="timm:resnet18.a1_in1k", turns="mean")),
        ("open_clip:ViT-B-32:image", Word(name="open_clip:ViT-B-32", layers=("image",))),
    ],
)
def test_words(text, word):
    assert parse_word(text) == word


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected NAME"),
        (":fc6", "expected NAME"),
        ("cnn-m:", "expected NAME"),
        ("cnn-m:fc6+", "expected NAME"),
        ("cnn-m,turns=some", "expected turns=upright or mean or each, got 'some'"),
        ("cnn-m,turns=mean,turns=each", "expected turns once, got it twice"),
        ("cnn-m,colour=red", "expected resize=, turns=, .* after the comma, got 'colour=red'"),
        ("resnet18,sizes=224,320", "after the comma, got"),
        ("resnet18,sizes=16", "different numbers of at least 32, got '16'"),
        ("resnet18,sizes=64+64", "different numbers of at least 32"),
        ("resnet18,sizes=big", "expected sizes=whole numbers such as 224.320, got 'big'"),
        ("cnn-m,width=2", "expected width=a share above 0 and at most 1, got '2'"),
        ("hog,turns=mean", "expected hog alone, as it runs no network"),
        ("hog:fc6", "expected hog alone"),
        ("bovw-20,norm=max", "expected norm=l1 or l2 or root, got 'max'"),
        ("bovw-20,turns=mean", "expected norm= or detector= after the comma, got 'turns=mean'"),
        ("bovw-20-dense,detector=dog", "expected detector once, got it twice"),
        ("bovw-20,norm=l1,norm=l1", "expected norm once, got it twice"),
        ("m.safetensors,sizes=64", "expected no sizes= for a hash model"),
        ("m.safetensors,turns=each", "expected turns=mean for a hash model"),
        ("resnet18,turns=each,sizes=64", "expected turns=each or sizes=, got both"),
        ("cnn-m:pool5+fc6,turns=mean", "expected one layer beside turns= or sizes="),
        ("timm:,turns=mean", "expected the name of a model after timm:"),
        ("timm:resnet18,resize=whole", "expected no resize= for timm:resnet18, which is as its library has it"),
    ],
)
def test_words_that_mean_nothing(text, message):
    with pytest.raises(ValueError, match=message):
        parse_word(text)


def test_a_row_says_how_it_is_compared():
    row = parse_row("bovw-9,distance=l1,norm=root,normalize=none")
    assert (row, str(row)) == (("bovw-9,norm=root", "none", "l1"), "bovw-9,norm=root,normalize=none,distance=l1")
    assert parse_row("hog,distance=euclidean") == parse_row("hog") == ("hog", "", "")
    for wrong in ("hog,distance=l2", "hog,normalize=row,normalize=row", "cnn-m:fc6,distance=l1"):
        with pytest.raises(ValueError, match=r"encoder: expected (distance|normalize)="):
            parse_row(wrong)


def test_names_of_descriptors_are_those_of_the_library():
    assert DESCRIPTORS == NAMES


def test_a_word_is_understood_without_torch():
    program = "import rsir_fast.encoders.word, sys; print([n for n in ('torch', 'numpy') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize(
    "word",
    [NETWORK, "cnn-f:pool5+fc6", "cnn-f:fc6,width=0.02,turns=mean", f"{NETWORK},sizes=64+96", "cnn-f,turns=each"],
)
def test_a_spec_loads_the_encoder_that_it_means(word):
    encoder = rf.load_encoder(word, weights="random:3")
    spec = parse_spec(encoder.spec.meaning())
    again = rf.load_encoder(spec.model_copy(update={"reader": ReaderSpec(scale="minmax")}))
    assert again.spec == encoder.spec
    assert again.provenance == encoder.provenance
    with pytest.raises(WeightFileError, match=r"found another with random:4 \(weights: random:3, now random:4\)"):
        rf.load_encoder(spec, weights="random:4")


def test_one_pass_gives_several_layers(scenes):
    both = rf.encode(scenes, rf.load_encoder("cnn-f:pool5+fc6,width=0.05", weights="random:0"), device="cpu")
    assert [field.name for field in both.fields] == ["pool5", "fc6"]
    for layer in ("pool5", "fc6"):
        alone = rf.encode(scenes, rf.load_encoder(f"cnn-f:{layer},width=0.05", weights="random:0"), device="cpu")
        assert np.array_equal(both[layer], alone.matrix)
        assert both.spec.field(layer).digest() == alone.spec.field(layer).digest()
        assert both.field(layer).spec == alone.spec
    last = rf.load_encoder("cnn-f:pool5+fc7,width=0.05", weights="random:0")
    assert [field.name for field in last.fields] == ["pool5", "fc7"]
    assert np.array_equal(rf.encode(scenes, last, device="cpu")["pool5"], both["pool5"])
    with pytest.raises(ValueError, match="expected a plain cnn-"):
        rf.load_encoder(f"{NETWORK}:gap+features", weights="random:0")
    with pytest.raises(ValueError, match="layers: expected some of pool5, fc6, in this order, got fc6, pool5"):
        rf.backbones.every_layer(load_backbone("cnn-f", "fc6", "random:0"), ("fc6", "pool5"))


def test_words_say_what_functions_did(scenes):
    plain, two = load_backbone(NETWORK, weights="random:0"), rf.open_dataset(scenes).subset([0, 3])
    for word, made in (
        (NETWORK, plain),
        (f"{NETWORK},turns=each", all_turns(plain)),
        (f"{NETWORK},turns=mean,sizes=64+96", averaged(plain, turns=True, sizes=(64, 96))),
        (f"{NETWORK}:gap,resize=short-side", load_backbone(NETWORK, "gap", "random:0", resize="short-side")),
    ):
        found = rf.load_encoder(word, weights="random:0")
        assert found.provenance == made.provenance
        assert np.array_equal(
            table(rf.encode(two, found, device="cpu", batch_size=2)),
            table(rf.encode(two, made, device="cpu", batch_size=2)),
        )


def test_queries_go_through_the_encoder_of_the_database(scenes, model_file, tmp_path):
    for name, word, file in (
        ("network", f"{NETWORK},precision=bfloat16,turns=mean,sizes=64", "random:0"),
        ("narrow", "cnn-f:fc6,width=0.05", "random:0"),
        ("model", str(model_file), model_file),
        ("words", "bovw-3", tmp_path / "words/encoder/descriptor.safetensors"),
        ("lbp", "lbp", None),
    ):
        weights = file if file == "random:0" else None
        encoder = rf.load_encoder(word, weights=weights)
        # bfloat16 is slow on a processor that has none, and the last pass is filled up: few images a pass. Not of the
        # others: with few rows some processors multiply a row by its place in the batch, which a note says.
        size = {"batch_size": 4} if name == "network" else {}
        made = rf.encode(scenes, encoder, out=tmp_path / name, workers=0, **size)
        database = Features.load(tmp_path / name)
        encoder = encoder_of(database, file)
        assert encoder.spec.model_copy(update={"reader": database.spec.reader}) == database.spec == made.spec
        found = encode_like(database, scenes, encoder)
        assert np.array_equal(table(found), table(database)), name
        assert not found.notes


def test_a_hash_model_needs_its_file(model_file):
    spec = rf.load_encoder(model_file).spec
    with pytest.raises(ValueError, match=r"weights: expected the model that is meant \(12 bits of cnn-f:fc6, SHA-256 "):
        rf.load_encoder(spec)
    assert rf.load_encoder(spec, weights=model_file).spec == spec
    in_memory = rf.load_encoder(HashModel.load(model_file))
    assert in_memory.spec == spec
    assert repr(in_memory) == "Encoder(12 bits of cnn-f:fc6, u 12 + codes 2 + probabilities 2, none: in memory)"
    other = spec.model_copy(update={"weights": "0" * 64})
    with pytest.raises(WeightFileError, match="found another with model.safetensors .weights: 0000000000000000..."):
        rf.load_encoder(other, weights=model_file)


def test_any_module_with_a_name_and_preprocessing(scenes, tmp_path):
    module = Means(2.0)
    features = rf.encode(scenes, module, device="cpu", out=tmp_path / "f")
    prepared = [module.preprocessing.prepare(image) for image in rf.open_dataset(scenes)]
    expected = np.stack(prepared).astype(np.float64).mean((2, 3)) * 2
    np.testing.assert_allclose(features.matrix, expected, rtol=1e-5)
    assert isinstance(features.spec, ModuleSpec)
    assert (features.spec.title, features["output"].shape) == ("channel-means:output", (6, 3))
    assert rf.load_encoder(Means(2.0)).spec.weights == features.spec.weights
    assert rf.load_encoder(Means(3.0)).spec.weights != features.spec.weights
    assert Features.load(tmp_path / "f").spec == features.spec
    with pytest.raises(ValueError, match="expected the module 'channel-means' itself, which no file holds"):
        encoder_of(features)
    rf.encode(scenes, Means(2.0), device="cpu", out=tmp_path / "f", resume=True)
    with pytest.raises(FeaturesError, match="holds rows of another encoder"):
        rf.encode(scenes, Means(3.0), device="cpu", out=tmp_path / "f", resume=True)
    with pytest.raises(ValueError, match="expected Identity to have a name .str. and a preprocessing"):
        rf.load_encoder(nn.Identity())


def test_what_goes_with_a_network_is_refused_for_a_descriptor(scenes):
    for name, value in (("batch_size", 8), ("device", "cpu"), ("decoder", "cpu")):
        with pytest.raises(ValueError, match=f"{name}: expected none for lbp, which runs no network"):
            rf.encode(scenes, "lbp", **{name: value})
    with pytest.raises(ValueError, match="weights: expected none for lbp"):
        rf.load_encoder("lbp", weights="random:0")
    with pytest.raises(ValueError, match="weights: expected none beside a hash model"):
        rf.load_encoder("m.safetensors", weights="random:0")
    with pytest.raises(ValueError, match="weights: expected none beside a Means"):
        rf.load_encoder(Means(), weights="random:0")
    with pytest.raises(ValueError, match="expected a network, got lbp"):
        rf.train_dhcnn(scenes, "lbp")


@pytest.mark.parametrize("name", ["extract", "describe_dataset", "load_backbone", "load_descriptor", "Backbone"])
def test_former_names_say_the_new_one(name):
    with pytest.raises(ImportError, match=f"rsir_fast.{name} is now rsir_fast.(encode|load_encoder|Encoder)"):
        getattr(rf, name)


def test_former_names_of_rooms():
    with pytest.raises(ImportError, match="rsir_fast.extraction.extract is called rsir_fast.encode now"):
        from rsir_fast.extraction import extract  # noqa: F401
    with pytest.raises(ImportError, match="rsir_fast.descriptors.describe_dataset is called rsir_fast.encode now"):
        from rsir_fast.descriptors import describe_dataset  # noqa: F401

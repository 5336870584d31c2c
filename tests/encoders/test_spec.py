"""What an encoder means: digests that never change, fields, words for what differs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rsir_fast.encoders.differences import differences, run_differences, told
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.former import run_of, spec_of
from rsir_fast.encoders.run import EncoderRun
from rsir_fast.encoders.spec import (
    DescriptorSpec,
    HashModelSpec,
    LayerSpec,
    ModuleSpec,
    NetworkSpec,
    PreprocessingSpec,
    ReaderSpec,
    Spec,
    ViewSpec,
    parse_spec,
)

WEIGHTS = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
IMAGENET = PreprocessingSpec(input_size=224, divisor=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE = PreprocessingSpec(
    input_size=224, channel_order="BGR", divisor=1.0, mean=None, mean_image="ab" * 32, std=(1.0, 1.0, 1.0)
)
GAP = LayerSpec(name="gap", width=1280)
TABLE = (LayerSpec(name="pool5", width=18432), LayerSpec(name="fc6", width=4096))

SPECS: dict[str, Spec] = {
    "mobilenet": NetworkSpec(name="mobilenet_v2", layers=(GAP,), weights=WEIGHTS, preprocessing=IMAGENET),
    "turns": NetworkSpec(
        name="mobilenet_v2", layers=(GAP,), weights=WEIGHTS, preprocessing=IMAGENET, view=ViewSpec(turns="each")
    ),
    "two-layers": NetworkSpec(name="cnn-m", layers=TABLE, weights="random:3", preprocessing=CAFFE, width=0.5),
    "read-and-averaged": NetworkSpec(
        name="resnet50",
        layers=(LayerSpec(name="layer3.5", width=200704),),
        weights="random:0",
        preprocessing=IMAGENET,
        view=ViewSpec(turns="mean", sizes=(224, 320)),
        reader=ReaderSpec(bands=(4, 3, 2), scale="0:3000"),
        precision="bfloat16",
        dtype="float16",
    ),
    "module": ModuleSpec(
        name="mine",
        layers=(LayerSpec(name="output", width=64),),
        weights=WEIGHTS,
        preprocessing=PreprocessingSpec(
            input_size=64, bands=("B2", "B3", "B4", "B8"), dtype="uint16", divisor=1e4, mean=(0,) * 4, std=(1,) * 4
        ),
    ),
    "words": DescriptorSpec(
        name="bovw-150", descriptor="bovw", width=150, parameters={"words": 150}, choices={"seed": 0}, learnt=WEIGHTS
    ),
    "hash": HashModelSpec(
        network="mobilenet_v2",
        layer="gap",
        weights=WEIGHTS,
        bits=12,
        classes=("forest", "b\udcffch"),
        preprocessing=IMAGENET,
    ),
}
FROZEN: dict[str, str] = {
    "mobilenet": "ffa05ecd7c431b66a2751052730a0deaf807fbd476bbb5814dd91b194cdf4243",
    "turns": "91827f60203da30791f1fa74fe6b30f85a7ffba01d3c1a278c915a3a9c0a9a0e",
    "two-layers": "d115a24b313016bba0768540cc346394e81a363c78109286c17547a2ef034059",
    "read-and-averaged": "8c05e714932f863d64af0505ddaff0b8ff616cd58fb5ebdf8bed3ead84a7c688",
    "module": "3c01005090b87cc85493aee02ec00bbb0c474c272cf3acbdcfc0d70a2f206c63",
    "words": "4a6266af8e90b4401fc0e4a1966d3f50bef5e2bb469d2cad3770e02a9f44d920",
    "hash": "67a6855509feef7c3699fcf10d4b646055185a4065440e6ab047d47e9218e5e3",
}
FROZEN_FIELDS: dict[tuple[str, str], str] = {
    ("mobilenet", "gap"): "231eb1a5fa5e3c55d685b3c40530affe4bcabdd68f93c68fe5e3b1ab98edea52",
    ("turns", "gap@3"): "1441d24d88bd5e324828a0c0b90d2ecc93b600099cce8bc928d36b544881ac16",
    ("two-layers", "pool5"): "412cbff5d3cde5923a0044f5230ee23ee2c103f92a439722b4bce9c2d5951133",
    ("two-layers", "fc6"): "7781511b30abaa56831c6c3108216663410cead08fc28aa9855ff99b7c946ece",
    ("words", "bovw"): "bac89932306985d4e9d18d59bb6f2faa915ddc64288a662865e035f91de04b44",
    ("hash", "u"): "17b53705233c46fae757ba17484c54f95f3e0ed933935fbbc9fde7c9082ee24f",
    ("hash", "codes"): "1c63eb80ba7c0d78e842fdb4087db1d1558b73b3b7d5f321189dc8336c0d19f5",
    ("hash", "probabilities"): "09f39c396b666ff9166cb08a5a07e3bcfaf4264ee592073c6bff65d1f84374fa",
    ("module", "output"): "e9eeb7703e81822bc594f659ae193b4a6e0123797fb93ddfaf02d8c8500eddf4",
}


@pytest.mark.parametrize("name", SPECS)
def test_digests_are_those_of_every_version(name):
    assert SPECS[name].digest() == FROZEN[name]


@pytest.mark.parametrize(("spec", "field"), FROZEN_FIELDS)
def test_digests_of_fields_are_those_of_every_version(spec, field):
    assert SPECS[spec].field(field).digest() == FROZEN_FIELDS[spec, field]


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_comes_back_from_json(name):
    spec = SPECS[name]
    meaning = json.loads(json.dumps(spec.meaning()))
    assert parse_spec(meaning) == spec
    assert parse_spec(json.loads(json.dumps(spec.model_dump()))).digest() == spec.digest()


def test_default_values_are_left_out():
    assert SPECS["mobilenet"].meaning().keys() == {"spec", "kind", "name", "layers", "weights", "preprocessing"}
    assert DescriptorSpec(name="hog", descriptor="hog", width=9).meaning().keys() == {
        "spec",
        "kind",
        "name",
        "descriptor",
        "width",
    }


def test_every_value_is_part_of_the_digest():
    base = SPECS["mobilenet"]
    changed = {
        "name": "mobilenet_v3_large",
        "layers": (LayerSpec(name="gap", width=960),),
        "weights": "random:0",
        "width": 0.5,
        "preprocessing": CAFFE,
        "view": ViewSpec(turns="mean"),
        "reader": ReaderSpec(scale="minmax"),
        "precision": "bfloat16",
        "dtype": "float16",
    }
    assert changed.keys() == NetworkSpec.model_fields.keys() - {"spec", "kind"}
    digests = {base.model_copy(update={key: value}).digest() for key, value in changed.items()}
    assert len(digests | {base.digest()}) == len(changed) + 1


def test_eight_turns_are_eight_fields_and_the_first_is_the_plain_one():
    fields = SPECS["turns"].fields
    assert [field.name for field in fields] == ["gap", *(f"gap@{turn}" for turn in range(1, 8))]
    assert {field.width for field in fields} == {1280}
    assert SPECS["turns"].field("gap").digest() == SPECS["mobilenet"].field("gap").digest()
    assert len({field.digest() for field in fields}) == 8
    assert SPECS["turns"].searched() == SPECS["mobilenet"].field("gap")
    mean = SPECS["mobilenet"].model_copy(update={"view": ViewSpec(turns="mean")})
    assert mean.field("gap").digest() != SPECS["mobilenet"].field("gap").digest()


def test_a_layer_means_the_same_beside_others():
    both = SPECS["two-layers"]
    alone = both.model_copy(update={"layers": TABLE[1:]})
    assert both.field("fc6").digest() == alone.field("fc6").digest()
    with pytest.raises(ValueError, match="expected the name of a vector to search, one of pool5, fc6"):
        both.searched()
    assert both.searched("fc6").width == 4096
    with pytest.raises(ValueError, match="cnn-m:pool5.fc6: expected one of the fields pool5, fc6, got 'fc7'"):
        both.field("fc7")


def test_fields_of_a_hash_model():
    spec = SPECS["hash"]
    assert [(field.name, field.kind, field.dtype, field.width) for field in spec.fields] == [
        ("u", "vector", "float32", 12),
        ("codes", "code", "uint8", 2),
        ("probabilities", "scores", "float32", 2),
    ]
    assert (spec.field("codes").bits, spec.field("probabilities").classes) == (12, ("forest", "b\udcffch"))
    assert (spec.searched().name, spec.searched(kind="code").name) == ("u", "codes")
    with pytest.raises(ValueError, match="expected a vector to search, got probabilities, which is a scores"):
        spec.searched("probabilities")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "code", "dtype": "float32", "width": 8, "bits": 64}, "expected uint8 for a code"),
        ({"kind": "code", "dtype": "uint8", "width": 8}, "expected bits for a code"),
        ({"kind": "code", "dtype": "uint8", "width": 9, "bits": 64}, "expected 8 bytes of 64 bits, got 9"),
        ({"kind": "scores", "dtype": "float32", "width": 2, "classes": ("a",)}, "expected scores of 1 classes, got 2"),
        ({"kind": "vector", "dtype": "float32", "width": 2, "bits": 2}, "and for nothing else"),
        ({"kind": "vector", "dtype": "float32", "width": 2, "name": "../gap"}, "pattern"),
        ({"kind": "vector", "dtype": "float32", "width": 0}, "greater than or equal to 1"),
    ],
)
def test_fields_that_do_not_fit_together(wrong, message):
    with pytest.raises(ValueError, match=message):
        FieldSpec(**{"name": "field", **wrong})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "cnn-f"}, {"network": "mobilenet_v2, now cnn-f"}),
        ({"layers": (LayerSpec(name="features", width=62720),)}, {"layer": "gap, now features"}),
        ({"weights": "random:0"}, {"weights": f"{WEIGHTS[:16]}..., now random:0"}),
        ({"width": 0.5}, {"share of channels": "1.0, now 0.5"}),
        (
            {"preprocessing": IMAGENET.model_copy(update={"resize": "short-side"})},
            {"preparation of images": "resize whole, now short-side"},
        ),
        ({"view": ViewSpec(turns="each")}, {"turns": "upright, now each"}),
        ({"view": ViewSpec(sizes=(224, 320))}, {"input sizes": "none, now 224,320"}),
        ({"reader": ReaderSpec(bands=(4, 3, 2))}, {"bands": "none, now 4,3,2"}),
        ({"reader": ReaderSpec(scale="0:3000")}, {"scale": "none, now 0:3000"}),
        ({"precision": "bfloat16"}, {"precision": "float32, now bfloat16"}),
        ({"dtype": "float16"}, {"type of stored numbers": "float32, now float16"}),
    ],
)
def test_what_differs_is_named(changed, words):
    base = SPECS["mobilenet"]
    assert differences(base, base.model_copy(update=changed)) == words
    assert differences(base, base.model_copy(update=changed | {"name": "x"})).keys() == {*words, "network"}


def test_a_difference_of_every_kind_of_encoder_is_named():
    for name, spec in SPECS.items():
        for other, second in SPECS.items():
            assert (differences(spec, second) == {}) == (name == other)
    assert differences(SPECS["words"], SPECS["hash"]) == {
        "encoder": "descriptor bovw-150, now hash 12 bits of mobilenet_v2:gap"
    }
    more = SPECS["words"].model_copy(update={"learnt": "cd" * 32, "parameters": {"words": 151}})
    assert told(differences(SPECS["words"], more)) == (
        f"descriptor: words 150, now 151; vocabulary: {WEIGHTS[:16]}..., now {'cd' * 8}..."
    )
    other = SPECS["words"].model_copy(update={"name": "lbp", "parameters": {"scales": [8]}})
    assert told(differences(SPECS["words"], other)) == "descriptor: bovw-150, now lbp"


def test_runs_differ_in_words_and_not_in_meaning():
    before = EncoderRun(threads=2, processor="AVX2", batch_size=32, versions={"torch": "2.5", "pillow": "11"})
    now = before.model_copy(update={"device": "NVIDIA H200", "padded": False, "versions": {"torch": "2.6"}})
    assert run_differences(before, now) == {
        "device": "cpu, now NVIDIA H200",
        "filling of the last batch": "True, now False",
        "version of pillow": "11, now none",
        "version of torch": "2.5, now 2.6",
    }
    assert before.digest() != now.digest()
    assert EncoderRun().digest() == "1e5cd4c674c30be1aa36674f4e1f6256211744826a848d9c69f5a60206e5c252"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "network", "spec": 7}, "of version 1, got version 7; use the version of rsir_fast that wrote it"),
        ({"kind": "table"}, "expected an encoder spec"),
        ({**SPECS["mobilenet"].meaning(), "colour": "red"}, "one whose network.colour is wrong"),
        ({**SPECS["mobilenet"].meaning(), "weights": "lies"}, "one whose network.weights is wrong"),
        ({**SPECS["mobilenet"].meaning(), "layers": [GAP, GAP]}, "expected each once, got gap, gap"),
    ],
)
def test_what_is_no_spec_is_refused_in_one_line(content, message):
    with pytest.raises(ValueError, match=message) as refused:
        parse_spec(content)
    assert "\n" not in str(refused.value)


STEPS = {
    "input_size": 224,
    "resize": "whole",
    "interpolation": "bicubic",
    "channel_order": "RGB",
    "divisor": 255.0,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
MADE = {
    "name": "mobilenet_v2",
    "description": "mobilenet_v2",
    "layer": "gap",
    "dim": 1280,
    "weights": {"file": "mobilenet_v2-b0353104.pth", "sha256": WEIGHTS, "source": "hub", "format": "PyTorch"},
    "preprocessing": STEPS,
    "extraction": {"precision": "float32", "device": "cpu", "cpu_threads": 2, "batch_size": 32, "torch": "2.5.1"},
}


def test_folders_of_before_say_which_encoder_made_them():
    assert spec_of(MADE) == SPECS["mobilenet"]
    assert spec_of({**MADE, "turns": 8, "dim": 8 * 1280}) == SPECS["turns"]
    assert spec_of({**MADE, "averaged": {"turns": 8, "sizes": [224]}}).view == ViewSpec(turns="mean")
    assert spec_of({**MADE, "averaged": {"turns": 1, "sizes": [224, 320]}}).view == ViewSpec(sizes=(224, 320))
    assert (
        spec_of({**MADE, "reader": {"bands": [4, 3, 2], "scale": "0:3000"}}).reader == SPECS["read-and-averaged"].reader
    )
    assert spec_of({**MADE, "extraction": {"precision": "bfloat16"}}).precision == "bfloat16"
    assert spec_of({**MADE, "weights": {"file": "random:007", "sha256": "ab"}}).weights == "random:7"
    hashed = {"layer": "gap, hash 12", "hash": {"bits": 12, "classes": ["forest", "b\udcffch"], "training": {}}}
    assert spec_of({**MADE, **hashed, "dim": 14}) == SPECS["hash"]
    mean = f"mean image, SHA-256 {'ab' * 32}"
    layers = {"layer": "pool5+fc6", "layers": [["pool5", 18432], ["fc6", 4096]], "dim": 22528, "width": 0.5}
    steps = {**STEPS, "channel_order": "BGR", "divisor": 1.0, "mean": mean, "std": [1.0, 1.0, 1.0]}
    both = {**MADE, "name": "cnn-m", "weights": {"file": "random:3"}, "preprocessing": steps, **layers}
    assert spec_of(both) == SPECS["two-layers"]


def test_what_no_spec_holds_is_an_error_of_folders_of_before():
    with pytest.raises(ValueError, match="found the key 'parts', which no encoder has"):
        spec_of({**MADE, "parts": {}})
    with pytest.raises(ValueError, match="expected provenance of an encoder, found none .KeyError: 'preprocessing'."):
        spec_of({})
    with pytest.raises(ValueError, match="whose hash.weights is wrong"):
        spec_of({**MADE, "hash": {"bits": 1, "classes": []}, "weights": {"file": "none: in memory", "sha256": ""}})


def test_runs_of_before():
    assert not run_of(MADE).padded
    assert run_of({**MADE, "extraction": {"padded": True}}).padded
    decoder = {"jpeg": "nvJPEG", "cuda": "12.4", "resize": "torchvision, antialiased, on the device"}
    assert run_of({**MADE, "extraction": {"decoder": decoder}}).decoder.startswith("nvJPEG, CUDA 12.4")


def test_a_spec_needs_neither_torch_nor_pyarrow():
    program = (
        "import rsir_fast.encoders.spec, rsir_fast.encoders.former, rsir_fast.encoders.differences, sys;"
        "print([name for name in ('torch', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"

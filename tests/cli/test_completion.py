"""The shell completes values, by the protocol of the completion scripts and without importing torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rsir_fast.backbones import list_backbones
from rsir_fast.cli import completion as values
from rsir_fast.descriptors.catalogue import NAMES
from rsir_fast.encoders.word import parse_word
from rsir_fast.protocols.methods import PAPER
from rsir_fast.retrieval import parse_rerank, parse_steps


def completed(words: str) -> list[str]:
    environment = os.environ | {"_RSIR_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    program = (
        "import sys\nfrom rsir_fast.cli import main\n"
        "try: main()\n"
        "finally: print([name for name in ('torch', 'numpy', 'torchvision') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rsir features scenes --encoder mobilenet_v", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]),
        ("rsir evaluate ge2018 scenes -e cnn-1", ["cnn-16", "cnn-19"]),
        ("rsir features scenes -e cnn-m:f", ["cnn-m:fc6", "cnn-m:fc7"]),
        ("rsir features scenes -e resnet18:gap,turns=", ["resnet18:gap,turns=mean", "resnet18:gap,turns=each"]),
        ("rsir features scenes -e tim", ["timm:"]),
        ("rsir reproduce ge2018 scenes -e tim", []),
        ("rsir evaluate ge2018 scenes --encoder bovw", ["bovw-150", "bovw-15000"]),
        ("rsir evaluate ge2018 scenes --steps power,l", ["power,l2"]),
        ("rsir evaluate ge2018 scenes --rerank augment:10,d", ["augment:10,diffuse:50"]),
        ("rsir train dhcnn scenes --precision ", ["float32", "bfloat16"]),
        ("rsir train dhcnn scenes --recipe m", ["modern", "matlab"]),
        ("rsir train hashing scenes --method d", ["dhcnn", "dpsh", "dsh", "dhn"]),
        ("rsir reproduce ge2018 scenes --encoder non", ["none"]),
        ("rsir reproduce ge2018 scenes --reference cnn-m:f", ["cnn-m:fc6", "cnn-m:fc7"]),
        ("rsir ev", ["evaluate"]),
        ("rsir demo --scenes", ["--scenes-per-class"]),
    ],
)
def test_values_are_completed(words, found):
    assert completed(words) == found


def test_the_names_are_those_of_the_library():
    known = {info.name: info.layers for info in list_backbones()}
    assert set(values.complete_backbone("")) == set(known)
    assert {name: values._layers(name) for name in known} == known
    assert values.DESCRIPTORS == NAMES
    completed = values.complete_encoder("bovw-9,")
    assert [parse_word(word).name for word in completed] == ["bovw-9,norm=root", "bovw-9,norm=l1", "bovw-9-dense"]
    assert values.CAFFE[:4] == PAPER
    for chain in values.STEPS:
        assert parse_steps(chain)
    for chain in values.STAGES:
        assert parse_rerank(chain)

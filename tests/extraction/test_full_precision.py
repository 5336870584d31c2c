"""Float32 is float32 while features are made, and torch is set as it was before and after."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from rsir_fast.extraction.full_precision import full_precision

WAYS = [
    "pass",
    "torch.set_float32_matmul_precision('medium')",
    "b.cudnn.allow_tf32 = False; b.cudnn.benchmark = True",
    "b.cuda.matmul.allow_tf32 = True",
    # The interface since torch 2.9, which refuses to be asked by the older one.
    "b.fp32_precision = 'tf32'",
    "b.fp32_precision = 'ieee'",
    "b.cudnn.conv.fp32_precision = 'ieee'",
    "b.cudnn.fp32_precision = 'tf32'",
    "b.cuda.matmul.fp32_precision = 'tf32'",
    "b.mkldnn.conv.fp32_precision = 'bf16'; b.mkldnn.matmul.fp32_precision = 'bf16'",
]
PROGRAM = """
import os, sys, warnings
import torch
from rsir_fast.extraction.full_precision import full_precision

warnings.simplefilter("ignore")  # that one interface is old
b = torch.backends

def asked(read):
    try:
        return read()
    except RuntimeError as error:
        return "refused"

def state():
    places = [b, b.cudnn, b.cudnn.conv, b.cudnn.rnn, b.cuda.matmul, b.mkldnn, b.mkldnn.conv, b.mkldnn.matmul]
    new = [place.fp32_precision for place in places]
    old = [lambda: b.cudnn.allow_tf32, lambda: b.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision]
    return new, [asked(read) for read in old], [b.cudnn.enabled, b.cudnn.benchmark, b.cudnn.deterministic]

def check(way):
    exec(way)
    before = state()
    for breaks in (False, True):
        try:
            with full_precision():
                assert set(state()[0]) <= {"none", "ieee"}, state()
                assert "refused" not in state()[1] or "refused" in before[1], state()
                assert torch.get_float32_matmul_precision() == "highest"
                assert state()[2] == [True, False, True]
                if breaks:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert state() == before, (before, state())

for way in sys.argv[1:]:
    process = os.fork()
    if not process:
        check(way)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, way
"""


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch has only the older interface")
def test_no_setting_of_torch_lets_float32_be_less_and_none_is_lost():
    """Each in a process of its own: torch has no way back to its defaults."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *WAYS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
def test_convolutions_of_a_device_take_no_tf32():
    """TF32 keeps 10 bits of 1 + 2^-12; sums of 64 products of powers of two are exact in float32."""
    values = torch.full((1, 64, 8, 8), 1 + 2**-12, device="cuda")
    weights = torch.ones(64, 64, 1, 1, device="cuda")
    rows = torch.full((64, 64), 1 + 2**-12, device="cuda")
    with full_precision():
        assert (torch.nn.functional.conv2d(values, weights) == 64 + 2**-6).all()
        assert (rows @ torch.ones_like(rows) == 64 + 2**-6).all()

"""bfloat16 where a processor has no instructions for it: said before the work."""

import re
import warnings
from pathlib import Path

import pytest
import torch

from rsir_fast.backbones import has_bfloat16, warn_without_bfloat16
from rsir_fast.errors import RsirWarning

CPU = torch.device("cpu")


def test_what_is_slow_is_said():
    flags = set(re.search(r"^(?:flags|Features).*", Path("/proc/cpuinfo").read_text(), re.M)[0].split())
    if {"avx512bw", "avx512vl", "avx512dq"} <= flags:
        assert has_bfloat16(CPU)
    if "avx2" in flags and not {"avx512bw", "avx_ne_convert"} & flags:
        assert not has_bfloat16(CPU)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_without_bfloat16(CPU)
        warn_without_bfloat16(torch.device("meta"))
    assert [each.category for each in found] == [RsirWarning] * (not has_bfloat16(CPU))
    for each in found:
        assert "slower than float32 on this processor" in str(each.message)


@pytest.mark.filterwarnings("error")
def test_float32_is_never_slow():
    from rsir_fast.backbones import load_backbone
    from rsir_fast.extraction.engines.torch_engine import TorchEngine

    TorchEngine(load_backbone("squeezenet1_1", weights="random:0"), CPU, bfloat16=False)

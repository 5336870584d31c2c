from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

import rsir_fast as rf
from op_support import matrices, same_bits
from rsir_fast.ops import reference
from rsir_fast.ops._dispatch import cuda


@given(u=matrices(hostile=True))
def test_bytes_are_those_of_the_reference(isa, u):
    for threads in (1, 2):
        assert same_bits(rf.pack_codes(u, isa=isa, threads=threads), reference.pack_codes(u))


def test_sign_of_awkward_numbers(isa):
    u = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 2.0, 1.0]], dtype=np.float32)
    assert rf.pack_codes(u, isa=isa).tolist() == [[0b1010_1000, 1]]


def test_codes_feed_the_search():
    u = np.random.default_rng(0).standard_normal((20, 48)).astype(np.float32)
    distances, ids = rf.hamming_topk(rf.pack_codes(u), rf.pack_codes(u), 20)
    signs = np.where(u > 0, 1, -1)
    by_dot_product = (48 - signs @ signs.T) // 2
    assert (distances == np.take_along_axis(by_dot_product, ids, 1)).all()
    assert (distances[:, 0] == 0).all()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (1, 1), (5, 7), (1000, 64), (257, 129)])
def test_cuda_bytes_are_those_of_the_cpu(dtype, shape):
    assert cuda() is not None, "expected the compiled CUDA module where there is a CUDA device"
    values = torch.from_numpy(np.random.default_rng(0).standard_normal(shape)).to(getattr(torch, dtype))
    if values.numel() > 3:
        values.view(-1)[:4] = torch.tensor([0.0, -0.0, float("nan"), float("inf")])
    on_device = values.cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        codes = rf.pack_codes(on_device.clone())
    stream.synchronize()
    assert codes.is_cuda
    assert same_bits(codes.cpu().numpy(), rf.pack_codes(values).numpy())
    transposed = on_device.T
    assert same_bits(rf.pack_codes(transposed).cpu().numpy(), rf.pack_codes(values.T).numpy())


def test_errors():
    with pytest.raises(TypeError, match="u: expected float16"):
        rf.pack_codes(np.zeros((2, 8), np.uint8))
    with pytest.raises(ValueError, match=r"u: expected shape \[n, d\], got \[8\]"):
        rf.pack_codes(np.zeros(8))

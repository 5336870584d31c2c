from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

import rsir_fast as rf
from op_support import matrices, same_bits
from rsir_fast.base.compiled import has_cuda
from rsir_fast.ops import reference


@given(u=matrices(hostile=True))
def test_bytes_are_those_of_the_reference(isa, u):
    for threads in (1, 2):
        assert same_bits(rf.pack_codes(u, isa=isa, threads=threads), reference.pack_codes(u))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [*range(1, 18), 24, 31, 32, 33, 56, 63, 64, 65, 72, 127, 128, 129, 520])
def test_bytes_at_the_edges_of_vectors(isa, width, dtype):
    u = np.random.default_rng(width).standard_normal((37, width)).astype(dtype)
    u[::5, ::3] = np.nan
    u[1::5, ::3] = -0.0
    expected = reference.pack_codes(u)
    for n in (1, 2, 7, 8, 9, 37):
        assert same_bits(rf.pack_codes(u[:n], isa=isa), expected[:n])


def test_threads_change_nothing(isa):
    u = np.random.default_rng(1).standard_normal((40_000, 72)).astype(np.float32)
    for width in (72, 67):
        values = np.ascontiguousarray(u[:, :width])
        for threads in (1, 2, 5):
            assert same_bits(rf.pack_codes(values, isa=isa, threads=threads), reference.pack_codes(values))


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
    assert has_cuda(), "expected the compiled CUDA module where there is a CUDA device"
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

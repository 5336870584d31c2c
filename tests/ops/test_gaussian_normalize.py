from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

import rsir_fast as rf
from op_support import matrices, same_bits, widen
from rsir_fast.ops import reference


@given(x=matrices(hostile=True))
def test_bits_are_those_of_the_reference(isa, x):
    if x.shape[1] == 0:
        return
    for threads in (1, 2):
        assert same_bits(rf.gaussian_normalize(x, threads=threads, isa=isa), reference.gaussian_normalize(widen(x)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 1000, 1023, 1024, 1025, 3000])
def test_bits_at_the_edges_of_batches_and_lanes(isa, width, dtype):
    """Rows are worked on in batches of 16 down to 2; a sentinel guards both ends of an output that is not aligned."""
    rows = np.random.default_rng(width).gamma(0.3, size=(35, width)).astype(dtype)
    rows[::7] = 0.25
    expected = reference.gaussian_normalize(rows)
    for n in (1, 2, 15, 16, 17, 35):
        guarded = np.full(n * width + 18, 7.0, dtype=np.float32)
        out = guarded[n % 16 + 1 :][: n * width].reshape(n, width)
        rf.gaussian_normalize(rows[:n], out=out, isa=isa, threads=2)
        assert same_bits(out, expected[:n])
        assert (guarded != 7.0).sum() == n * width


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", ["row", "feature"])
def test_outputs_larger_than_the_caches_have_the_same_bits(isa, axis, dtype):
    """Beyond 32 MiB whole cache lines are stored past the caches; the ends of each row are not."""
    n, width = 8700, 1001
    x = np.random.default_rng(8).standard_normal((n, width), dtype=np.float32).astype(dtype)
    statistics = None if axis == "row" else rf.gaussian_statistics(x[:100])
    guarded = np.full(n * width + 2, 7.0, dtype=np.float32)
    out = guarded[1:-1].reshape(n, width)
    rf.gaussian_normalize(x, axis, out, statistics=statistics, threads=2, isa=isa)
    for first in range(0, n, 1000):
        part = x[first : first + 1000]
        assert same_bits(out[first : first + 1000], rf.gaussian_normalize(part, axis, statistics=statistics, isa=isa))
    assert (guarded[[0, -1]] == 7.0).all()


@pytest.mark.parametrize("width", [2, 33, 1024])
def test_nearly_constant_rows_and_columns(isa, width):
    """Only an exactly constant row is constant, also where its float64 sum overflows."""
    x = np.full((40, width), 0.1)
    x[1, -1] = np.nextafter(0.1, 1)
    x[2] = 1.7e308
    x[3], x[3, 0] = 1.0, 1e8
    x[4], x[4, -1] = 1.7e308, 1.6e308
    x[5], x[5, -1] = 0.1, np.nan
    x[6], x[6, -1] = -0.0, 0.0
    x[7] = 5e-324
    assert same_bits(rf.gaussian_normalize(x, isa=isa), reference.gaussian_normalize(x))
    assert (rf.gaussian_normalize(x[[2, 6, 7]], isa=isa) == 0.5).all()
    columns = np.ascontiguousarray(x.T)
    for threads in (1, 3):
        statistics = rf.gaussian_statistics(columns, isa=isa, threads=threads)
        for ours, theirs in zip(statistics, reference.gaussian_statistics(columns), strict=True):
            assert same_bits(ours, theirs)
        assert (statistics.std[[2, 6, 7]] == 0).all()


def test_value_is_equation_2(isa):
    x = np.random.default_rng(0).gamma(0.3, size=(20, 500))
    expected = (1 + (x - x.mean(1, keepdims=True)) / (3 * x.std(1, keepdims=True))) / 2
    np.testing.assert_allclose(rf.gaussian_normalize(x, isa=isa), expected, rtol=1e-6, atol=1e-7)


def test_distance_of_normalised_rows_is_the_correlation():
    """Spec 1, A4: ||x* - y*||^2 = (l / 18) (1 - rho), to 1e-12, in float64."""
    x = np.random.default_rng(1).gamma(0.5, size=(30, 321))
    normalised = reference.gaussian_normalize(x, dtype=np.float64)
    squared = reference.lane_sum((normalised[:, None] - normalised[None]) ** 2)
    assert np.abs(squared / (321 / 18) - (1 - np.corrcoef(x))).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e38, 1e-45, 7.0])
@pytest.mark.parametrize("width", [1, 3, 33, 1000])
def test_constant_row_or_column_is_one_half(isa, value, width, dtype):
    """Also where the mean of equal numbers is rounded to another number: three times 0.1 in float64."""
    x = np.full((width, width), value, dtype=dtype)
    assert (rf.gaussian_normalize(x, isa=isa) == 0.5).all()
    assert (reference.gaussian_normalize(x) == 0.5).all()
    assert (rf.gaussian_normalize(x, axis="feature", isa=isa) == 0.5).all()


def test_overflowing_deviation_is_nan_on_either_axis(isa):
    x = np.array([[1e200, 2e200, 3e200]])
    assert np.isnan(rf.gaussian_normalize(x, isa=isa)).all()
    assert np.isnan(rf.gaussian_normalize(x.T, axis="feature", isa=isa)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_with_a_bad_number_is_nan_and_others_are_not(isa, bad):
    x = np.random.default_rng(2).random((3, 40), dtype=np.float32)
    x[1, 17] = bad
    result = rf.gaussian_normalize(x, isa=isa)
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[[0, 2]]).all()


def test_flush_to_zero_in_the_host_program_changes_nothing(isa):
    x = np.array([[1e-45, 3e-42, 0.0, 1e-40, 2e-39]], dtype=np.float32)
    expected = reference.gaussian_normalize(x)
    tiny, small, zeros = np.full((1, 8), 1e-45, "f4"), np.full((1, 5), 1e-20, "f4"), np.zeros((1, 5), "f4")
    assert torch.set_flush_denormal(True)
    try:
        result = rf.gaussian_normalize(x, isa=isa)
        distances, _ = rf.euclidean_topk(small, zeros, 1, isa=isa)
        packed = rf.pack_codes(tiny, isa=isa)
    finally:
        torch.set_flush_denormal(False)
    assert same_bits(result, expected)
    assert packed[0, 0] == 255
    assert 0 < distances[0, 0] == np.float32(5 * np.float64(small[0, 0]) ** 2)  # a denormal float32


@given(x=matrices(rows=70))
def test_is_equation_2_down_the_columns(isa, x):
    if x.shape[0] == 0:
        return
    wide = widen(x).astype(np.float64)
    mean, std = rf.gaussian_statistics(x, isa=isa)
    expected = reference.gaussian_statistics(wide)
    assert same_bits(mean, expected[0])
    assert same_bits(std, expected[1])
    result = rf.gaussian_normalize(x, axis="feature", isa=isa, threads=2)
    scale = np.divide(1, 6 * std, out=np.zeros_like(std), where=std > 0)
    assert same_bits(result, (0.5 + (wide - mean) * scale).astype(np.float32))


@pytest.mark.parametrize("width", [1, 7, 1023, 1024, 1025, 2500])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 31, 32, 33, 100])
def test_statistics_at_the_edges_of_tasks(isa, width, n):
    x = np.random.default_rng(n).gamma(0.3, size=(n, width)).astype(np.float32)
    expected = reference.gaussian_statistics(x)
    for threads in (1, 2, 5):
        mean, std = rf.gaussian_statistics(x, isa=isa, threads=threads)
        assert same_bits(mean, expected[0])
        assert same_bits(std, expected[1])


def test_every_nan_of_given_statistics_is_the_quiet_nan(isa):
    x = np.random.default_rng(9).standard_normal((3, 40)).astype(np.float32)
    x[1] = np.nan
    x[1, ::2] = -x[1, ::2]
    x[2, 5:30] = np.inf
    statistics = rf.ops.GaussianStatistics(np.zeros(40), np.resize([1.0, 0.0, np.nan, np.inf, 1e-320], 40))
    result = rf.gaussian_normalize(x, "feature", statistics=statistics, isa=isa)
    assert set(result[np.isnan(result)].view(np.uint32)) == {0x7FC00000}
    assert np.isnan(result[1]).all()
    assert np.isnan(result[0]).reshape(8, 5).tolist() == [[False, False, True, True, False]] * 8


def test_statistics_of_the_database_serve_its_queries():
    x = np.random.default_rng(3).random((50, 20), dtype=np.float32)
    whole = rf.gaussian_normalize(x, axis="feature")
    statistics = rf.gaussian_statistics(x)
    assert same_bits(rf.gaussian_normalize(x[7:9], axis="feature", statistics=statistics), whole[7:9])


def test_errors_of_the_feature_axis():
    x = np.zeros((3, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"statistics.mean: expected shape \[4\].*got \[3\]"):
        rf.gaussian_normalize(x, axis="feature", statistics=rf.ops.GaussianStatistics(np.zeros(3), np.zeros(3)))
    with pytest.raises(ValueError, match="each row's own"):
        rf.gaussian_normalize(x, statistics=rf.gaussian_statistics(x))
    with pytest.raises(ValueError, match="at least one row"):
        rf.gaussian_statistics(x[:0])
    with pytest.raises(TypeError, match="expected what gaussian_statistics returns, got int"):
        rf.gaussian_normalize(x, axis="feature", statistics=5)
    assert rf.gaussian_normalize(x[:0], axis="feature").shape == (0, 4)


class TestOutput:
    def test_out_is_filled_and_returned(self):
        x = np.random.default_rng(4).random((6, 50), dtype=np.float32)
        expected = rf.gaussian_normalize(x)
        guarded = np.full((8, 50), 7.0, dtype=np.float32)
        out = guarded[1:7]
        assert rf.gaussian_normalize(x, out=out) is out
        assert same_bits(out, expected)
        assert (guarded[[0, 7]] == 7.0).all()
        strided = np.full((6, 100), 7.0, dtype=np.float32)
        rf.gaussian_normalize(x, out=strided[:, ::2])
        assert same_bits(strided[:, ::2], expected)
        assert (strided[:, 1::2] == 7.0).all()
        rf.gaussian_normalize(x, out=x)
        assert same_bits(x, expected)

    def test_out_may_overlap_the_input(self):
        buffer = np.random.default_rng(5).random((9, 64), dtype=np.float32)
        expected = rf.gaussian_normalize(buffer[:-1].copy())
        rf.gaussian_normalize(buffer[:-1], out=buffer[1:])
        assert same_bits(buffer[1:], expected)
        wide = np.random.default_rng(6).random((2000, 400))
        expected = rf.gaussian_normalize(wide)
        target = wide.reshape(-1)[:400_000].view(np.float32).reshape(2000, 400)
        rf.gaussian_normalize(wide, out=target, threads=4)
        assert same_bits(target, expected)

    def test_odd_layouts_of_out(self):
        x = np.random.default_rng(7).random((4, 9), dtype=np.float32)
        for out in (np.empty((4, 9), ">f4"), np.empty(4 * 9 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 9)):
            rf.gaussian_normalize(x, out=out)
            assert (out == rf.gaussian_normalize(x)).all()
        tensor = torch.empty(4, 9)
        assert rf.gaussian_normalize(x, out=tensor) is tensor
        assert same_bits(tensor.numpy(), rf.gaussian_normalize(x))

    def test_bad_out_is_named(self):
        with pytest.raises(TypeError, match="out: expected .* in host memory, got Tensor torch.bfloat16"):
            rf.gaussian_normalize(np.zeros((2, 3)), out=torch.zeros(2, 3, dtype=torch.bfloat16))
        x = np.zeros((2, 3), dtype=np.float32)
        with pytest.raises(ValueError, match=r"out: expected float32 of shape \[2, 3\], got float64"):
            rf.gaussian_normalize(x, out=np.zeros((2, 3)))
        frozen = np.zeros((2, 3), dtype=np.float32)
        frozen.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            rf.gaussian_normalize(x, out=frozen)


def test_empty(isa):
    assert rf.gaussian_normalize(np.zeros((0, 5)), isa=isa).shape == (0, 5)
    assert rf.gaussian_normalize(np.zeros((5, 0)), isa=isa).shape == (5, 0)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("d", [1, 31, 32, 33, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 5000])
def test_cuda_bits_are_those_of_the_cpu(dtype, d):
    """Around every boundary between the kernels for short and long rows."""
    x = torch.from_numpy(np.random.default_rng(d).gamma(0.3, size=(37, d))).to(getattr(torch, dtype))
    x[5] = 0.1
    x[6, d // 2] = float("nan")
    x[7, d - 1] = -float("inf")
    x[8] = 0
    x[9, : d // 2] = -0.0
    expected = rf.gaussian_normalize(x)
    on_device = x.cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        result = rf.gaussian_normalize(on_device)
    stream.synchronize()
    assert result.is_cuda
    assert same_bits(result.cpu().numpy(), expected.numpy())
    assert same_bits(rf.gaussian_normalize(on_device.T).cpu().numpy(), rf.gaussian_normalize(x.T).numpy())


@pytest.mark.gpu
@given(x=matrices(hostile=True))
def test_cuda_bits_of_hostile_numbers(x):
    if x.shape[1] > 0:
        result = rf.gaussian_normalize(torch.from_numpy(x).cuda()).cpu().numpy()
        assert same_bits(result, rf.gaussian_normalize(x))


@pytest.mark.gpu
def test_cuda_out():
    x = torch.rand(6, 50, generator=torch.Generator().manual_seed(0))
    expected = rf.gaussian_normalize(x).numpy()
    guarded = torch.full((8, 50), 7.0, device="cuda")
    out = guarded[1:7]
    assert rf.gaussian_normalize(x.cuda(), out=out) is out
    assert same_bits(out.cpu().numpy(), expected)
    assert (guarded[[0, 7]] == 7.0).all()
    strided = torch.full((6, 100), 7.0, device="cuda")
    rf.gaussian_normalize(x.cuda(), out=strided[:, ::2])
    assert same_bits(strided[:, ::2].cpu().numpy(), expected)
    assert (strided[:, 1::2] == 7.0).all()
    in_place = x.cuda()
    rf.gaussian_normalize(in_place, out=in_place)
    assert same_bits(in_place.cpu().numpy(), expected)
    overlapping = torch.cat([x, x[:1]]).cuda()
    rf.gaussian_normalize(overlapping[:6], out=overlapping[1:])
    assert same_bits(overlapping[1:].cpu().numpy(), expected)
    with pytest.raises(TypeError, match="out: expected a float32 torch tensor on cuda:0"):
        rf.gaussian_normalize(x.cuda(), out=torch.empty(6, 50))
    with pytest.raises(ValueError, match=r"out: expected float32 of shape \[6, 50\], got float32 of shape \[6, 49\]"):
        rf.gaussian_normalize(x.cuda(), out=torch.empty(6, 49, device="cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("d", [1, 31, 64, 129, 1000, 4096])
@pytest.mark.parametrize("n", [1, 31, 33, 512, 1100])
def test_cuda_bits_of_columns_are_those_of_the_cpu(dtype, d, n):
    x = torch.from_numpy(np.random.default_rng(d + n).gamma(0.3, size=(n, d))).to(getattr(torch, dtype))
    x[:, :: d // 7 + 1] = 0.1
    x[n // 2, 3 * d // 4] = float("nan")
    x[n - 1, d // 3] = -float("inf")
    x[:, d // 2] = -0.0
    expected, statistics = rf.gaussian_normalize(x, "feature").numpy(), rf.gaussian_statistics(x)
    on_device = x.cuda()
    with torch.cuda.stream(stream := torch.cuda.Stream()):
        stream.wait_stream(torch.cuda.default_stream())
        torch.cuda.set_sync_debug_mode("error")
        try:
            taken = rf.gaussian_statistics(on_device)
            result = rf.gaussian_normalize(on_device, "feature")
            given = rf.gaussian_normalize(on_device, "feature", statistics=taken)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    stream.synchronize()
    assert all(values.is_cuda for values in taken)
    assert all(same_bits(a.cpu().numpy(), b) for a, b in zip(taken, statistics, strict=True))
    assert same_bits(result.cpu().numpy(), expected)
    assert same_bits(given.cpu().numpy(), expected)
    assert same_bits(rf.gaussian_normalize(on_device, "feature", statistics=statistics).cpu().numpy(), expected)
    assert same_bits(rf.gaussian_normalize(x, "feature", statistics=taken).numpy(), expected)
    aside = torch.cat([on_device.float().reshape(-1), torch.zeros(1, device="cuda")])[1:].reshape(n, d)
    wanted = rf.gaussian_normalize(aside.cpu(), "feature").numpy()
    rf.gaussian_normalize(aside, "feature", aside)
    assert same_bits(aside.cpu().numpy(), wanted)


@pytest.mark.gpu
@given(x=matrices(hostile=True))
def test_cuda_bits_of_hostile_columns(x):
    if x.shape[0] > 0:
        result = rf.gaussian_normalize(torch.from_numpy(x).cuda(), "feature").cpu().numpy()
        assert same_bits(result, rf.gaussian_normalize(x, "feature"))

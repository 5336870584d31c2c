"""Array kinds: NumPy, torch and DLPack in, the caller's kind out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from op_support import same_bits

X = np.random.default_rng(0).random((12, 33), dtype=np.float32)


class DlpackOnly:
    """An array of a third library: nothing but the protocol."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_torch_in_torch_out():
    expected = rf.euclidean_topk(X[:3], X, 5)
    distances, ids = rf.euclidean_topk(torch.from_numpy(X[:3]), torch.from_numpy(X), 5)
    assert isinstance(distances, torch.Tensor)
    assert ids.dtype == torch.int64
    assert same_bits(distances.numpy(), expected[0])
    assert same_bits(ids.numpy(), expected[1])
    assert isinstance(rf.gaussian_normalize(torch.from_numpy(X)), torch.Tensor)
    assert rf.pack_codes(torch.from_numpy(X)).dtype == torch.uint8


def test_the_kind_of_the_queries_decides():
    assert isinstance(rf.euclidean_topk(torch.from_numpy(X), X, 1)[0], torch.Tensor)
    assert isinstance(rf.euclidean_topk(X, torch.from_numpy(X), 1)[0], np.ndarray)


def test_bfloat16_and_gradients():
    tensor = torch.from_numpy(X).bfloat16().requires_grad_()
    exact = tensor.detach().float().numpy()
    assert same_bits(rf.euclidean_topk(tensor, tensor, 4)[0].numpy(), rf.euclidean_topk(exact, exact, 4)[0])
    assert same_bits(rf.gaussian_normalize(tensor).numpy(), rf.gaussian_normalize(exact))


def test_lazy_negation_and_expanded_strides():
    z = torch.complex(torch.from_numpy(X), torch.from_numpy(X[::-1].copy()))
    negative = z.conj().imag
    assert negative.is_neg()
    assert same_bits(rf.pack_codes(-negative).numpy(), rf.pack_codes(-negative.numpy(force=True)))
    assert same_bits(rf.pack_codes(negative).numpy(), rf.pack_codes(negative.clone().numpy(force=True)))
    row = torch.from_numpy(X[:1]).expand(5, 33)
    assert rf.euclidean_topk(row, row, 5)[1][2].tolist() == [0, 1, 2, 3, 4]


def test_arrays_without_plain_data_are_refused():
    for odd in (torch.zeros(2, 3, device="meta"), torch.zeros(2, 3).to_sparse()):
        with pytest.raises(TypeError, match="queries: expected a dense torch tensor with data"):
            rf.euclidean_topk(odd, X, 1)
    with pytest.raises(TypeError, match="expected an array without mask"):
        rf.pack_codes(np.ma.masked_array(X, X > 0.5))


def test_dlpack():
    _, ids = rf.euclidean_topk(DlpackOnly(X), DlpackOnly(X), 2)
    assert same_bits(ids, rf.euclidean_topk(X, X, 2)[1])


@pytest.mark.parametrize(
    "view",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float32).reshape(x.shape),
    ],
    ids=["fortran", "strided", "reversed", "big-endian", "unaligned"],
)
def test_layout_does_not_matter(view):
    odd = view(X)
    expected = rf.euclidean_topk(X, X, 3)
    assert same_bits(rf.euclidean_topk(odd, odd, 3)[0], expected[0])
    assert same_bits(rf.gaussian_normalize(odd), rf.gaussian_normalize(X))
    assert same_bits(rf.pack_codes(odd), rf.pack_codes(X))


def test_inputs_are_not_written():
    frozen = X.copy()
    frozen.flags.writeable = False
    rf.euclidean_topk(frozen, frozen, 3, normalize="row")
    rf.gaussian_normalize(frozen, axis="feature")
    assert same_bits(frozen, X)

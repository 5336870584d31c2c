"""Every kind of array that a caller may bring: read as its plain NumPy copy is, bit for bit, or refused by name."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
import torch

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.base.arrays import as_host, float_kind

X = torch.from_numpy(np.random.default_rng(0).standard_normal((12, 33)).astype(np.float32)).bfloat16().float().numpy()
"""Numbers that bfloat16 holds exactly."""
LABELS = np.arange(12) % 3
OPS = {
    "euclidean_topk queries": lambda x: rf.euclidean_topk(x, X, 3),
    "euclidean_topk database": lambda x: rf.euclidean_topk(X, x, 3),
    "euclidean_topk nan": lambda x: rf.euclidean_topk(x, X, 3, nan="raise"),
    "prepare": lambda x: rf.euclidean_topk(X, rf.prepare(x), 3),
    "gaussian_normalize": lambda x: (rf.gaussian_normalize(x),),
    "gaussian_statistics": rf.gaussian_statistics,
    "pack_codes": lambda x: (rf.pack_codes(x),),
    "rank_database": lambda x: next(iter(rf.rank_database(x, X)))[1:],
    "relevant_ranks": lambda x: next(iter(rf.relevant_ranks(x, X, LABELS, LABELS)))[1:3],
}
EXPECTED = {name: op(X) for name, op in OPS.items()}
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 33)


class Only:
    """An array of a third library, which has nothing but the named ways to be read."""

    def __init__(self, array, *ways):
        self.array, self.ways = array, ways

    def __getattribute__(self, name):
        get = object.__getattribute__
        if name in ("__dlpack__", "__dlpack_device__", "__array__", "__array_interface__", "__array_struct__"):
            if name not in get(self, "ways"):
                raise AttributeError(name)
            return getattr(get(self, "array"), name)
        return get(self, name)


DLPACK = ("__dlpack__", "__dlpack_device__")
Subclass = type("Subclass", (torch.Tensor,), {})


def inference(x):
    with torch.inference_mode():
        return torch.from_numpy(x).clone()


READ = {
    "big-endian float16": lambda: X[:, :4].astype(">f2") * 0 + 1,
    "big-endian float32": lambda: X.astype(">f4"),
    "big-endian float64": lambda: X.astype(">f8"),
    "dtype with metadata": lambda: X.astype(np.dtype("f4", metadata={"unit": "1"})),
    "fortran": lambda: np.asfortranarray(X),
    "negative strides": lambda: X[::-1, ::-1].copy()[::-1, ::-1],
    "matrix": lambda: np.asmatrix(X),
    "read-only": lambda: np.frombuffer(X.tobytes(), np.float32).reshape(X.shape),
    "tensor": lambda: torch.from_numpy(X),
    "tensor that requires grad": lambda: torch.from_numpy(X.copy()).requires_grad_(),
    "parameter": lambda: torch.nn.Parameter(torch.from_numpy(X.copy())),
    "bfloat16 tensor": lambda: torch.from_numpy(X).bfloat16(),
    "bfloat16 tensor that requires grad": lambda: torch.from_numpy(X).bfloat16().requires_grad_(),
    "negated bfloat16 tensor": lambda: torch._neg_view(torch.from_numpy(-X).bfloat16()),
    "strided bfloat16 tensor": lambda: torch.from_numpy(np.asfortranarray(X)).bfloat16(),
    "inference tensor": lambda: inference(X),
    "subclass of tensor": lambda: torch.from_numpy(X).as_subclass(Subclass),
    "dlpack": lambda: Only(X, *DLPACK),
    "dlpack of a tensor": lambda: Only(torch.from_numpy(X), *DLPACK),
    "dlpack of bfloat16": lambda: Only(torch.from_numpy(X).bfloat16(), *DLPACK),
    "array interface": lambda: Only(X, "__array_interface__"),
    "array struct": lambda: Only(X, "__array_struct__"),
    "array protocol": lambda: Only(X, "__array__"),
    "arrow column": lambda: FIXED,
    "arrow slice": lambda: pa.concat_arrays([FIXED[:3], FIXED])[3:],
    "arrow chunks": lambda: pa.chunked_array([FIXED[:5], FIXED[5:5], FIXED[5:]]),
    "arrow float64": lambda: FIXED.cast(pa.list_(pa.float64(), 33)),
    "arrow float16": lambda: pa.FixedSizeListArray.from_arrays(pa.array(X.astype(np.float16).ravel()), 33),
    "arrow fixed shape": lambda: pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [33]), FIXED),
    "arrow tensor": lambda: pa.Tensor.from_numpy(X),
    "arrow table of numbers": lambda: pa.table({str(i): column for i, column in enumerate(X.T)}),
}


def values_of(found):
    return [part.detach().numpy() if isinstance(part, torch.Tensor) else np.asarray(part) for part in found]


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", READ)
def test_read_as_its_plain_copy(kind):
    x = READ[kind]()
    if kind == "big-endian float16":
        assert same_bits(rf.gaussian_normalize(x), rf.gaussian_normalize(x.astype(np.float16)))
        x = X.astype(np.float16).astype(">f2")
    for name, op in OPS.items():
        expected = op(X.astype(np.float16)) if "16" in kind and "bfloat" not in kind else EXPECTED[name]
        for part, wanted in zip(values_of(op(x)), expected, strict=True):
            assert same_bits(part, np.asarray(wanted)), name


def test_bfloat16_of_either_byte_order():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    little = X.astype(ml_dtypes.bfloat16)
    big = little.astype(little.dtype.newbyteorder(">"))
    assert same_bits(big.view(np.uint8).reshape(12, 33, 2)[..., ::-1].copy(), little.view(np.uint8).reshape(12, 33, 2))
    for x in (little, big, np.asfortranarray(big), np.repeat(big, 2, axis=1)[:, ::2]):
        for name, op in OPS.items():
            for part, wanted in zip(values_of(op(x)), EXPECTED[name], strict=True):
                assert same_bits(part, np.asarray(wanted)), name
    for other in ("float8_e4m3fn", "int4", "float6_e2m3fn"):
        with pytest.raises(TypeError, match=rf"queries: expected float16.*got {other}; convert them with"):
            rf.euclidean_topk(X.astype(getattr(ml_dtypes, other)), X, 1)


def test_types_are_known_by_what_they_are():
    """A type is not what its name says: an impostor of two bytes is refused."""
    assert [float_kind(np.dtype(code)) for code in (">f2", "<f4", ">f8", "i2", "V2", "u2", "O", "U3", "c8")] == [
        "f2",
        "f4",
        "f8",
        *[None] * 6,
    ]


def test_jax():
    jax = pytest.importorskip("jax")
    for dtype in ("float32", "bfloat16", "float16"):
        given = jax.numpy.asarray(X).astype(dtype)
        distances, ids = rf.euclidean_topk(given, given, 3)
        assert isinstance(distances, jax.Array)
        plain = np.asarray(given).astype(np.float32)
        assert same_bits(np.asarray(distances), rf.euclidean_topk(plain, plain, 3)[0])
        assert np.array_equal(np.asarray(ids), rf.euclidean_topk(plain, plain, 3)[1])
    back = as_host(jax.numpy.asarray(X), "queries")[1]
    with pytest.raises(ValueError, match="ids: expected arrays that hold 64-bit integers, as 4294967301 is needed"):
        back(np.array([2**32 + 5]))


class Raises:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no numbers today")


class OnDevice:
    def __dlpack__(self, **options):
        raise BufferError("on a device")

    def __dlpack_device__(self):
        return (2, 0)


def cuda_capsule():
    """A DLPack capsule whose memory is CUDA's, as another library might hand it over."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(CAPSULE), b"dltensor", None)


CAPSULE = (ctypes.c_int64 * 16)(0, 2)

REFUSED = {
    "masked": (lambda: np.ma.masked_array(X, X > 0), "got a masked array; fill it with NAME.filled(value)"),
    "nothing": (lambda: None, "got NoneType; pass the numbers as a matrix"),
    "list": (lambda: X.tolist(), "got list; convert it with numpy.asarray(NAME, dtype=numpy.float32)"),
    "path": (lambda: "features.npy", "got str; read the file first"),
    "integers": (lambda: X.astype(int), "got int64; convert them with numpy.asarray(NAME).astype(numpy.float32)"),
    "objects": (lambda: X.astype(object), "got object; convert them with numpy.asarray(NAME).astype(numpy.float32)"),
    "column of vectors": (
        lambda: list_column(),
        "got object; make a matrix of the rows with numpy.stack(numpy.asarray(NAME))",
    ),
    "complex": (lambda: X.astype(complex), "got complex128; take NAME.real or abs(NAME)"),
    "fields": (
        lambda: np.zeros((2, 3), [("a", "f4")]),
        "got void32; pass one field, NAME['a'], or a matrix of all of them",
    ),
    "bytes of bfloat16": (lambda: X.astype(np.float16).view("V2"), "NAME.view(ml_dtypes.bfloat16) if that is what"),
    "sparse": (lambda: scipy.sparse.csr_array(X), "got csr_array; pass NAME.toarray()"),
    "sparse tensor": (lambda: torch.from_numpy(X).to_sparse(), "torch.sparse_coo, cpu); pass NAME.to_dense()"),
    "meta tensor": (lambda: torch.zeros(2, 3, device="meta"), "meta); pass a tensor that was given data"),
    "meta bfloat16": (
        lambda: torch.zeros(2, 3, device="meta").bfloat16(),
        "torch.bfloat16 (Tensor, torch.strided, meta)",
    ),
    "float8 tensor": (lambda: torch.from_numpy(X).to(torch.float8_e4m3fn), "pass NAME.float()"),
    "on a device": (OnDevice, "got OnDevice on a device (DLPack (2, 0)); pass torch.from_dlpack(NAME)"),
    "CUDA capsule": (cuda_capsule, "got PyCapsule; a capsule can be read only once: pass the array"),
    "raising": (Raises, "got Raises (no numbers today)"),
    "tensor by DLPack that requires grad": (
        lambda: Only(torch.from_numpy(X.copy()).requires_grad_(), *DLPACK),
        "require gradient",
    ),
    "arrow nulls": (
        lambda: pa.array([[1.0], None], pa.list_(pa.float32(), 1)),
        "got 1 nulls; leave them out with NAME.drop",
    ),
    "arrow nulls within": (
        lambda: pa.array([[None], [1.0]], pa.list_(pa.float32(), 1)),
        "numpy.array(NAME.to_pylist()",
    ),
    "arrow lists": (lambda: pa.array([[1.0], [2.0]]), "got object; make a matrix of the rows with numpy.stack("),
    "arrow table": (lambda: pa.table({"v": FIXED}), "got Table with 1 columns; pass one column, NAME.column(0)"),
}
NAMES = {"euclidean_topk database": "database", "prepare": "database", "pack_codes": "u"}
NAMES |= dict.fromkeys(("gaussian_normalize", "gaussian_statistics"), "features")


def list_column():
    column = np.empty(2, object)
    column[:] = [X[0], X[1]]
    return column


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind):
    make, words = REFUSED[kind]
    for op, call in OPS.items():
        name = NAMES.get(op, "queries")
        with pytest.raises(TypeError, match=re.escape(words.replace("NAME", name))) as caught:
            call(make())
        assert str(caught.value).startswith(f"{name}: expected ")
        assert "\n" not in str(caught.value)


def test_remedies_work():
    """What the errors above tell to do, done."""
    plain = rf.gaussian_normalize(X)
    assert same_bits(rf.gaussian_normalize(np.asarray(X.tolist(), dtype=np.float32)), plain)
    assert same_bits(rf.gaussian_normalize(np.stack([X[0], X[1]])), plain[:2])
    assert same_bits(rf.gaussian_normalize(scipy.sparse.csr_array(X).toarray()), plain)
    assert same_bits(rf.gaussian_normalize(torch.from_numpy(X).to_sparse().to_dense()).numpy(), plain)
    assert same_bits(rf.gaussian_normalize(np.stack(np.asarray(pa.array(list(X))))), plain)
    nulls = pa.array([X[0].tolist(), None], pa.list_(pa.float32(), 33))
    assert same_bits(rf.gaussian_normalize(nulls.drop_null()), plain[:1])
    assert same_bits(rf.gaussian_normalize(np.array(pa.array(X.tolist()).to_pylist(), dtype=np.float32)), plain)
    assert same_bits(rf.gaussian_normalize(pa.table({"v": FIXED}).column(0)), plain)


FEATURES = rf.Features(X, tuple(map(str, range(12))), LABELS, ("a", "b", "c"), "demo")
CODES = rf.pack_codes(X)
KINDS = {
    "Features": (FEATURES, "pass its .matrix"),
    "vectors": (rf.prepare(X), "it is a database of euclidean_topk, rank_database and relevant_ranks"),
    "codes": (
        rf.prepare(CODES, metric="hamming"),
        "it is a database of hamming_topk and rank_database(metric='hamming')",
    ),
}
PLACES = {
    **OPS,
    "hamming_topk queries": lambda x: rf.hamming_topk(x, CODES, 1),
    "hamming_topk database": lambda x: rf.hamming_topk(CODES, x, 1),
    "prepare codes": lambda x: rf.prepare(x, metric="hamming"),
    "rank_database database": lambda x: rf.rank_database(X, x),
    "rank_database codes": lambda x: rf.rank_database(CODES, x, metric="hamming"),
    "relevant_ranks database": lambda x: rf.relevant_ranks(X, x, LABELS, LABELS),
}
RIGHT = {
    ("euclidean_topk database", "vectors"),
    ("rank_database database", "vectors"),
    ("relevant_ranks database", "vectors"),
    ("hamming_topk database", "codes"),
    ("rank_database codes", "codes"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_for_another_op_is_told_its_own(place, kind):
    given, words = KINDS[kind]
    if (place, kind) in RIGHT:
        PLACES[place](given)
        return
    with pytest.raises(TypeError, match=re.escape(words)) as caught:
        PLACES[place](given)
    assert f"got {type(given).__name__}; " in str(caught.value)

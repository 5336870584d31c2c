"""Prepared databases: what they hold, and that they never change an answer."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import copied_rows, ends_by_ctrl_c, matrices, same_bits
from rsir_fast.ops import reference
from rsir_fast.ops.engines import host

RNG = np.random.default_rng(11)
DATABASE = RNG.standard_normal((1500, 48)).astype(np.float32)
DATABASE[700:720] = DATABASE[3:23]
QUERIES = np.concatenate([DATABASE[:9], RNG.standard_normal((9, 48)).astype(np.float32)])


def same_answer(a, b) -> bool:
    return same_bits(a[0], b[0]) and same_bits(a[1], b[1])


@given(
    data=st.data(),
    hostile=st.booleans(),
    precision=st.sampled_from(["auto", "int8", "int16"]),
    threads=st.sampled_from([1, 2, 5]),
)
def test_certified_bits_are_those_of_the_reference(isa, data, hostile, precision, threads):
    """Tiny databases too: all that certified search asks for is a row, a column and k within n."""
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=5, width=database.shape[1], hostile=hostile))
    k = data.draw(st.integers(1, max(1, len(database))))
    prepared = rf.prepare(database, precision=precision, isa=isa, threads=threads)
    method = "certified" if database.size else "auto"
    widened = [x.astype(np.float32) if x.dtype == np.float16 else x for x in (queries, database)]
    expected = reference.euclidean_topk(*widened, k)
    for items in (prepared, database):
        assert same_answer(rf.euclidean_topk(queries, items, k, method=method, isa=isa, threads=threads), expected)


def stored_as(x: np.ndarray, dtype: str):
    return torch.from_numpy(x).to(torch.bfloat16) if dtype == "bfloat16" else x.astype(dtype)


@pytest.mark.parametrize("query_dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_methods_agree_whatever_is_stored(isa, query_dtype, dtype, normalize):
    queries, database = stored_as(QUERIES, query_dtype), stored_as(DATABASE, dtype)
    expected = rf.euclidean_topk(queries, database, 10, normalize, method="dense", isa="scalar", threads=1)
    for precision in ("auto", "int8", "int16"):
        prepared = rf.prepare(database, normalize, precision=precision, isa=isa)
        for threads in (1, 3):
            for method in ("auto", "certified", "dense"):
                options = {"method": method, "isa": isa, "threads": threads}
                for items, asked in ((prepared, None), (prepared, normalize), (database, normalize)):
                    answer = rf.euclidean_topk(queries, items, 10, asked, **options)
                    assert all(same_bits(a, b) for a, b in zip(answer, expected, strict=True))


@pytest.mark.parametrize("n", [511, 512, 513, 527, 528, 529])
def test_sizes_at_which_the_pass_changes(isa, n):
    for k in (1, n // 8, n // 8 + 1, n, n + 3):
        expected = rf.euclidean_topk(QUERIES, DATABASE[:n], k, method="dense", isa="scalar")
        prepared = rf.prepare(DATABASE[:n], isa=isa)
        for q in (5, 6, 7, 18):
            for items in (prepared, DATABASE[:n]):
                answer = rf.euclidean_topk(QUERIES[:q], items, k, isa=isa)
                assert same_answer(answer, (expected[0][:q], expected[1][:q]))


def test_plan_tells_the_pass_and_why():
    prepared = rf.prepare(DATABASE)

    def plan(queries, database, k, *, method="auto", **options):
        if isinstance(database, rf.Database):
            return database.plan(queries, k, method=method, **options)
        search = host.euclidean(queries, database, None, method=method, **options)
        search.topk(k)
        return search.plan()

    found = plan(QUERIES, prepared, 10, threads=2, isa="scalar")
    assert (found.method, found.prepared, found.isa, found.threads) == ("certified", True, "scalar", 2)
    assert found.dense_queries == 0
    assert len(QUERIES) * 10 <= found.decided <= found.candidates < len(QUERIES) * len(DATABASE) // 2
    found = plan(QUERIES, DATABASE, 10)
    assert (found.method, found.prepared) == ("certified", False)
    for method, arguments, reason in (
        ("dense", (QUERIES, prepared, 10), "asked for"),
        ("certified", (QUERIES[:1], DATABASE[:20], 10), "asked for"),
        ("auto", (QUERIES, prepared, 0), "k = 0 is not within 1 and n = 1500"),
        ("auto", (QUERIES, prepared, 1501), "k = 1501 is not within 1 and n = 1500"),
        ("auto", (QUERIES[:, :0], DATABASE[:, :0], 1), "d = 0 is not within 1 and 65536"),
        ("auto", (QUERIES, DATABASE[:511], 1), "n = 511 is below 512"),
        ("auto", (QUERIES, prepared, 188), "k = 188 is more than 1/8 of n = 1500"),
        ("auto", (QUERIES[:5], DATABASE, 1), "5 queries are too few"),
    ):
        found = plan(*arguments, method=method)
        assert found.reason.startswith(reason)
        assert found.method == ("certified" if method == "certified" else "dense")
        if found.method == "dense":
            assert (found.candidates, found.decided, found.dense_queries) == (0, 0, len(arguments[0]))
    equal = np.repeat(DATABASE[:1], 2000, axis=0)
    assert plan(QUERIES, equal, 3, method="certified").dense_queries == len(QUERIES)


@pytest.mark.parametrize("normalize", ["none", "row"])
def test_a_database_answers_by_itself(normalize):
    database = rf.prepare(DATABASE, normalize)
    assert (database.metric, database.normalize, database.bits) == ("euclidean", normalize, None)
    expected = rf.euclidean_topk(QUERIES, DATABASE, 10, normalize)
    assert same_answer(database.topk(QUERIES, 10, threads=2), expected)
    labels = np.arange(len(DATABASE)) % 9
    asked = (labels[: len(QUERIES)], labels)
    (found,) = database.ranks(QUERIES, *asked, self_ids=range(len(QUERIES)))
    (wanted,) = rf.relevant_ranks(QUERIES, DATABASE, *asked, self_ids=range(len(QUERIES)), normalize=normalize)
    assert all(same_bits(a, b) for a, b in zip(found, wanted, strict=True))


def test_codes_answer_by_themselves():
    codes = rf.pack_codes(DATABASE)
    database = rf.prepare(codes, metric="hamming", bits=48)
    assert same_answer(database.topk(codes[:5], 10), rf.hamming_topk(codes[:5], codes, 10, 48))
    for what, call in (
        ("ranks", lambda: database.ranks(codes, [0], [0])),
        ("plan", lambda: database.plan(codes, 1)),
    ):
        with pytest.raises(ValueError, match=f"{what}: expected a database of vectors, got one of codes"):
            call()


def test_what_does_not_fit_the_metric_is_refused():
    codes = rf.pack_codes(DATABASE)
    for options in ({"normalize": "row"}, {"precision": "int8"}):
        with pytest.raises(ValueError, match="normalize, precision: expected 'none' and 'auto' with metric='hamming'"):
            rf.prepare(codes, metric="hamming", **options)
    with pytest.raises(ValueError, match="bits: expected None with metric='euclidean'"):
        rf.prepare(DATABASE, bits=8)
    with pytest.raises(ValueError, match="metric: expected 'euclidean' or 'hamming', got 'cosine'"):
        rf.prepare(DATABASE, metric="cosine")


def test_what_there_was_says_what_does_it_now():
    for name in ("PreparedDatabase", "PreparedTensor", "PreparedCodes", "ShardedDatabase", "ShardedCodes"):
        with pytest.raises(ImportError, match=f"rsir_fast.{name} is now rsir_fast.Database"):
            getattr(rf, name)
    with pytest.raises(ImportError, match=r"prepare_codes is now rsir_fast.prepare\(codes, metric='hamming'"):
        _ = rf.prepare_codes
    for option, words in (
        ("explain", r"prepare\(database\).plan"),
        ("exact", "every answer is exact"),
        ("kk", "see help"),
    ):
        with pytest.raises(TypeError, match=f"{option}: expected no such option, got {option}=; .*{words}"):
            rf.euclidean_topk(QUERIES, DATABASE, 1, **{option: True})


def test_methods_that_cannot_be_used_are_refused():
    for arguments, reason in (
        ((QUERIES, DATABASE, 0), "k = 0"),
        ((QUERIES, DATABASE, 1501), "k = 1501"),
        ((QUERIES, DATABASE[:0], 1), "k = 1 is not within 1 and n = 0"),
        ((QUERIES[:, :0], DATABASE[:, :0], 1), "d = 0"),
        ((np.zeros((1, 65_537), np.float32), np.zeros((3, 65_537), np.float32), 1), "d = 65537"),
    ):
        with pytest.raises(ValueError, match=f"'certified' cannot be used where {reason}.*use method='auto'"):
            rf.euclidean_topk(*arguments, method="certified")
    with pytest.raises(ValueError, match="method: expected 'auto', 'certified' or 'dense', got 'quick'"):
        rf.euclidean_topk(QUERIES, DATABASE, 1, method="quick")
    with pytest.raises(ValueError, match="precision: expected 'auto', 'int8' or 'int16', got 'int4'"):
        rf.prepare(DATABASE, precision="int4")


def test_widest_and_wider_vectors(isa):
    wide = RNG.standard_normal((20, 65_537)).astype(np.float32)
    for d in (65_536, 65_537):
        rows = np.ascontiguousarray(wide[:, :d])
        prepared = rf.prepare(rows, isa=isa)
        assert (prepared.held.sidecar is None) == (d > 65_536)
        method = "certified" if d == 65_536 else "auto"
        expected = rf.euclidean_topk(rows[:2], rows, 5, method="dense", isa="scalar")
        assert same_answer(rf.euclidean_topk(rows[:2], prepared, 5, method=method, isa=isa), expected)


def test_options_must_fit_the_prepared_database():
    prepared = rf.prepare(DATABASE, "row")
    with pytest.raises(ValueError, match="normalize: expected 'row', with which the database was prepared, got 'none'"):
        rf.euclidean_topk(QUERIES, prepared, 1, normalize="none")
    with pytest.raises(ValueError, match="normalize: expected 'none' or 'row', got 'l2'"):
        rf.prepare(DATABASE, "l2")
    with pytest.raises(ValueError, match="queries have 47 features, the database has 48"):
        rf.euclidean_topk(QUERIES[:, :47], prepared, 1)
    with pytest.raises(TypeError, match="database: expected float16"):
        rf.prepare(DATABASE.astype(np.int32))
    with pytest.raises(ValueError, match=r"database: expected shape \[n, d\]"):
        rf.prepare(DATABASE[0])


def test_a_copy_is_kept_of_what_may_change():
    changing = DATABASE.copy()
    prepared, view = rf.prepare(changing), rf.prepare(changing, copy=False)
    assert view.held.rows.array is changing or np.shares_memory(view.held.rows.array, changing)
    expected = rf.euclidean_topk(QUERIES, DATABASE, 5)
    changing[:] = 0
    assert same_answer(rf.euclidean_topk(QUERIES, prepared, 5), expected)
    tensor = torch.from_numpy(DATABASE.copy()).to(torch.bfloat16)
    prepared, expected = rf.prepare(tensor), rf.euclidean_topk(QUERIES, tensor.clone(), 5)
    tensor.zero_()
    assert same_answer(rf.euclidean_topk(QUERIES, prepared, 5), expected)


@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_pickle(dtype, normalize):
    prepared = rf.prepare(stored_as(DATABASE, dtype), normalize)
    again = pickle.loads(pickle.dumps(prepared))
    assert (again.normalize, again.shape, repr(again)) == (prepared.normalize, prepared.shape, repr(prepared))
    assert same_answer(rf.euclidean_topk(QUERIES, again, 5), rf.euclidean_topk(QUERIES, prepared, 5))


def test_size_and_description():
    for precision, code in (("int8", 1), ("int16", 2)):
        prepared = rf.prepare(DATABASE.astype(np.float16), precision=precision)
        assert (len(prepared), prepared.shape) == (1500, (1500, 48))
        assert prepared.held.sidecar.precision == precision
        stored, codes, numbers = 1500 * 48 * 2, 1504 * 48 * code, 1504 * 12
        assert 0 <= prepared.nbytes - stored - codes - numbers <= 48 * 4 + 256 + 4096  # and a header, to whole pages
        mib = f"{prepared.nbytes / 2**20:.1f}"
        described = f"1500 x 48 float16, normalize='none', precision={precision!r}, {mib} MiB"
        assert repr(prepared) == f"Database({described})"


def test_empty_and_degenerate_shapes(isa):
    for n, d in ((0, 3), (4, 0), (0, 0)):
        prepared = rf.prepare(np.zeros((n, d), np.float32), isa=isa)
        assert (prepared.held.sidecar, prepared.nbytes) == (None, 0)
        ids = rf.euclidean_topk(np.zeros((2, d), np.float32), prepared, 2, isa=isa)[1]
        assert ids.tolist() == [[0, 1] if n else [-1, -1]] * 2
    prepared = rf.prepare(DATABASE, isa=isa)
    for method in ("auto", "certified", "dense"):
        assert rf.euclidean_topk(QUERIES[:0], prepared, 3, method=method, isa=isa)[0].shape == (0, 3)
    assert rf.euclidean_topk(QUERIES, prepared, 0, isa=isa)[1].shape == (len(QUERIES), 0)


def test_wild_rows_and_queries(isa):
    database, queries = DATABASE.astype(np.float64), QUERIES.astype(np.float64)
    database[[5, 16, 900], [0, 7, 47]] = [np.nan, -np.inf, 1e200]
    database[1499] = 1e13
    queries[[1, 4, 17], [3, 0, 9]] = [np.inf, 1e300, np.nan]
    expected = rf.euclidean_topk(queries, database, 1500, method="dense", isa="scalar")
    prepared = rf.prepare(database, isa=isa)
    assert prepared.held.sidecar.wild == 4
    for k in (1, 10, 1500):
        answer = rf.euclidean_topk(queries, prepared, k, method="certified", isa=isa)
        assert same_answer(answer, (expected[0][:, :k], expected[1][:, :k]))


MEMORY = """
import sys, threading, time
import numpy as np, rsir_fast as rf

def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024

rng = np.random.default_rng(0)
database = rng.standard_normal((100_000, 64), dtype=np.float32)
queries = rng.standard_normal((4096, 64), dtype=np.float32)
items = rf.prepare(database, copy=False) if {prepared} else database
rf.euclidean_topk(queries[:40], items, 10, threads=2)
with open("/proc/self/clear_refs", "w") as clear:
    clear.write("5")
before = resident("VmRSS")
rf.euclidean_topk(queries, items, 10, method={method!r}, threads=2)
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("method", "prepared"), [("certified", True), ("certified", False), ("dense", False)])
def test_peak_memory_stays_far_below_all_distances(method, prepared):
    """All 4096 x 100,000 distances would take 1.6 GB; what the docstring allows is some MiB."""
    program = MEMORY.format(method=method, prepared=prepared)
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == 0, child.stderr
    sidecar = 0 if prepared or method == "dense" else 100_000 * (2 * 64 + 12)
    assert int(child.stdout) < sidecar + 16 * 2**20


HARD = {
    "rows at one distance": "items = (1 + 1e-7 * random.standard_normal((n, 4))).astype('f4')\nqueries *= 1e6",
    "half of the rows wild": "items[::2, 0] = np.nan",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("method", ["auto", "certified"])
@pytest.mark.parametrize("hard", HARD)
def test_peak_memory_where_bounds_exclude_little(hard, method):
    """256 queries in flight may have 1 MiB of candidates each; what overflows, and wild rows, is not kept for 1024."""
    program = f"""
import numpy as np, rsir_fast as rf
def resident(field):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
n, random = 100_000, np.random.default_rng(0)
items = random.standard_normal((n, 4)).astype("f4")
queries = random.standard_normal((1024, 4)).astype("f4")
{HARD[hard]}
rf.euclidean_topk(queries[:64], items[:9000], 10, threads=1)
before = resident("VmRSS")
rf.euclidean_topk(queries, items, 10, method={method!r}, threads=1)
print(resident("VmHWM") - before)
"""
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 320 * 2**20


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_certified_search(threads):
    program = f"""
import numpy as np, rsir_fast as rf
x = np.random.default_rng(0).random((60_000, 512), dtype=np.float32)
prepared = rf.prepare(x, copy=False)
print("ready", flush=True)
rf.euclidean_topk(x, prepared, 10, method="certified", threads={threads}, isa="scalar")
"""
    assert ends_by_ctrl_c(program)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("d", [1, 65, 1000, 1024, 1025, 2048, 4095, 4096, 4097])
def test_cuda_copies_made_together_are_those_made_alone(dtype, d):
    """Normalised and copied in one pass over the matrix, where rows are short, or in several."""
    x = torch.from_numpy(np.random.default_rng(d).gamma(0.3, size=(300, d))).to(getattr(torch, dtype))
    x[5], x[6, d // 2], x[7] = 0.1, float("nan"), 0
    together = rf.prepare(x.cuda(), normalize="row").held
    assert same_bits(together.rows.cpu().numpy(), rf.gaussian_normalize(x).numpy())
    for precision, codes in (("int16", "half"), ("int8", "int8")):
        alone = rf.prepare(together.rows, precision=precision).held
        assert copied_rows(together.copies[codes], codes, 300, d) == copied_rows(alone.copies[codes], codes, 300, d)


@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_database_is_searched_for_its_own_rows(isa, normalize, copy):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 600)).astype(np.float32)
    x[40:45] = x[3]
    database = rf.prepare(x, normalize=normalize, copy=copy)
    expected = rf.euclidean_topk(x.copy(), x, 9, normalize=normalize, isa="scalar")
    for found in [
        database.topk(database, 9, isa=isa),
        rf.euclidean_topk(x, x, 9, normalize=normalize, isa=isa),
        rf.euclidean_topk(x, x, 9, normalize=normalize, isa=isa, method="certified"),
    ]:
        assert same_bits(found[0], expected[0])
        assert same_bits(found[1], expected[1])
    assert database.topk(database, 9, where=np.arange(50)).ids.max() < 50

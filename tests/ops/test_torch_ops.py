"""The ops within torch.compile, torch.export and torch.library's own checks."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.ops import torch_ops

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def features(n: int, d: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = np.random.default_rng(n * d).standard_normal((n, d))
    return torch.from_numpy(values).to(device=device, dtype=dtype)


CALLS = {
    "gaussian_normalize": lambda x: (torch_ops.gaussian_normalize, (x,)),
    "gaussian_normalize by feature": lambda x: (torch_ops.gaussian_normalize, (x, "feature")),
    "euclidean_topk": lambda x: (torch_ops.euclidean_topk, (x[:3], x, 5)),
    "euclidean_topk normalized": lambda x: (torch_ops.euclidean_topk, (x[:3], x, 5, "row")),
    "hamming_topk": lambda x: (torch_ops.hamming_topk, (rf.pack_codes(x[:3]), rf.pack_codes(x), 5, 30)),
    "pack_codes": lambda x: (torch_ops.pack_codes, (x,)),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("call", CALLS)
def test_opcheck(call, dtype, device):
    op, arguments = CALLS[call](features(20, 31, device, dtype))
    torch.library.opcheck(op, arguments)


@pytest.mark.parametrize("device", DEVICES)
def test_a_compiled_pipeline_is_one_graph_with_the_same_bits(device):
    def pipeline(weight, images, database):
        rows = rf.gaussian_normalize(torch.relu(images @ weight))
        distances, ids = rf.euclidean_topk(rows, database, 4)
        codes = rf.pack_codes(rows - 0.5)
        return (
            distances,
            ids,
            *rf.hamming_topk(codes, codes, 3, bits=17),
            rf.euclidean_topk(rows, rows, 2, normalize="row")[1],
        )

    weight, images, database = features(12, 17, device), features(9, 12, device), features(50, 17, device)
    compiled = torch.compile(pipeline, fullgraph=True, backend="aot_eager")
    for rows in (9, 5):  # the second time with a shape that is not a constant any more
        expected = pipeline(weight, images[:rows], database)
        answers = compiled(weight, images[:rows], database)
        assert len(answers) == len(expected)
        for answer, wanted in zip(answers, expected, strict=True):
            assert same_bits(answer.cpu(), wanted.cpu())


def test_exported():
    class Search(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("database", features(40, 8))

        def forward(self, queries):
            return rf.euclidean_topk(queries, self.database, 3)

    module, queries = Search(), features(6, 8)
    program = torch.export.export(module, (queries,))
    assert "rsir_fast.euclidean_topk" in str(program.graph)
    for answer, wanted in zip(program.module()(queries), module(queries), strict=True):
        assert same_bits(answer, wanted)


def test_compiled_answers_have_the_names_of_others_exported_ones_are_plain_pairs():
    def search(queries, database, codes):
        return rf.euclidean_topk(queries, database, 3), rf.hamming_topk(codes, codes, 2)

    class Search(torch.nn.Module):
        def forward(self, queries, database, codes):
            return search(queries, database, codes)

    given = features(6, 8), features(40, 8), rf.pack_codes(features(9, 16))
    plain, compiled = search(*given), torch.compile(search, fullgraph=True, backend="aot_eager")(*given)
    for found in (plain, compiled):
        assert isinstance(found[0], rf.EuclideanTopK)
        assert isinstance(found[1], rf.HammingTopK)
    assert same_bits(compiled[0].squared, plain[0].squared)
    assert same_bits(compiled[1].distances, plain[1].distances)
    exported = torch.export.export(Search(), given).module()(*given)
    assert [type(pair) for pair in exported] == [tuple, tuple]


IN_A_FRESH_PROCESS = {
    "the first call is compiled": """
import torch, rsir_fast as rf
search = torch.compile(lambda q, x: rf.euclidean_topk(q, x, 3), fullgraph=True, backend="aot_eager")
print(search(*torch.load(sys.argv[1]))[1].tolist())
""",
    "a program saved elsewhere is loaded": """
import torch, rsir_fast.torch_ops
print(torch.export.load(sys.argv[2]).module()(*torch.load(sys.argv[1]))[1].tolist())
""",
    "a call with a tensor registers the operators": """
import torch, rsir_fast as rf
rf.pack_codes(torch.zeros(1, 8))
print(torch.ops.rsir_fast.euclidean_topk(*torch.load(sys.argv[1]), 3)[1].tolist())
""",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Inputs, and a program that torch.export has saved."""

    class Search(torch.nn.Module):
        def forward(self, queries, database):
            return rf.euclidean_topk(queries, database, 3)

    folder, given = tmp_path_factory.mktemp("saved"), (features(6, 8), features(40, 8))
    torch.save(given, folder / "given.pt")
    torch.export.save(torch.export.export(Search(), given), folder / "search.pt2")
    return folder, str(rf.euclidean_topk(*given, 3)[1].tolist())


@pytest.mark.parametrize("program", IN_A_FRESH_PROCESS)
def test_in_a_fresh_process(program, saved):
    folder, expected = saved
    command = [sys.executable, "-c", "import sys" + IN_A_FRESH_PROCESS[program]]
    found = subprocess.check_output([*command, folder / "given.pt", folder / "search.pt2"], text=True)
    assert found.strip() == expected


def test_a_prepared_database_is_refused_while_tracing():
    x, codes = features(9, 4), rf.pack_codes(features(9, 8))
    held, planes = rf.prepare(x), rf.prepare(codes, metric="hamming")
    calls = {
        "euclidean_topk": lambda x, codes: rf.euclidean_topk(x, held, 2),
        "hamming_topk": lambda x, codes: rf.hamming_topk(codes, planes, 2),
        "Database.topk": lambda x, codes: held.topk(x, 2),
    }
    for call in calls.values():
        torch._dynamo.reset()
        with pytest.raises(Exception, match="database: expected a tensor within torch.compile .* got a Database; pass"):
            torch.compile(call, fullgraph=True, backend="aot_eager")(x, codes)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # opcheck's own
@pytest.mark.parametrize("call", ["gaussian_normalize", "euclidean_topk", "euclidean_topk normalized", "pack_codes"])
def test_opcheck_of_inputs_that_require_grad(call):
    op, arguments = CALLS[call](features(20, 31).requires_grad_())
    torch.library.opcheck(op, arguments)


def test_answers_have_no_gradient():
    """Traced or not: tensors that require a gradient are taken for their values, and the rest of a loss has its own."""
    x = features(9, 6).requires_grad_()

    def answers(x):
        rows = rf.gaussian_normalize(x)
        return (rows, *rf.euclidean_topk(x[:2], x, 3), *rf.euclidean_topk(x[:2], x.detach(), 3), rf.pack_codes(x))

    for backend in ("eager", "aot_eager"):
        torch._dynamo.reset()
        found = torch.compile(answers, fullgraph=True, backend=backend)(x)
        for answer, wanted in zip(found, answers(x.detach()), strict=True):
            assert not answer.requires_grad
            assert same_bits(answer, wanted)
        loss = torch.compile(lambda x: x.sum() + rf.gaussian_normalize(x).sum(), fullgraph=True, backend=backend)
        x.grad = None
        loss(x).backward()
        assert torch.equal(x.grad, torch.ones_like(x))
    assert not any(answer.requires_grad for answer in answers(x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"explain": True}, "explain: expected no such option, got explain=; use rsir_fast.prepare(database).plan"),
        ({"method": "fast"}, "method: expected 'auto', 'certified' or 'dense', got 'fast'"),
        ({"threads": -1}, "threads: expected a whole number of at least 1, got -1"),
        ({"k": True}, "k: expected a whole number, got bool True"),
        ({"k": 2.5}, "k: expected a whole number, got float 2.5"),
        ({"k": -1}, "k: expected a number of at least 0, got -1"),
        ({"normalize": "rows"}, "normalize: expected 'none' or 'row', got 'rows'"),
    ],
)
def test_settings_are_checked_while_tracing(options, words):
    search = torch.compile(
        lambda x: rf.euclidean_topk(x, x, **{"k": 3, **options}), fullgraph=True, backend="aot_eager"
    )
    torch._dynamo.reset()
    with pytest.raises(Exception, match=re.escape(words)):
        search(features(9, 4))


def test_what_does_not_fit_is_told_while_tracing():
    search = torch.compile(lambda q, x: rf.euclidean_topk(q, x, 3), fullgraph=True, backend="aot_eager")
    with pytest.raises(Exception, match="queries have 5 columns, the database has 4"):
        search(features(2, 5), features(9, 4))
    refusing = torch.compile(lambda x: rf.euclidean_topk(x, x, 3, nan="raise"), fullgraph=True, backend="aot_eager")
    with pytest.raises(Exception, match="nan='raise'"):
        refusing(features(9, 4))


@pytest.mark.gpu
@pytest.mark.parametrize("q", [1, 2, 8])
def test_cuda_graph(q):
    """Captured once, replayed on other numbers: nothing waits for the device, all memory comes from torch."""
    database = features(30_000, 64, "cuda")
    queries = features(100, 64, "cuda")
    given = queries[:q].clone()
    rf.euclidean_topk(rf.gaussian_normalize(given), database, 10)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()

    def search():
        rows = rf.gaussian_normalize(given)
        codes = rf.hamming_topk(rf.pack_codes(rows), rf.pack_codes(database), 10)
        return *rf.euclidean_topk(rows, database, 10), *codes

    with torch.cuda.graph(graph):
        answer = search()
    for first in (0, 20, 70):
        given.copy_(queries[first : first + q])
        graph.replay()
        for found, wanted in zip(answer, search(), strict=True):
            assert same_bits(found.cpu(), wanted.cpu())

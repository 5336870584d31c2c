"""A pass recorded as a graph gives the bits of one that is not; what cannot be recorded says so, and runs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from op_support import same_bits
from rsir_fast.backbones import Backbone, load_backbone
from rsir_fast.errors import RsirWarning
from rsir_fast.extraction import encode
from rsir_fast.extraction.graph import Recorded, check_recordable
from rsir_fast.extraction.loader import Batch
from rsir_fast.extraction.overlap import Streams, computed
from rsir_fast.extraction.run import Run
from scene_files import write_broken, write_scenes

CPU = torch.device("cpu")


def network(name: str = "squeezenet1_1", **settings: object) -> Backbone:
    return load_backbone(name, weights="random:0", **settings)


def some_images(backbone: Backbone, count: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, *backbone.preprocessing.shape), dtype=torch.uint8, generator=draw)


def by_memory(run: Run) -> Run:
    """Have a run on the CPU read and write the same memory every time, as a graph does."""
    images = torch.full((run.size, *run.backbone.preprocessing.shape), 7, dtype=torch.uint8)
    features = torch.full((run.size, run.backbone.dim), torch.nan)
    run.compute = Recorded(images, features, lambda: features.copy_(run._compute(images)))
    return run


def test_passes_through_the_same_memory_change_no_bit():
    """Batches after one another, short ones among them: none sees another's images, none is overwritten."""
    plain = Run(network(), CPU, "float32", 4)
    run = by_memory(Run(network(), CPU, "float32", 4))
    batches = [some_images(run.backbone, count) for count in (4, 1, 3, 4, 2)]
    made = list(computed((Batch(images, len(images), []) for images in batches), Streams(CPU, run.forward).queue,
                         in_flight=2))  # fmt: skip
    for images, (_, rows) in zip(batches, made, strict=True):
        assert same_bits(rows, plain.forward(images).numpy())
    assert torch.equal(run.forward(batches[0], shift=3), plain.forward(batches[0]))


def test_the_timing_says_whether_a_graph_made_it_and_the_run_does_not():
    """The bits are the same: nothing that was made without a graph is to be told apart from what was made by one."""
    plain, run = Run(network(), CPU, "float32", 2), by_memory(Run(network(), CPU, "float32", 2))
    assert run.describe() == plain.describe()
    assert "graph" not in plain.timing("cpu")
    run.cuda = True
    assert run.timing("cpu")["graph"] is True


class Asks(torch.nn.Module):
    """Whose way depends on a value: each pass may be another, which a graph is not."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.mean((2, 3)) if values.sum() > 0 else values.amax((2, 3))


def asking() -> Backbone:
    backbone = network()
    backbone._modules = {"network": Asks()}
    backbone.dim = 3
    return backbone


def test_what_a_graph_cannot_hold_is_told_in_one_line_and_runs():
    run = Run(asking(), CPU, "float32", 4)
    images = some_images(run.backbone, 4)
    before = run.forward(images)
    with pytest.warns(RsirWarning, match=r"^squeezenet1_1 runs operation by operation on cpu, not as a CUDA graph: "
                                         r"the CPU waits for a value of aten\._local_scalar_dense$"):  # fmt: skip
        run._record(torch.zeros_like(images))
    assert not run.graph
    assert torch.equal(run.forward(images), before)


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (lambda x: x[x > 0], "the CPU waits for a value of aten.index"),
        (lambda x: x * float(x.sum()), "the CPU waits for a value of aten._local_scalar_dense"),
        (torch.nonzero, "the CPU waits for a value of aten.nonzero"),
        (torch.unique, "the CPU waits for a value of aten._unique2"),
        (lambda x: x.to("meta"), "a tensor crosses between devices in aten._to_copy"),
        (lambda x: torch.empty(3, device="meta").copy_(x), "a tensor crosses between devices in aten.copy_"),
    ],
)
def test_reasons_against_a_graph(compute, reason):
    with torch.inference_mode(), pytest.raises(RuntimeError) as caught:
        check_recordable(compute, torch.ones(3))
    assert str(caught.value) == reason


def test_values_of_the_cpu_are_there_without_waiting():
    """The device, here one without data, is not asked."""
    check_recordable(
        lambda x: x * float(torch.ones(2).sum()) + len(torch.ones(2).nonzero()), torch.ones(3, device="meta")
    )
    with pytest.raises(RuntimeError, match=r"^the CPU waits for a value of aten\._local_scalar_dense$"):
        check_recordable(lambda x: x * float(x.sum()), torch.ones(3, device="meta"))


@pytest.mark.parametrize("name", ["mobilenet_v2", "cnn-f", "swin_t", "densenet121"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_networks_that_are_built_here_can_be_recorded(name, dtype):
    """One that looks a table up by numbers (Swin) among them."""
    backbone = network(name, **({"width": 0.1} if name == "cnn-f" else {}))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        check_recordable(backbone, backbone.preprocessing.normalize(some_images(backbone, 1)))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "cnn-f", "resnet18", "swin_t"])
def test_a_graph_gives_the_bits_of_one_operation_after_the_other(name, precision):
    device = torch.device("cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RsirWarning)
        run = Run(network(name), device, precision, 8)
    plain = Run(network(name), device, precision, 8, graph=False)
    assert (run.graph, plain.graph) == (True, False)
    images = some_images(run.backbone, 8).to(device)
    whole = run.forward(images)
    assert torch.equal(whole, plain.forward(images))
    for few in (1, 3):  # filled up with black ones
        assert torch.equal(run.forward(images[:few]), whole[:few])
    for place in range(run.size):
        assert torch.equal(run.forward(images, shift=place), whole)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_features_of_a_device_are_those_of_the_cpu_to_five_digits(name):
    """TF32, which torch allows convolutions by default, would leave three."""
    images = some_images(network(name), 8)
    expected = Run(network(name), CPU, "float32", 8).forward(images)
    found = Run(network(name), torch.device("cuda"), "float32", 8).forward(images.cuda()).cpu()
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.gpu
def test_extraction_by_a_graph_is_that_of_one_batch_after_the_other(tmp_path):
    """Unreadable images among them, the last batch short, two batches in flight; and in shards."""
    scenes = write_scenes(tmp_path / "scenes", per_class=20)
    write_broken(scenes / "class0")
    plain = encode(scenes, network(), device="cuda", batch_size=8, workers=0)
    again = encode(scenes, network(), device="cuda", batch_size=8, shard_size=16, out=tmp_path / "f")
    assert plain.timing["graph"] is True
    assert same_bits(np.asarray(again.matrix), plain.matrix)
    assert again.skipped == plain.skipped
    assert again.timing["same_at_every_place"] is True


@pytest.mark.gpu
def test_what_cannot_be_recorded_runs_on_the_device_all_the_same(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", per_class=3)
    with pytest.warns(RsirWarning, match="not as a CUDA graph: the CPU waits for a value"):
        found = encode(scenes, asking(), device="cuda", batch_size=4)
    assert found.timing["graph"] is False
    expected = encode(scenes, asking(), device="cpu", batch_size=4)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-5)
    assert encode(scenes, network(), device="cuda").timing["graph"] is True


class Fails(torch.nn.Module):
    """Breaks only while it is recorded."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()
        return values.mean((2, 3))


@pytest.mark.gpu
def test_a_recording_that_breaks_leaves_the_device_usable(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", per_class=9)
    backbone = network()
    backbone._modules, backbone.dim = {"network": Fails()}, 3
    with pytest.warns(RsirWarning, match="not as a CUDA graph: "):
        found = encode(scenes, backbone, device="cuda", batch_size=4)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert len(found) == 27
    assert encode(scenes, network(), device="cuda").timing["graph"] is True

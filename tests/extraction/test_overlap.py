"""Batches in flight: in order, none lost, the same bits as one after the other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from op_support import same_bits
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import ImageError
from rsir_fast.extraction import encode
from rsir_fast.extraction.loader import Batch, in_groups
from rsir_fast.extraction.overlap import Streams, computed, fetch_at_once
from scene_files import write_broken, write_scenes

CPU = torch.device("cpu")


def some_batches(sizes, device=CPU):
    """Batches of random images of the given sizes; each carries its number as its count."""
    draw = torch.Generator().manual_seed(0)
    for number, size in enumerate(sizes):
        images = torch.randint(0, 256, (size, 3, 4, 4), dtype=torch.uint8, generator=draw)
        yield Batch(images.pin_memory() if device.type == "cuda" else images, number, [])


def sums(images):
    """Stands in for a network: the sum of each channel."""
    return images.float().sum((2, 3))


@pytest.mark.parametrize("sizes", [[], [3], [0], [3, 2, 5], [0, 4, 0, 0, 1, 0]])
@pytest.mark.parametrize("in_flight", [0, 1, 2])
def test_every_batch_in_order_with_its_own_features(sizes, in_flight):
    made = list(computed(some_batches(sizes), Streams(CPU, sums).queue, in_flight=in_flight))
    assert [batch.count for batch, _ in made] == list(range(len(sizes)))
    for batch, rows in made:
        if len(batch.images):
            assert same_bits(rows, sums(batch.images).numpy())
        else:
            assert rows is None


@pytest.mark.parametrize("in_flight", [0, 1, 2])
def test_no_more_are_taken_than_are_in_flight(in_flight):
    taken = []

    def source():
        for batch in some_batches([1] * 5):
            taken.append(batch.count)
            yield batch

    made = computed(source(), Streams(CPU, sums).queue, in_flight=in_flight)
    for number in range(5):
        assert next(made)[0].count == number
        assert len(taken) == min(5, number + 1 + in_flight)


def test_what_is_finished_before_an_error_is_not_lost_without_anything_in_flight():
    def breaks_at_two(images):
        if len(images) == 2:
            raise RuntimeError("out of memory")
        return sums(images)

    made = computed(some_batches([1, 2, 3]), lambda images: fetch_at_once(images, breaks_at_two, CPU))
    assert next(made)[0].count == 0
    with pytest.raises(RuntimeError, match="out of memory"):
        next(made)


@pytest.mark.parametrize("workers", [0, 3])
def test_images_close_up_over_those_that_are_unreadable(workers):
    """Every pattern of five, in two batches; and a batch of none."""
    for pattern in itertools.product([True, False], repeat=5):

        def load(number, pattern=pattern):
            if not pattern[number]:
                raise ImageError("broken", f"number {number}")
            return np.full((3, 4, 4), number + 1, np.uint8)

        made = list(in_groups(load, [[0, 1, 2], [], [3, 4]], (3, 4, 4), workers))
        assert [batch.count for batch in made] == [3, 0, 2]
        assert [int(image[0, 0, 0]) - 1 for batch in made for image in batch.images] == list(np.flatnonzero(pattern))
        assert all((batch.images == batch.images[:, :1, :1, :1]).all() for batch in made)
        assert [each.number for batch in made for each in batch.skipped] == list(np.flatnonzero(~np.array(pattern)))


@pytest.mark.gpu
def test_streams_of_a_device_change_no_bit():
    """Long computations and many batches: memory taken back too soon would show."""
    device = torch.device("cuda")
    weights = torch.randn(48, 4096, device=device, generator=torch.Generator("cuda").manual_seed(0))

    def forward(images):
        values = images.float().flatten(1) @ weights
        for _ in range(20):
            values = (values @ weights.T @ weights).tanh()
        return values

    expected = [forward(batch.images.to(device)).cpu().numpy() for batch in some_batches([257] * 30)]
    made = list(computed(some_batches([257] * 30, device), Streams(device, forward).queue, in_flight=1))
    assert all(same_bits(rows, wanted) for (_, rows), wanted in zip(made, expected, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_extraction_on_a_device_is_that_of_one_batch_after_the_other(tmp_path, precision):
    scenes = write_scenes(tmp_path / "scenes", per_class=20)
    write_broken(scenes / "class0")
    network = load_encoder(f"squeezenet1_1,precision={precision}", weights="random:0")
    one = encode(scenes, network, device="cuda", batch_size=4, workers=0)
    again = encode(scenes, network, device="cuda", batch_size=4, shard_size=8, out=tmp_path / "f")
    assert same_bits(np.asarray(again.matrix), one.matrix)
    assert again.skipped == one.skipped
    cpu = encode(scenes, network, device="cpu", batch_size=4)
    assert cpu.skipped == one.skipped
    near = {"float32": 1e-4, "bfloat16": 0.1}[precision]
    np.testing.assert_allclose(one.matrix, cpu.matrix, rtol=near, atol=near * np.abs(cpu.matrix).max())

"""Extraction goes the way of a device, its streams and the memory of a graph, on the CPU: all else is as ever."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from op_support import same_bits
from rsir_fast.backbones import Backbone, Preprocessing, load_backbone
from rsir_fast.errors import MachineError, RsirError
from rsir_fast.extraction import encode
from rsir_fast.extraction.graph import Recorded
from rsir_fast.extraction.overlap import IN_FLIGHT, Streams, computed
from rsir_fast.extraction.run import Run
from scene_files import write_broken, write_scenes


@pytest.fixture
def backbone() -> Backbone:
    return load_backbone("squeezenet1_1", weights="random:0")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Unreadable images among readable ones; the last batch of 4 is short."""
    folder = write_scenes(tmp_path_factory.mktemp("way") / "scenes", classes=3, per_class=5)
    write_broken(folder / "class1")
    return folder


@pytest.fixture
def as_on_a_device(monkeypatch):
    """Call it, and runs made from then on go that way; it returns the passes that went through the graph's memory."""

    def start() -> list[int]:
        passes: list[int] = []

        def features(run: Run, loaded):
            shape = (run.size, *run.backbone.preprocessing.shape)
            images, rows = torch.empty(shape, dtype=torch.uint8), torch.empty(run.size, run.backbone.dim)

            def replay() -> None:
                passes.append(len(images))
                rows.copy_(run._compute(images))

            run.compute = Recorded(images, rows, replay)
            return computed(loaded, Streams(run.device, run.forward).queue, in_flight=IN_FLIGHT)

        monkeypatch.setattr(Run, "features", features)
        return passes

    return start


def test_the_same_bits_whatever_the_threads_do(scenes, backbone, as_on_a_device, monkeypatch):
    """Images that take the longer the earlier they are: threads end in any order."""
    plain = encode(scenes, backbone, batch_size=4, device="cpu")
    passes = as_on_a_device()
    right = Preprocessing.prepare

    def slow(steps, image):
        time.sleep(0.02 * np.random.default_rng().random())
        return right(steps, image)

    monkeypatch.setattr(Preprocessing, "prepare", slow)
    for workers in (0, 1, 5):
        made = encode(scenes, backbone, batch_size=4, device="cpu", workers=workers)
        assert same_bits(made.matrix, plain.matrix)
        assert (made.items, made.skipped) == (plain.items, plain.skipped)
        assert made.timing["same_at_every_place"] is True
    assert set(passes) == {4}


def test_stopped_and_resumed(scenes, backbone, as_on_a_device, tmp_path):
    settings = {"batch_size": 4, "shard_size": 4, "device": "cpu"}
    plain = encode(scenes, backbone, **settings, out=tmp_path / "plain")
    as_on_a_device()
    seen = []

    def stop(progress):
        seen.append(progress.done)
        return len(seen) < 4

    with pytest.raises(RsirError):
        encode(scenes, backbone, **settings, out=tmp_path / "f", progress=stop)
    made = encode(scenes, backbone, **settings, out=tmp_path / "f", resume=True)
    assert same_bits(np.asarray(made.matrix), np.asarray(plain.matrix))
    assert made.skipped == plain.skipped


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_finished_stays_when_a_thread_breaks(
    scenes, backbone, as_on_a_device, tmp_path, monkeypatch, error, workers
):
    settings = {"batch_size": 4, "shard_size": 4, "device": "cpu", "workers": workers}
    plain = encode(scenes, backbone, **settings)
    as_on_a_device()
    right, seen = Preprocessing.prepare, []

    def breaks(steps, image):
        seen.append(image)
        if len(seen) == 14:
            raise error
        return right(steps, image)

    with monkeypatch.context() as patch:
        patch.setattr(Preprocessing, "prepare", breaks)
        with pytest.raises((KeyboardInterrupt, MachineError)):
            encode(scenes, backbone, **settings, out=tmp_path / "f")
    computed_again = []
    monkeypatch.setattr(Preprocessing, "prepare", lambda *given: (computed_again.append(1), right(*given))[1])
    made = encode(scenes, backbone, **settings, out=tmp_path / "f", resume=True)
    assert same_bits(np.asarray(made.matrix), plain.matrix)
    assert 0 < len(computed_again) < len(plain)

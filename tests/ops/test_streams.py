"""Blocks of host rows on a device: two modelled streams, whose work runs in any order that their events allow."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pytest
import torch

from rsir_fast.ops.engines import streams
from rsir_fast.ops.engines.streams import HostRows, blocks

SEEDS = range(40)


class Device:
    """Two streams, advanced by chance whenever the host queues work or waits; some seeds hold one of them back."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.eager = self.chance.choice([0, 0.3, 0.9])
        self.done: list[str] = []
        self.current, self.side = Stream(self, "current"), Stream(self, "side")
        self.favoured = self.chance.choice([None, self.current, self.side])

    def step(self) -> bool:
        ready = [stream for stream in (self.current, self.side) if stream.ready()]
        if not ready:
            return False
        (self.favoured if self.favoured in ready else self.chance.choice(ready)).advance()
        return True

    def some_steps(self) -> None:
        while self.chance.random() < self.eager and self.step():
            pass


class Stream:
    def __init__(self, device: Device, name: str) -> None:
        self.device, self.name = device, name
        self.queue: deque = deque()
        self.queued = self.finished = 0

    def add(self, work, event=None) -> None:
        self.queue.append((work, event))
        self.queued += 1
        self.device.some_steps()

    def ready(self) -> bool:
        return bool(self.queue) and (self.queue[0][1] is None or self.queue[0][1].is_done())

    def advance(self) -> None:
        self.queue.popleft()[0]()
        self.finished += 1

    def record_event(self):
        return Event(self)

    def wait_event(self, event) -> None:
        self.add(lambda: None, event)


class Event:
    """Done when all is that its stream had queued by then."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.position = stream, stream.queued

    def is_done(self) -> bool:
        return self.stream.finished >= self.position

    def synchronize(self) -> None:
        while not self.is_done():
            assert self.stream.device.step(), "what the host waits for is never done"


@pytest.fixture
def modelled(monkeypatch):
    """Return a maker of devices by seed; the last one made is that on which `blocks` works."""
    made: list[Device] = []

    def queue_copy(stream, target, source):
        def work():
            target.copy_(source)
            stream.device.done.append("copy")

        stream.add(work)

    monkeypatch.setattr(streams, "streams", lambda device: (made[-1].current, made[-1].side))
    monkeypatch.setattr(streams, "queue_copy", queue_copy)
    return lambda seed: made.append(Device(seed)) or made[-1]


def host_rows(n: int, pinned: bool) -> HostRows:
    values = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    rows = HostRows(values, values, torch.float32)
    if pinned:
        rows.values = torch.from_numpy(values)
    return rows


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize(("size", "staged_rows"), [(4, 4), (4, 1), (7, 3), (3, 100), (100, 5)])
def test_every_row_is_there_when_it_is_searched(modelled, monkeypatch, size, staged_rows, pinned):
    monkeypatch.setattr(streams, "STAGED_BYTES", 12 * staged_rows)
    rows = host_rows(41, pinned)
    for seed in SEEDS:
        device, seen = modelled(seed), []
        device.current.add(lambda device=device: device.done.append("what had the memory before"))
        for first, block in blocks(rows, torch.device("cpu"), size, 2, 40):
            device.current.add(lambda first=first, block=block, seen=seen: seen.append((first, block.clone())))
        while device.step():
            pass
        assert device.done[0] == "what had the memory before"
        assert [first for first, _ in seen] == list(range(2, 40, size))
        assert torch.equal(torch.cat([block for _, block in seen]), torch.as_tensor(rows.values[2:40]))


def test_nothing_is_copied_into_memory_given_back(modelled, monkeypatch):
    """Ctrl-C after each of the copies of which a block is made: the next user of the memory comes after all of them."""
    monkeypatch.setattr(streams, "STAGED_BYTES", 12)
    queue_copy = streams.queue_copy
    for seed in SEEDS:
        device, queued = modelled(seed), []

        def interrupted(*copy, queued=queued, last=seed % 9 + 1):
            queue_copy(*copy)
            queued.append(copy)
            if len(queued) == last:
                raise KeyboardInterrupt

        monkeypatch.setattr(streams, "queue_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(blocks(host_rows(10, False), torch.device("cpu"), 3, 0, 10))
        device.current.record_event().synchronize()
        assert device.side.finished == device.side.queued


def test_the_next_block_is_copied_while_one_is_searched(modelled):
    """Of pinned rows, all is queued at once; a copy waits for the search before the last only."""
    device = modelled(0)
    device.eager = 0
    for first, _ in blocks(host_rows(12, True), torch.device("cpu"), 3, 0, 12):
        device.current.add(lambda first=first: device.done.append(f"search {first}"))
    device.favoured = device.side
    while device.step():
        pass
    assert device.done == ["copy", "copy", "search 0", "copy", "search 3", "copy", "search 6", "search 9"]


@pytest.mark.parametrize("n", [0, 5])
@pytest.mark.parametrize("width", [0, 3])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.uint8])
def test_kinds_of_rows(dtype, width, n):
    tensor = torch.arange(n * width).reshape(n, width).to(dtype)
    values = tensor.view(torch.int16).numpy().view(np.uint16) if dtype == torch.bfloat16 else tensor.numpy()
    values.flags.writeable = False
    rows = HostRows(values, tensor, dtype)
    assert rows.row_bytes == width * dtype.itemsize
    found = [block.clone() for _, block in blocks(rows, torch.device("cpu"), 2, 0, n)]
    assert all(block.dtype == dtype for block in found)
    assert torch.equal(torch.cat(found), tensor)

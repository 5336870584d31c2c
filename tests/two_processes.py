"""A training by two processes, of which this is one: the other's torch alone takes seconds to be imported."""

from __future__ import annotations

import pickle
import socket
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch import distributed, multiprocessing


def by_two_processes(work: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """Give what a function of a module returns in the first and in the second process of ``torch.distributed``."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "second"
        other = multiprocessing.spawn(_second, (port, told, work, arguments), nprocs=1, join=False, daemon=True)
        first = _as(0, port, work, arguments)
        assert other.join(timeout=60)
        return first, pickle.loads(told.read_bytes())


def _second(_number: int, port: int, told: Path, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    told.write_bytes(pickle.dumps(_as(1, port, work, arguments)))


def _as(rank: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    where, patience = f"tcp://127.0.0.1:{port}", timedelta(seconds=300)
    distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=2, timeout=patience)
    try:
        return work(*arguments)
    finally:
        distributed.destroy_process_group()

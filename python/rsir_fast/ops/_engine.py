"""Which engine serves a call: every op asks `engine_for`, once."""

from __future__ import annotations

from typing import Any, Literal, Protocol, overload

import numpy as np

from rsir_fast.ops._arrays import as_float
from rsir_fast.ops.engines import device, host, sharded
from rsir_fast.ops.engines.device_prepared import DeviceMatrix
from rsir_fast.ops.engines.host_blocks import HostBlocks
from rsir_fast.ops.engines.host_euclidean import HostMatrix
from rsir_fast.ops.engines.search import RankedSearch, Search
from rsir_fast.ops.engines.sharded import ShardedCodes, ShardedMatrix
from rsir_fast.ops.engines.statistics import GaussianStatistics
from rsir_fast.ops.engines.tensors import device_serves, dtype_name, same_device

__all__ = ["Engine", "SearchEngine", "engine_for", "refuse_not_finite"]


class SearchEngine(Protocol):
    """A module that searches: it checks both sides and returns a search ready to run.

    `where` comes as the caller gave it, so that it is read on the device on which it lies.
    """

    def euclidean(
        self,
        queries: Any,
        database: Any,
        normalize: str | None,
        *,
        where: Any = None,
        method: Literal["auto", "certified", "dense"] = "auto",
        memory: int | None = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> RankedSearch: ...

    def hamming(
        self,
        queries: Any,
        database: Any,
        bits: int | None,
        *,
        where: Any = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> Search: ...


class Engine(SearchEngine, Protocol):
    """A module that has every op for the arrays it reads."""

    def normalize(
        self,
        features: Any,
        axis: str,
        out: Any,
        given: GaussianStatistics | None,
        *,
        threads: int | None,
        isa: str | None,
    ) -> Any: ...

    def statistics(self, features: Any, *, threads: int | None, isa: str | None) -> GaussianStatistics: ...

    def pack(self, u: Any, out: Any, *, threads: int | None, isa: str | None) -> Any: ...

    def prepare(
        self,
        database: Any,
        normalize: Literal["none", "row"],
        precision: str,
        copy: bool,
        *,
        threads: int | None,
        isa: str | None,
    ) -> Any: ...


Elements = Literal["float", "uint8"]

_OF_HELD: dict[tuple[type, Elements], SearchEngine] = {
    (DeviceMatrix, "float"): device,
    (ShardedMatrix, "float"): sharded,
    (ShardedCodes, "uint8"): sharded,
}
"""Prepared databases that are not the host's."""


@overload
def engine_for(array: Any, /, *, elements: Elements = "float") -> Engine: ...


@overload
def engine_for(
    queries: Any, database: Any, /, *, elements: Elements = "float", on_host: bool = False
) -> SearchEngine: ...


def engine_for(*operands: Any, elements: Elements = "float", on_host: bool = False) -> SearchEngine:
    """Return the engine that reads all operands.

    It is that of a prepared database, that of the CUDA device on which all of them lie, or the host's, which reads
    everything else and says what it cannot read.

    Parameters
    ----------
    elements
        What the op reads.
    on_host
        The caller asks for what only the host has.

    Raises
    ------
    ValueError
        `on_host`, but the database is held on devices.
    """
    held = _OF_HELD.get((type(operands[-1]), elements))
    if held is not None:
        if on_host:
            raise ValueError(
                "database: expected one in host memory, where a method is chosen and a plan told, got one on CUDA "
                "devices; leave the method out, or prepare the matrix in host memory"
            )
        return held
    first, *others = operands
    if on_host or not device_serves(first) or not all(same_device(first, other) for other in others):
        return host
    fit = all(x.is_floating_point() if elements == "float" else dtype_name(x) == "uint8" for x in operands)
    return device if fit else host


def refuse_not_finite(vectors: Any, name: str) -> None:
    """Raise ValueError for vectors with a NaN or an infinity; they may be what an engine keeps."""
    if isinstance(vectors, (HostMatrix, HostBlocks, DeviceMatrix, ShardedMatrix)):
        rows = vectors.not_finite()
    else:
        rows = np.flatnonzero(~np.isfinite(as_float(vectors, name)[0]).all(axis=1))
    if len(rows):
        raise ValueError(
            f"{name}: expected finite values (nan='raise'), found NaN or infinity in {len(rows)} rows, "
            f"first in row {rows[0]}; drop these rows, or use nan='last'"
        )

"""The tables of several segments as those of one, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.tables import Tables

__all__ = ["Part", "kinds_of", "merged"]

Part = tuple[Tables, NDArray[np.int64]]
"""Tables, and which of their rows."""


def kinds_of(tables: Tables) -> dict[str, Any]:
    """Return the kind of value of each column that has any; what is merged must agree where names are the same."""
    import pyarrow as pa

    columns = [*tables.sources.schema, *(field.with_name(f"item {field.name}") for field in tables.items.schema)]
    return {field.name: field.type for field in columns if not pa.types.is_null(field.type)}


def merged(parts: Sequence[Part]) -> tuple[Any, Any]:
    """Return sources and items of some rows of several tables, one after the other: each file once.

    O(rows), no object a row.
    """
    import pyarrow as pa

    sources, items, start = [], [], 0
    for tables, which in parts:
        of = tables.items["source"].to_numpy()[which]
        used, place = np.unique(of, return_inverse=True)
        sources.append(tables.sources.take(used))
        own = tables.items.take(which)
        own = own.set_column(own.column_names.index("source"), "source", pa.array((place + start).astype(np.int32)))
        items.append(own.set_column(own.column_names.index("class"), "class", own["class"].cast(pa.binary())))
        start += len(used)
    files = pa.concat_tables(sources, promote_options="default")
    rows = pa.concat_tables(items, promote_options="default").combine_chunks()
    first, number = _distinct(files)
    of = number[rows["source"].to_numpy()].astype(np.int32)
    rows = rows.set_column(rows.column_names.index("source"), "source", pa.array(of))
    rows = rows.set_column(rows.column_names.index("class"), "class", rows["class"].dictionary_encode())
    return files.take(first).combine_chunks(), rows


def _distinct(files: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each distinct file is first, ascending, and which of these each one is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = {name: files[name] for name in files.column_names if name != "transform"}
    if "transform" in files.column_names:
        keys |= {f"transform {at}": pc.list_element(files["transform"], at) for at in range(6)}
    table = pa.table({**keys, "row": np.arange(len(files))})
    groups = table.group_by(list(keys), use_threads=False).aggregate([("row", "list")])["row_list"].combine_chunks()
    rows, sizes = groups.flatten().to_numpy(), groups.value_lengths().to_numpy()
    firsts = np.minimum.reduceat(rows, np.cumsum(sizes) - sizes) if len(rows) else rows
    order = np.argsort(firsts)
    number = np.empty(len(files), np.int64)
    number[rows] = np.repeat(np.argsort(order), sizes)
    return firsts[order], number

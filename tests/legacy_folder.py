"""Folders of features as they were written before archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsir_fast.archive import Features


def write_legacy(folder: Path, features: Features, table: NDArray[np.float32], *, shard: int = 4, **more: Any) -> Path:
    """Write features, whose fields lie side by side in a table [n, dim], as they were written then.

    Parameters
    ----------
    folder
        New.
    features
        Items, labels and what is told of them.
    table
        Their rows.
    shard
        Rows of each file.
    **more
        Put into the manifest.
    """
    (folder / "shards").mkdir(parents=True)
    shards = []
    for first in range(0, len(table), shard):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(table[first : first + shard], "<f4"))
        rows = len(table[first : first + shard])
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        record = {"first": first, "images": rows, "rows": rows, "sha256": digest, "plan": "0" * 64, "skipped": []}
        shards.append({**record, "limits": {}})
        (folder / f"shards/{first:09d}.npy").write_bytes(buffer.getvalue())
        (folder / f"shards/{first:09d}.json").write_text(json.dumps(shards[-1]))
    columns = {"item": pa.array([os.fsencode(item) for item in features.items], pa.binary())}
    if features.labels is not None:
        columns["label"] = pa.array(features.labels, pa.int64())
        columns["class"] = pa.array([features.classes[label] for label in features.labels], pa.string())
    pq.write_table(pa.table(columns), folder / "items.parquet")
    (folder / "extraction.json").write_text(json.dumps({"format": "rsir-features-plan", "settings": {"saved": "x"}}))
    manifest = {
        "format": "rsir-features",
        "version": 1,
        "rows": len(table),
        "dim": table.shape[1],
        "dataset": features.name,
        "root": None if features.root is None else str(features.root),
        "classes": list(features.classes),
        "notes": list(features.notes),
        "shards": shards,
        "skipped": [list(entry) for entry in features.skipped],
        "provenance": features.provenance,
        "timing": features.timing,
        **more,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder

"""Where else is this? Rasters of one place, year by year: does a window of one year find the same place in others?

`python benchmarks/same_place.py FOLDER` makes an archive of all years but two, adds one of these, and asks with every
window of the last: how often is the nearest answer the same place, and how often would it be by chance?
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import rsir_fast as rf
from machine import provenance

WORDS = (
    "mobilenet_v2",
    "mobilenet_v2,turns=mean",
    "squeezenet1_1",
    "squeezenet1_1,turns=mean",
    "cnn-alex:pool5",
    "cnn-alex:pool5,turns=mean",
    "bovw-150",
    "colour-histogram",
    "hog",
    "lbp",
)
FILES = {"squeezenet1_1": "squeezenet1_1_caffe_torchvision.npz", "cnn-alex": "bvlc_alexnet_conv_q7.npz"}
SAME = 0.5
"""Two windows show one place if their boxes share so much of what both cover together."""


def shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union of boxes [n, 4] and others [n, 4]: west, south, east, north."""
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others)]
    return np.asarray(both / (areas[0] + areas[1] - both))


def measured(folder: Path, word: str, weights: Path | None, size: int, bands: str) -> dict[str, Any]:
    """Return how often the nearest answer is the same place."""
    years = sorted(folder.glob("*.tif"), key=lambda path: path.stem[-8:])
    cut = {"size": size, "bands": bands}
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        archive = rf.Archive.create(Path(place) / "archive", word, weights=weights)
        archive.add(rf.tiles(years[:-2], **cut))
        archive.add(rf.tiles(years[-2:-1], **cut))
        asked = rf.tiles(years[-1:], **cut)
        made = time.perf_counter() - start
        names = [str(folder / name) for name in asked.items]
        hits = archive.search(rf.Query(images=names, k=10), weights=weights)
        own = np.array([asked.placed(number).bounds for number in range(len(asked))])
        bounds = archive.features().items.bounds
        rows = {int(row_id): row for row, row_id in enumerate(archive.features().ids)}
        found = np.array([[bounds[rows[int(each)]] for each in answer] for answer in hits.ids])
        is_same = np.stack([shared(own, found[:, rank]) >= SAME for rank in range(found.shape[1])], axis=1)
        by_chance = np.mean([(shared(np.repeat(box[None], len(bounds), axis=0), bounds) >= SAME).mean() for box in own])
    first = is_same[:, 0]
    draws = np.random.default_rng(0).integers(0, len(first), (10000, len(first)))
    low, high = np.percentile(first[draws].mean(axis=1), [2.5, 97.5])
    return {
        "encoder": word,
        "items": len(bounds),
        "queries": len(first),
        "first": float(first.mean()),
        "interval": [float(low), float(high)],
        "of_ten": float(is_same.mean()),
        "chance": float(by_chance),
        "seconds": made,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="rasters of one place, one a year")
    parser.add_argument("--size", type=int, default=128, help="of a window, pixels")
    parser.add_argument("--bands", default="1,2,3")
    parser.add_argument("--encoders", nargs="+", default=WORDS)
    parser.add_argument("--weights", type=Path, help="folder of weight files")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    print("| encoder | items | queries | nearest is the same place | 95 % interval | of the first ten | by chance |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for word in given.encoders:
        name = FILES.get(word.partition(",")[0].partition(":")[0])
        weights = None if name is None or given.weights is None else given.weights / name
        row = measured(given.folder, word, weights, given.size, given.bands)
        low, high = row["interval"]
        print(
            f"| {word} | {row['items']} | {row['queries']} | {row['first']:.3f} | {low:.3f} to {high:.3f} "
            f"| {row['of_ten']:.3f} | {row['chance']:.3f} |",
            flush=True,
        )
        rows.append(row)
    if given.out:
        told = {"kind": "same-place", **provenance(), "size": given.size, "bands": given.bands, "rows": rows}
        given.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

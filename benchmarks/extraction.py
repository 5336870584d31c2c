"""`make bench-extraction`: image files to features: network by each engine, decoding, both together; time against n.

Every way lives in a process of its own; those of an engine take their turns one after another; features must be those
of torch's network. A command that was cut goes on where it stopped (`parts.py`); `--parts 1` measures one part and
ends. `--accuracy FOLDER` (UC Merced, by published weights) adds mAP and ANMRR, those of a CUDA device among them.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from extraction_ways import DECODE, GROUPS, KEPT, NETWORK, SLOW, Way, bounding
from growth import exponent
from parts import Parts, begin, log
from run import finish, parser, warn_if_busy

NETWORKS = {"mobilenet_v2": 640, "cnn-alex": 320, "resnet50": 96, "vit_b_16": 48}
"""How many images of each; a turn takes some seconds."""
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.25}
"""Of the largest value of a feature."""
SMALL = {NETWORK + "torch", DECODE, KEPT}


def accuracy(folder: str) -> list[dict[str, Any]]:
    """Evaluate a data set by each engine, and on a CUDA device, beside torch's float32 on the CPU."""
    import rsir_fast as rf
    from rsir_fast.metrics import compare_paired

    rf.keep_freed_memory()
    rows: list[dict[str, Any]] = []
    truth: Any = None
    for engine, precision, device in _judged():
        name = engine + (" bfloat16" if precision == "bfloat16" else "") + (" on the device" if device != "cpu" else "")
        log(f"accuracy: {name}")
        encoder = rf.load_encoder(f"mobilenet_v2,precision={precision}")
        features = rf.encode(folder, encoder, engine=engine, device=device)  # type: ignore[arg-type]
        figures = rf.evaluate_ge2018(features, examples=0).query_excluded
        rows_of = rf.gaussian_normalize(features.matrix)
        _, nearest = rf.euclidean_topk(rows_of, rows_of, 11)
        each = np.array(figures.per_query, np.float64)
        truth = truth or (features.matrix, each, nearest)
        differs = (nearest[:, 1:, None] != truth[2][:, None, 1:]).all(2).sum(1)
        low, high = compare_paired(truth[1], each).difference[1:]
        rows.append(
            {
                "engine": name,
                "map": figures.map,
                "anmrr": figures.anmrr,
                "map_difference": [float((each - truth[1]).mean()), low, high],
                "other_neighbours": float(differs.mean()),
                "largest_difference": _difference(features.matrix, truth[0]),
            }
        )
    return rows


def _judged() -> list[tuple[str, str, str]]:
    """Return engines, precisions and devices that can be had here, torch's float32 on the CPU first."""
    from rsir_fast.extraction.engines.choose import installed

    found = [(engine, "float32", "cpu") for engine in ("torch", "onnx", "openvino") if installed(engine)]
    if _is_measured("bfloat16"):
        found += [(engine, "bfloat16", "cpu") for engine in ("torch", "openvino") if installed(engine)]
    if torch.cuda.is_available():
        found += [("torch", precision, "cuda") for precision in ("float32", "bfloat16")]
    return found


def _difference(found: Any, truth: Any) -> float:
    return float(np.abs(found - truth).max() / np.abs(truth).max())


def measure(group: str, chosen: Namespace, count: int, folder: Path) -> dict[str, Any]:
    """Return a row for each way of a group, and the time of `rf.encode` against n; `folder` has torch's features."""
    from rsir_fast.extraction.engines.choose import installed

    names = [name for name in GROUPS[group] if not chosen.small or name in SMALL]
    if chosen.encoder != chosen.encoders[0]:  # what a command adds does not depend on the network
        names = [name for name in names if not name.startswith("rsir features")]
    names = [name for name in names if not any(word in name and not installed(word) for word in ("onnx", "openvino"))]
    truth = folder / f"{chosen.encoder}.npy"
    with tempfile.TemporaryDirectory() as place:
        ways = [Way(name, chosen, Path(place)) for name in names]
        for way in ways:
            way.ready()
        images = {way.name: max(chosen.batch, count // 4) if way.name in SLOW else count for way in ways}
        seconds = [{way.name: way.turn(images[way.name]) for way in ways} for _ in range(chosen.rounds)]
        if group == "torch":
            folder.mkdir(parents=True, exist_ok=True)
            np.save(truth, ways[0].features())
        rows = [_row(way, images[way.name], [turn[way.name] for turn in seconds], np.load(truth)) for way in ways]
        sizes = sorted({max(chosen.batch, count // part) for part in (8, 4, 2, 1)})
        kept = [way for way in ways if way.name == KEPT]
        against = [{"n": n, "seconds": min(way.turn(n) for _ in range(chosen.rounds))} for way in kept for n in sizes]
        for way in ways:
            way.close()
    bounded(rows)
    return {"rows": rows, "against_n": against}


def _row(way: Way, count: int, seconds: list[float], truth: Any) -> dict[str, Any]:
    found = way.features()
    difference = None if found is None else _difference(found, truth[: len(found)])
    most = TOLERANCE["bfloat16" if "bfloat16" in way.name else "float32"]
    assert difference is None or difference <= most, f"{way.name}: features differ from torch's by {difference}"
    return {
        "name": way.name,
        "images": count,
        "images_per_s": count / median(seconds),
        "range": [count / max(seconds), count / min(seconds)],
        "difference": difference,
    }


def bounded(rows: list[dict[str, Any]]) -> None:
    """Add to each row from files 1 / (1 / network + 1 / decoding), both of the same group."""
    rate = {row["name"]: row["images_per_s"] for row in rows}
    for row in rows:
        alone = bounding(row["name"])
        if alone is not None:
            row["bound"] = 1 / (1 / rate[alone] + 1 / rate[DECODE])


def fitted(against: list[dict[str, Any]]) -> float | None:
    """Return the exponent of time against n, of two sizes or more."""
    if len(against) < 2:
        return None
    return exponent([point["n"] for point in against], [point["seconds"] for point in against])


def networks(chosen: Namespace, parts: Parts) -> Iterator[dict[str, Any]]:
    """Measure, or take up, every group of every network."""
    for encoder in chosen.encoders:
        groups, against = {}, []
        for group in ["torch"] if chosen.small else filter(_is_measured, GROUPS):
            name = f"{encoder}-{group}"
            part = parts.measured(name, partial(_group, group, encoder, chosen, parts.folder))
            groups[group] = part["rows"]
            against += part["against_n"]
        yield {"encoder": encoder, "groups": groups, "against_n": against, "exponent": fitted(against)}


def _is_measured(group: str) -> bool:
    """All but bfloat16 where the processor has no instructions for it: torch takes seconds an image there."""
    from rsir_fast.backbones import has_bfloat16

    return group != "bfloat16" or has_bfloat16(torch.device("cpu"))


def _group(group: str, encoder: str, chosen: Namespace, folder: Path) -> dict[str, Any]:
    """Measure a group with as many images as are meant for a network."""
    import rsir_fast as rf

    log(f"{encoder}: {group}")
    warn_if_busy()
    images = chosen.images or NETWORKS.get(encoder, 64)
    with tempfile.TemporaryDirectory() as place:
        data = chosen.data or str(Path(place) / "scenes")
        if chosen.data is None:
            rf.generate_scenes(data, classes=4, per_class=-(-images // 4))
        some = _some(data, Path(place) / "some", images)
        settings = Namespace(**{**vars(chosen), "data": some, "encoder": encoder})
        return measure(group, settings, images, folder)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", help="folder of images; default: synthetic scenes")
    options.add_argument("--encoders", nargs="*", default=list(NETWORKS))
    options.add_argument("--images", type=int, help=f"how many are used; default: {NETWORKS}")
    options.add_argument("--weights", default="random:0", type=lambda text: text or None)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--accuracy", metavar="FOLDER", help="mAP and ANMRR of this data set by each engine")
    chosen = options.parse_args()
    if chosen.small:
        chosen.images, chosen.batch, chosen.rounds, chosen.encoders = 8, 4, 1, ["squeezenet1_1"]
    settings = {name: getattr(chosen, name) for name in ("data", "images", "weights", "batch", "rounds")}
    result, out, parts = begin("extraction", chosen, **settings)
    result |= {"batch": chosen.batch, "rounds": chosen.rounds, "networks": list(networks(chosen, parts))}
    result["accuracy"] = []
    if chosen.accuracy:
        result["accuracy"] = parts.measured("accuracy", lambda: {"rows": accuracy(chosen.accuracy)})["rows"]
    finish(result, out, parts)


def _some(data: str, folder: Path, count: int) -> str:
    """Make a folder with some of the images of another, evenly taken, in their classes."""
    import rsir_fast as rf

    found = rf.open_dataset(data)
    assert found.root is not None
    for number in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int):
        item = Path(found.items[number])
        (folder / item.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / item.parent.name / item.name).symlink_to((found.root / item).resolve())
    return str(folder)


if __name__ == "__main__":
    main()

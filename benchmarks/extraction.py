"""`make bench-extraction`: image files to features: network by each engine, decoding, both together; time against n.

Every way lives in a process of its own and takes its turns one after another; its features must be those of torch's
network. `--accuracy FOLDER` (UC Merced, with `--weights`) adds mAP and ANMRR by each engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engines import clean_environment
from machine import provenance, result_path
from run import log, parser, warn_if_busy, write
from tables import markdown

Turn = Callable[[int], tuple[float, Any]]
"""Number of images -> seconds, and their features or None."""

NETWORK, DECODE, KEPT = "network alone, ", "decoding alone", "rf.encode, torch, memory kept"
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.25}
"""Of the largest value of a feature."""


def _parts(chosen: Namespace) -> tuple[Any, Any, list[Any]]:
    """Return the data set, the network, and its input in batches."""
    import rsir_fast as rf
    from rsir_fast.extraction.loader import batches

    data = rf.open_dataset(chosen.data)
    backbone = rf.load_encoder(chosen.encoder, weights=chosen.weights).backbone
    return data, backbone, [b.images for b in batches(data, backbone.preprocessing, range(len(data)), chosen.batch, 2)]


def network(chosen: Namespace, engine: str, precision: str = "float32") -> Turn:
    import torch

    import rsir_fast as rf
    from rsir_fast.extraction.run import Run

    rf.keep_freed_memory()
    _, backbone, loaded = _parts(chosen)
    run = Run(backbone, torch.device("cpu"), precision, chosen.batch, engine)  # type: ignore[arg-type]
    return partial(_passes, run.forward, loaded)


def eager(chosen: Namespace) -> Turn:
    """The network as a user of torch runs it: nothing folded, channels first, memory as it comes."""
    import torch

    _, backbone, loaded = _parts(chosen)
    with torch.inference_mode():
        return partial(_passes, lambda images: backbone(backbone.preprocessing.normalize(images)), loaded)


def _passes(forward: Callable[[Any], Any], loaded: list[Any], count: int) -> tuple[float, Any]:
    import torch

    start = time.perf_counter()
    found, seen = [], 0
    with torch.inference_mode():
        for images in loaded:
            if seen < count:
                found.append(forward(images).numpy())
                seen += len(images)
    return time.perf_counter() - start, np.concatenate(found)[:count]


def decoding(chosen: Namespace) -> Turn:
    from rsir_fast.extraction.loader import batches, default_workers

    data, backbone, _ = _parts(chosen)

    def turn(count: int) -> tuple[float, Any]:
        start = time.perf_counter()
        for _ in batches(data, backbone.preprocessing, range(count), chosen.batch, default_workers()):
            pass
        return time.perf_counter() - start, None

    return turn


def torchvision(chosen: Namespace) -> Turn:
    """Pillow, torchvision's transforms and a DataLoader of a process a core, as its manual has it."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset, Subset
    from torchvision.transforms import v2

    from engines import cores

    data, backbone, _ = _parts(chosen)
    steps = backbone.preprocessing
    transform = v2.Compose(
        [
            v2.Resize((steps.input_size, steps.input_size), interpolation=v2.InterpolationMode.BICUBIC),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(steps.mean, steps.std),
        ]
    )

    class Images(Dataset[Any]):
        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, number: int) -> Any:
            with Image.open(data.root / data.items[number]) as image:
                return transform(image.convert("RGB"))

    def turn(count: int) -> tuple[float, Any]:
        start = time.perf_counter()
        loader = DataLoader(Subset(Images(), range(count)), batch_size=chosen.batch, num_workers=cores())
        with torch.inference_mode():
            found = torch.cat([backbone(images) for images in loader]).numpy()
        return time.perf_counter() - start, found

    return turn


def library(chosen: Namespace, engine: str, kept: bool = True, precision: str = "float32") -> Turn:
    import rsir_fast as rf
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder

    if kept:
        rf.keep_freed_memory()
    data, backbone, _ = _parts(chosen)

    def turn(count: int) -> tuple[float, Any]:
        some: Dataset = data.subset(range(count))
        encoder = Encoder(backbone, precision)  # type: ignore[arg-type]
        found = rf.encode(some, encoder, batch_size=chosen.batch, engine=engine, device="cpu")  # type: ignore[arg-type]
        return found.timing["seconds"], found.matrix

    return turn


def command(chosen: Namespace, engine: str) -> Turn:
    """`rsir features` of all images, as it times itself: without its start."""

    def turn(count: int) -> tuple[float, Any]:
        import rsir_fast as rf

        with tempfile.TemporaryDirectory() as folder:
            words = ["features", chosen.data, "-e", chosen.encoder, "--out", f"{folder}/f", "--engine", engine]
            words += ["--batch-size", str(chosen.batch), "--device", "cpu", "--json", "--quiet"]
            words += [] if chosen.weights is None else ["--weights", chosen.weights]
            program = [sys.executable, "-m", "rsir_fast", *words]
            done = subprocess.run(program, check=True, capture_output=True, text=True)
            timing = json.loads(done.stdout)["timing"]
            matrix = np.array(rf.Features.load(f"{folder}/f").matrix)[:count]
        return timing["seconds"] * count / timing["images"], matrix

    return turn


WAYS: dict[str, Callable[[Namespace], Turn]] = {
    NETWORK + "torch": partial(network, engine="torch"),
    NETWORK + "onnx": partial(network, engine="onnx"),
    NETWORK + "openvino": partial(network, engine="openvino"),
    NETWORK + "torch bfloat16": partial(network, engine="torch", precision="bfloat16"),
    NETWORK + "openvino bfloat16": partial(network, engine="openvino", precision="bfloat16"),
    NETWORK + "torch eager": eager,
    DECODE: decoding,
    "torchvision + DataLoader": torchvision,
    "rf.encode, torch": partial(library, engine="torch", kept=False),
    KEPT: partial(library, engine="torch"),
    "rsir features, torch": partial(command, engine="torch"),
    "rf.encode, onnx": partial(library, engine="onnx", kept=False),
    "rf.encode, openvino": partial(library, engine="openvino", kept=False),
    "rsir features, openvino": partial(command, engine="openvino"),
    "rf.encode, openvino bfloat16": partial(library, engine="openvino", kept=False, precision="bfloat16"),
}

FROM_FILES = {
    "torchvision + DataLoader": "torch eager",
    "rf.encode, torch": "torch",
    KEPT: "torch",
    "rsir features, torch": "torch",
    "rf.encode, onnx": "onnx",
    "rf.encode, openvino": "openvino",
    "rsir features, openvino": "openvino",
    "rf.encode, openvino bfloat16": "openvino bfloat16",
}
"""The network alone that bounds each."""


SMALL = {NETWORK + "torch", DECODE, KEPT}


def child(name: str, chosen: Namespace) -> None:
    """Take a turn for every line of standard input: a number of images, and a file for their features."""
    turn = WAYS[name](chosen)
    turn(chosen.batch)
    print("ready", flush=True)
    for line in sys.stdin:
        count, file = line.split()
        seconds, features = turn(int(count))
        if features is not None:
            np.save(file, features)
        print(seconds, flush=True)


class Way:
    """One way in its own process."""

    def __init__(self, name: str, chosen: Namespace, folder: Path) -> None:
        self.name, self.file = name, folder / f"{abs(hash(name))}.npy"
        words = [sys.executable, __file__, "--child", name, "--data", chosen.data, "--encoder", chosen.encoder]
        words += ["--batch", str(chosen.batch)] + ([] if chosen.weights is None else ["--weights", chosen.weights])
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment()
        )
        self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended with {self.process.wait()}")
        return line

    def turn(self, count: int) -> float:
        assert self.process.stdin is not None
        print(count, self.file, file=self.process.stdin, flush=True)
        return float(self._answer())

    def features(self) -> Any:
        return np.load(self.file) if self.file.exists() else None

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def accuracy(folder: str, chosen: Namespace) -> list[dict[str, Any]]:
    """Evaluate a data set by each engine; torch's float32 is what the others are compared with."""
    import rsir_fast as rf
    from rsir_fast.extraction.engines.choose import installed
    from rsir_fast.metrics import compare_paired

    rf.keep_freed_memory()
    rows: list[dict[str, Any]] = []
    truth: Any = None
    engines = [("torch", ""), ("onnx", ""), ("openvino", ""), ("torch", "b"), ("openvino", "b")]
    for engine, precision in [each for each in engines if installed(each[0])]:
        log(f"accuracy: {engine} {precision and 'bfloat16'}")
        encoder = rf.load_encoder(chosen.encoder + (",precision=bfloat16" if precision else ""), weights=chosen.weights)
        features = rf.encode(folder, encoder, engine=engine, device="cpu")  # type: ignore[arg-type]
        figures = rf.evaluate_ge2018(features, examples=0).query_excluded
        rows_of = rf.gaussian_normalize(features.matrix)
        _, nearest = rf.euclidean_topk(rows_of, rows_of, 11)
        each = np.array(figures.per_query, np.float64)
        truth = truth or (features.matrix, each, nearest)
        differs = (nearest[:, 1:, None] != truth[2][:, None, 1:]).all(2).sum(1)
        low, high = compare_paired(truth[1], each).difference[1:]
        rows.append(
            {
                "engine": f"{engine} bfloat16" if precision else engine,
                "map": figures.map,
                "anmrr": figures.anmrr,
                "map_difference": [float((each - truth[1]).mean()), low, high],
                "other_neighbours": float(differs.mean()),
                "largest_difference": _difference(features.matrix, truth[0]),
            }
        )
    return rows


def _difference(found: Any, truth: Any) -> float:
    return float(np.abs(found - truth).max() / np.abs(truth).max())


def measure(chosen: Namespace, count: int, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each way, and the time of `rf.encode` against n."""
    from rsir_fast.extraction.engines.choose import installed

    ways = []
    for name in WAYS:
        engine = next((word for word in ("onnx", "openvino") if word in name), "torch")
        if name in chosen.leave_out or not installed(engine):
            continue
        log(name)
        ways.append(Way(name, chosen, folder))
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(chosen.rounds):
        log(f"round {number + 1} of {chosen.rounds}")
        for way in ways:
            seconds[way.name].append(way.turn(count))
    truth = ways[0].features()
    rows = []
    for way in ways:
        found = way.features()
        difference = None if found is None else _difference(found, truth)
        most = TOLERANCE["bfloat16" if "bfloat16" in way.name else "float32"]
        assert difference is None or difference <= most, f"{way.name}: features differ from torch's by {difference}"
        rows.append(
            {
                "name": way.name,
                "images_per_s": count / median(seconds[way.name]),
                "range": [count / max(seconds[way.name]), count / min(seconds[way.name])],
                "difference": difference,
            }
        )
    sizes = sorted({max(chosen.batch, count // part) for part in (8, 4, 2, 1)})
    kept = [way for way in ways if way.name == KEPT]
    against = [{"n": n, "seconds": min(way.turn(n) for _ in range(chosen.rounds))} for way in kept for n in sizes]
    for way in ways:
        way.close()
    return rows, against


def bounded(rows: list[dict[str, Any]]) -> None:
    """Add to each row from files what it reaches of 1 / (1 / network + 1 / decoding)."""
    rate = {row["name"]: row["images_per_s"] for row in rows}
    for row in rows:
        alone = rate.get(NETWORK + FROM_FILES.get(row["name"], ""))
        if alone is not None:
            row["bound"] = 1 / (1 / alone + 1 / rate[DECODE])


def exponent(against: list[dict[str, Any]]) -> float | None:
    """Fit seconds = c n^e."""
    if len(against) < 2:
        return None
    return float(np.polyfit(np.log([p["n"] for p in against]), np.log([p["seconds"] for p in against]), 1)[0])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", help="folder of images; default: synthetic scenes")
    options.add_argument("--images", type=int, default=320, help="how many are used")
    options.add_argument("--encoder", default="mobilenet_v2")
    options.add_argument("--weights", default="random:0", type=lambda text: text or None)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--leave-out", nargs="*", default=[], choices=list(WAYS), metavar="WAY")
    options.add_argument("--accuracy", metavar="FOLDER", help="mAP and ANMRR of this data set by each engine")
    options.add_argument("--child", choices=list(WAYS), help="run one way here")
    chosen = options.parse_args()
    if chosen.child:
        child(chosen.child, chosen)
        return
    import rsir_fast as rf

    if chosen.small:
        chosen.images, chosen.batch, chosen.rounds = 8, 4, 1
        chosen.encoder = "squeezenet1_1"
        chosen.leave_out = [*chosen.leave_out, *(set(WAYS) - SMALL)]
    warn_if_busy()
    result: dict[str, Any] = {"kind": "extraction", **provenance(), "encoder": chosen.encoder, "batch": chosen.batch}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if chosen.data is None:
            chosen.data = str(folder / "scenes")
            log("scenes")
            rf.generate_scenes(chosen.data, classes=4, per_class=-(-chosen.images // 4))
        elif len(rf.open_dataset(chosen.data)) > chosen.images:
            chosen.data = _some(chosen.data, folder / "some", chosen.images)
        count = min(chosen.images, len(rf.open_dataset(chosen.data)))
        rows, against = measure(chosen, count, folder)
    bounded(rows)
    result |= {"images": count, "rows": rows, "against_n": against, "exponent": exponent(against)}
    result["accuracy"] = accuracy(chosen.accuracy, chosen) if chosen.accuracy else []
    if not chosen.small or chosen.out:
        write(result, chosen.out or result_path("extraction", result))
    print(markdown(result))


def _some(data: str, folder: Path, count: int) -> str:
    """Make a folder with some of the images of another, evenly taken, in their classes."""
    import rsir_fast as rf

    found = rf.open_dataset(data)
    assert found.root is not None
    for number in np.linspace(0, len(found) - 1, count).astype(int):
        item = Path(found.items[number])
        (folder / item.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / item.parent.name / item.name).symlink_to(found.root / item)
    return str(folder)


if __name__ == "__main__":
    main()

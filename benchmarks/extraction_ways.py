"""The ways from image files to features, each in a process of its own, for `extraction.py`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engines import clean_environment, cores

Turn = Callable[[int], tuple[float, Any]]
"""Number of images -> seconds, and their features or None."""

NETWORK, DECODE, KEPT = "network alone, ", "decoding alone", "rf.encode, torch, memory kept"


def _parts(chosen: Namespace) -> tuple[Any, Any]:
    """Return the data set and the network."""
    import rsir_fast as rf

    return rf.open_dataset(chosen.data), rf.load_encoder(chosen.encoder, weights=chosen.weights).backbone


def _loaded(chosen: Namespace) -> tuple[Any, list[Any]]:
    """Return the network, and its input in batches."""
    from rsir_fast.extraction.loader import batches

    data, backbone = _parts(chosen)
    made = batches(data, backbone.preprocessing, range(len(data)), chosen.batch, cores())
    return backbone, [batch.images for batch in made]


def network(chosen: Namespace, engine: str, precision: str = "float32") -> Turn:
    import torch

    import rsir_fast as rf
    from rsir_fast.extraction.run import Run

    rf.keep_freed_memory()
    backbone, loaded = _loaded(chosen)
    run = Run(backbone, torch.device("cpu"), precision, chosen.batch, engine)  # type: ignore[arg-type]
    return partial(_passes, run.forward, loaded)


def eager(chosen: Namespace, kept: bool = False) -> Turn:
    """The network as a user of torch runs it: nothing folded, channels first; memory as it comes, or kept."""
    import rsir_fast as rf

    if kept:
        rf.keep_freed_memory()
    backbone, loaded = _loaded(chosen)
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

    data, backbone = _parts(chosen)

    def turn(count: int) -> tuple[float, Any]:
        start = time.perf_counter()
        for _ in batches(data, backbone.preprocessing, range(count), chosen.batch, default_workers()):
            pass
        return time.perf_counter() - start, None

    return turn


def torchvision(chosen: Namespace) -> Turn:
    """Pillow, torchvision's transforms and a DataLoader of a process a core, as its manual has it; eager torch."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset, Subset
    from torchvision.transforms import v2

    data, backbone = _parts(chosen)
    steps = backbone.preprocessing
    size = (steps.input_size, steps.input_size)
    pixels = v2.Compose([v2.Resize(size, interpolation=v2.InterpolationMode.BICUBIC), v2.PILToTensor()])

    class Images(Dataset[Any]):
        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, number: int) -> Any:
            with Image.open(data.root / data.items[number]) as image:
                return steps.normalize(pixels(image.convert("RGB"))[None])[0]

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
    data, backbone = _parts(chosen)

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


_OF_ENGINE: dict[str, dict[str, Callable[[Namespace], Turn]]] = {
    engine: {
        NETWORK + engine: partial(network, engine=engine),
        DECODE: decoding,
        f"rf.encode, {engine}": partial(library, engine=engine, kept=False),
        f"rsir features, {engine}": partial(command, engine=engine),
    }
    for engine in ("torch", "onnx", "openvino")
}
GROUPS: dict[str, dict[str, Callable[[Namespace], Turn]]] = {
    "torch": {**_OF_ENGINE["torch"], KEPT: partial(library, engine="torch")},
    "peers": {
        NETWORK + "torch eager": eager,
        NETWORK + "torch eager, memory kept": partial(eager, kept=True),
        DECODE: decoding,
        "torchvision + DataLoader": torchvision,
    },
    "onnx": _OF_ENGINE["onnx"],
    "openvino": _OF_ENGINE["openvino"],
    "bfloat16": {
        NETWORK + "torch bfloat16": partial(network, engine="torch", precision="bfloat16"),
        NETWORK + "openvino bfloat16": partial(network, engine="openvino", precision="bfloat16"),
        DECODE: decoding,
        "rf.encode, torch bfloat16, memory kept": partial(library, engine="torch", precision="bfloat16"),
        "rf.encode, openvino bfloat16": partial(library, engine="openvino", kept=False, precision="bfloat16"),
    },
}
"""What is measured turn by turn; the network alone comes before what it bounds."""

WAYS = {name: way for group in GROUPS.values() for name, way in group.items()}
SLOW = {name for name in GROUPS["peers"] if name != DECODE}
"""A quarter of the images will do."""


def bounding(name: str) -> str | None:
    """Return the network alone that bounds a way from files.

    >>> bounding("rf.encode, torch bfloat16, memory kept")
    'network alone, torch bfloat16'
    """
    if name.startswith((NETWORK, DECODE)):
        return None
    return NETWORK + ("torch eager" if name in SLOW else name.split(", ")[1])


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
    """One way in its own process, which starts while others do: wait for `ready`."""

    def __init__(self, name: str, chosen: Namespace, folder: Path) -> None:
        self.name, self.file = name, folder / f"{abs(hash(name))}.npy"
        words = [sys.executable, __file__, name, "--data", chosen.data, "--encoder", chosen.encoder]
        words += ["--batch", str(chosen.batch)] + ([] if chosen.weights is None else ["--weights", chosen.weights])
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment()
        )

    def ready(self) -> None:
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


def main() -> None:
    options = ArgumentParser(description=__doc__)
    options.add_argument("name", choices=list(WAYS))
    options.add_argument("--data", required=True)
    options.add_argument("--encoder", required=True)
    options.add_argument("--weights")
    options.add_argument("--batch", type=int, required=True)
    chosen = options.parse_args()
    child(chosen.name, chosen)


if __name__ == "__main__":
    main()

"""JPEG files to features on the CUDA device: network alone, decoding alone, both together; extraction.json in a folder.

``python benchmarks/gpu_extraction.py OUT``. The images are made in place, the weights are random: speed and bits do not
depend on them. Features must be those of the CPU. Ends within 20 s: what would take longer is left out.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

NETWORKS = ("mobilenet_v2", "resnet50")
BATCH, IMAGES, SIDE = 32, 2_048, 256
SECONDS = 14.0
"""Of 20; the rest goes into starting torch, and into a case that takes longer than those before it."""
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.25}
"""Of the largest value of a feature, against float32 of the CPU."""

MUST = ("agrees", "graph has the same bits", "same bits as alone")


def write_images(folder: Path, count: int, different: int = 64) -> None:
    """Write JPEG files of soft coloured patches and some noise, few of them different."""
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(min(different, count)):
        patches = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        noisy = np.asarray(patches).astype(np.int16) + rng.integers(-9, 10, (SIDE, SIDE, 3))
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
        contents.append(file.getvalue())
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(contents[number % len(contents)])


def rate(turn: Callable[[], int], device: str, least: float = 0.5) -> float:
    """Images a second of turns that last some while together, after one that does not count."""
    turn()
    wait(device)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        images += turn()
    wait(device)
    return images / (time.perf_counter() - start)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def network_alone(run: Any, images: torch.Tensor, device: str) -> float:
    return rate(lambda: len(run.forward(images)), device)


def decoding_alone(data: Any, preprocessing: Any, decoder: Any, device: str) -> float:
    from rsir_fast.extraction.loader import batches, default_workers

    def turn() -> int:
        made = batches(
            data,
            preprocessing,
            range(len(data)),
            BATCH,
            default_workers(),
            pin_memory=device == "cuda",
            decoder=decoder,
        )
        return sum(len(batch.images) for batch in made)

    return rate(turn, device)


def measured(name: str, data: Any, device: str) -> Iterator[dict[str, Any]]:
    """Yield a row for every precision of a network."""
    import rsir_fast as rf
    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.extraction.jpeg import DeviceDecoder
    from rsir_fast.extraction.loader import batches
    from rsir_fast.extraction.run import Run

    backbone = rf.load_encoder(name, weights="random:0").backbone
    steps = backbone.preprocessing
    first = next(batches(data, steps, range(BATCH), BATCH, 0)).images
    truth = Run(backbone, torch.device("cpu"), "float32", BATCH).forward(first).numpy()
    there = first.to(device)
    decoders: dict[str, Any] = {"cpu": None}
    if device == "cuda":
        with contextlib.suppress(ValueError):  # a torchvision without nvJPEG
            decoders["cuda"] = DeviceDecoder(steps, torch.device(device))
    decoding = {word: decoding_alone(data, steps, decoder, device) for word, decoder in decoders.items()}
    for precision, most in TOLERANCE.items():
        row: dict[str, Any] = {"network": name, "precision": precision, "decoding": decoding, "together": {}}
        plain = Run(backbone, torch.device(device), precision, BATCH, graph=False)  # type: ignore[arg-type]
        row["one operation after the other"] = network_alone(plain, there, device)
        rows = plain.forward(there)
        if device == "cuda":
            run = Run(backbone, torch.device(device), precision, BATCH)  # type: ignore[arg-type]
            row["graph"] = network_alone(run, there, device) if run.graph else None
            row["graph has the same bits"] = torch.equal(run.forward(there), rows)
        row["difference"] = float(np.abs(rows.cpu().numpy() - truth).max() / np.abs(truth).max())
        row["agrees"] = row["difference"] <= most
        for word in decoders:
            settings = {"batch_size": BATCH, "device": device, "decoder": word}
            made = rf.encode(data, Encoder(backbone, precision), **settings)  # type: ignore[arg-type]
            row["together"][word] = made.timing["images_per_s"]
            if word == "cpu":
                row["same bits as alone"] = made.matrix[:BATCH].tobytes() == rows.cpu().numpy().tobytes()
        yield row


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["Images a second; together: of the slower of network and decoding, which run at the same time.", ""]
    lines.append(
        "| network | precision | launched one by one | graph | decoding | together | of the slower | difference |"
    )
    lines.append("|---" * 8 + "|")
    for row in rows:
        alone = row.get("graph") or row["one operation after the other"]
        for word, together in row["together"].items():
            slower = min(alone, row["decoding"][word])
            graph = f"{row['graph']:.0f}" if row.get("graph") else ""
            lines.append(
                f"| {row['network']} | {row['precision']} | {row['one operation after the other']:.0f} | {graph} "
                f"| {row['decoding'][word]:.0f} ({word}) | {together:.0f} | {together / slower:.2f} "
                f"| {row['difference']:.1e} |"
            )
    return "\n".join(lines) + "\n"


def main(out: Path, device: str = "cuda", images: int = IMAGES, names: tuple[str, ...] = NETWORKS) -> int:
    """Measure while there is time; return 1 if features are not what they must be."""
    began = time.perf_counter()
    if device == "cuda" and not torch.cuda.is_available():
        print("gpu_extraction: no CUDA device that torch can use", file=sys.stderr)
        return 1
    try:
        import rsir_fast as rf
        from rsir_fast.extraction.run import Run  # noqa: F401  all that it needs
    except ImportError as error:
        print(f"gpu_extraction: left out, {error}", file=sys.stderr)
        return 0
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        write_images(Path(place) / "images", images)
        data = rf.open_dataset(Path(place) / "images")
        for row in itertools.chain.from_iterable(measured(name, data, device) for name in names):
            rows.append(row)
            (out / "extraction.json").write_text(json.dumps({"batch": BATCH, "images": images, "rows": rows}, indent=1))
            spent = time.perf_counter() - began
            if spent + spent / len(rows) > SECONDS:
                break
    print(table(rows))
    wrong = [row for row in rows if not all(row.get(name, True) for name in MUST)]
    for row in wrong:
        print(f"FAILED: {row['network']} {row['precision']}: features are not those that they must be", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

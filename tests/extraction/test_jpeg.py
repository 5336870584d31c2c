"""JPEG decoded on the device: which files, by which rules, and what becomes of the others.

Without a GPU the device is the CPU: everything but nvJPEG itself runs, libjpeg in its place.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from op_support import same_bits
from rsir_fast.archive import Features
from rsir_fast.backbones import Preprocessing, load_backbone
from rsir_fast.datasets import limits_of_images, open_dataset
from rsir_fast.extraction import encode, run
from rsir_fast.extraction.jpeg import DeviceDecoder, _of_memory, read_jpeg
from rsir_fast.extraction.loader import batches
from scene_files import write_broken, write_scenes

# torchvision announces that its decoders will move to another package.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CPU = torch.device("cpu")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=pytest.mark.gpu)]
STEPS = [Preprocessing(64), Preprocessing(64, resize="short-side")]


def smooth(width=120, height=90):
    """An image without sharp edges, on which decoders differ by rounding only."""
    x, y = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 3, height))
    return Image.fromarray(np.stack([127 + 120 * np.sin(x + c) * np.cos(y) for c in range(3)], 2).astype(np.uint8))


def write(path, image, **options):
    image.save(path, "JPEG", quality=92, **options)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of file: those for the device are named in `FOR_DEVICE`."""
    root = tmp_path_factory.mktemp("files")
    write_broken(root)
    rgb = smooth()
    for name, options in {
        "baseline.jpg": {},
        "progressive.jpg": {"progressive": True},
        "full_colour.jpg": {"subsampling": 0},
        "restarts.jpg": {"restart_marker_blocks": 4},
        "no_such_suffix.png": {},
    }.items():
        write(root / name, rgb, **options)
    exif = Image.Exif()
    exif[0x0112] = 6
    write(root / "turned.jpg", rgb, exif=exif)
    thumbnail = io.BytesIO()
    rgb.resize((16, 12)).save(thumbnail, "JPEG")
    write(root / "thumbnail.jpg", rgb, comment=thumbnail.getvalue())
    write(root / "grey.jpg", rgb.convert("L"))
    write(root / "stored_as_rgb.jpg", rgb, keep_rgb=True)
    whole = (root / "thumbnail.jpg").read_bytes()
    (root / "cut_after_thumbnail.jpg").write_bytes(whole[:-600])
    (root / "no_end.jpg").write_bytes((root / "baseline.jpg").read_bytes()[:-2])
    (root / "trailing.jpg").write_bytes((root / "baseline.jpg").read_bytes() + b"more" * 100)
    damaged = bytearray((root / "baseline.jpg").read_bytes())
    tables = damaged.index(b"\xff\xc4")
    damaged[tables + 5 : tables + 21] = b"\xff" * 16  # more Huffman codes than there can be
    (root / "bad_tables.jpg").write_bytes(damaged)
    return root


FOR_DEVICE = {
    "whole.jpg",
    "baseline.jpg",
    "progressive.jpg",
    "full_colour.jpg",
    "restarts.jpg",
    "no_such_suffix.png",
    "thumbnail.jpg",
    "trailing.jpg",
}


def test_only_whole_colour_files_are_for_the_device(folder):
    found = {path.name for path in folder.iterdir() if read_jpeg(path) is not None}
    assert found - {"bad_tables.jpg"} == FOR_DEVICE
    assert read_jpeg(folder / "missing.jpg") is None
    assert read_jpeg(folder) is None
    encoded = read_jpeg(folder / "baseline.jpg")
    assert (encoded.height, encoded.width) == (90, 120)


def test_every_truncation_is_left_to_the_cpu(folder):
    content = (folder / "thumbnail.jpg").read_bytes()
    cut = folder.parent / "cut.jpg"
    for length in range(2, len(content), 7):
        cut.write_bytes(content[:length])
        assert read_jpeg(cut) is None, length


def test_too_many_pixels_are_left_to_the_cpu(folder):
    with limits_of_images(max_pixels=120 * 90 - 1):
        assert read_jpeg(folder / "baseline.jpg") is None
        assert read_jpeg(folder / "whole.jpg") is not None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("steps", STEPS, ids=["whole", "short-side"])
def test_batches_of_both_decoders_are_those_of_the_cpu_but_for_rounding(folder, device, workers, steps):
    data = open_dataset(folder)
    numbers = range(len(data))
    expected = list(batches(data, steps, numbers, 4, workers=1))
    found = list(batches(data, steps, numbers, 4, workers, decoder=DeviceDecoder(steps, device)))
    assert [(batch.count, batch.skipped) for batch in found] == [(batch.count, batch.skipped) for batch in expected]
    assert sum(batch.on_device for batch in found) == len(FOR_DEVICE)
    for batch, plain in zip(found, expected, strict=True):
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == plain.images.shape
        assert batch.images.device.type == (device.type if batch.on_device else "cpu")
    images, plain = (torch.cat([batch.images.cpu() for batch in part]).int() for part in (found, expected))
    difference = (images - plain).abs()
    assert difference.max() <= (3 if device.type == "cpu" else 24)  # chroma may be interpolated otherwise
    assert difference.float().mean() < 1
    skipped = {each.number for batch in expected for each in batch.skipped}
    kept = [data.items[number] for number in numbers if number not in skipped]
    for row, name in enumerate(kept):  # what the CPU decodes has its bits
        if name not in FOR_DEVICE:
            assert same_bits(images[row], plain[row]), name


@pytest.mark.parametrize("device", DEVICES)
def test_one_bad_file_costs_no_other(folder, device):
    """A batch is decoded all or nothing; what is refused then goes one by one, and only the bad file back."""
    good, bad = read_jpeg(folder / "baseline.jpg"), read_jpeg(folder / "baseline.jpg")
    bad.content[2:] = 0
    decoder = DeviceDecoder(STEPS[0], device)
    first, none, last = decoder.decode([good, bad, good])
    assert none is None
    assert torch.equal(first, last)
    assert torch.equal(first, decoder.decode([good])[0])
    other_size = good._replace(height=91)
    assert decoder.decode([other_size]) == [None]
    assert decoder.decode([]) == []


LITTLE = """
import os, resource, sys, torch
from pathlib import Path
from rsir_fast.backbones import Preprocessing
from rsir_fast.errors import MachineError
from rsir_fast.extraction.jpeg import DeviceDecoder, _of_memory, read_jpeg
torch.set_num_threads(1)
big = read_jpeg(Path(sys.argv[1]))
decoder = DeviceDecoder(Preprocessing(64), torch.device("cpu"))
told = []
for more in (1, 8, 20, 30, 40, 60, 80, 2000):
    if (child := os.fork()) == 0:
        room = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (room + (more << 20), resource.RLIM_INFINITY))
        try:
            code = 3 if None in decoder.decode([big, big]) else 0
        except MachineError as error:
            code = 1 if "not enough memory" in str(error) else 2
        except BaseException:
            code = 4
        os._exit(code)
    told.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(*told)
"""


def test_too_little_memory_is_not_left_to_the_cpu(tmp_path):
    """Whose pixels differ: a matrix must not depend on what else took memory."""
    Image.new("RGB", (3600, 3600), (9, 99, 200)).save(tmp_path / "big.jpg")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LITTLE, tmp_path / "big.jpg"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.split()
    assert set(told) == {"0", "1"}, told
    assert told[-1] == "0"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 MiB", True),
        ("CUDA error: out of memory", True),
        ("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory", True),
        ("Error while decoding JPEG images: Failed to decode batch: 5", True),
        ("Failed to create device buffer: 5", True),
        ("Failed to decode jpeg stream: 3", False),
        ("Failed to parse jpeg stream: 4", False),
        ("Corrupt JPEG data", False),
    ],
)
def test_what_a_decoder_says_of_memory(said, expected):
    assert _of_memory(RuntimeError(said)) is expected


def test_strips_are_refused_with_the_reason_of_the_cpu(tmp_path):
    write(tmp_path / "strip.jpg", smooth(1300, 4))
    data = open_dataset(tmp_path)
    for steps, reasons in zip(STEPS, (0, 1), strict=True):
        (expected,) = batches(data, steps, [0], 1, 0)
        (found,) = batches(data, steps, [0], 1, 0, decoder=DeviceDecoder(steps, CPU))
        assert found.skipped == expected.skipped
        assert len(found.skipped) == reasons


@pytest.fixture
def on_cpu(monkeypatch):
    """Let `encode(decoder="cuda")` decode on the CPU instead."""
    monkeypatch.setattr(
        run,
        "device_decoder",
        lambda decoder, backbone, _: DeviceDecoder(backbone.preprocessing, CPU) if decoder == "cuda" else None,
    )


@pytest.mark.usefixtures("on_cpu")
def test_extraction_states_its_decoder_and_counts(folder, tmp_path):
    network = load_backbone("squeezenet1_1", weights="random:0")
    plain = encode(folder, network, batch_size=4, device="cpu", out=tmp_path / "plain")
    found = encode(folder, network, batch_size=4, device="cpu", decoder="cuda", out=tmp_path / "f", shard_size=4)
    again = encode(folder, network, batch_size=4, device="cpu", decoder="cuda", workers=0)
    assert same_bits(np.asarray(found.matrix), again.matrix)
    assert found.items == plain.items
    assert found.skipped == plain.skipped
    np.testing.assert_allclose(found.matrix, plain.matrix, atol=0.1 * np.abs(plain.matrix).max())
    assert Features.load(tmp_path / "f").provenance["extraction"]["decoder"]["jpeg"] == "libjpeg"
    assert "decoder" not in plain.provenance["extraction"]
    assert found.timing["decoded_on_device"] == len(FOR_DEVICE)
    assert found.timing["decoded_on_cpu"] == len(plain) - len(FOR_DEVICE)
    assert "decoded_on_cpu" not in plain.timing
    # A run of the same encoder: what is there stays, and what is new would be told apart.
    same = encode(folder, network, batch_size=4, device="cpu", decoder="cuda", out=tmp_path / "plain", resume=True)
    assert same_bits(np.asarray(same.matrix), np.asarray(plain.matrix))
    assert same.provenance == plain.provenance


@pytest.mark.usefixtures("on_cpu")
def test_data_sets_in_memory_go_the_way_of_the_cpu(folder):
    network = load_backbone("squeezenet1_1", weights="random:0")
    pairs = [(smooth(), 0), (smooth(64, 64), 1)]
    found = encode(pairs, network, device="cpu", decoder="cuda", workers=1)
    assert same_bits(found.matrix, encode(pairs, network, device="cpu", workers=1).matrix)
    assert found.timing["decoded_on_device"] == 0


def test_a_stopped_run_ends_its_threads(tmp_path):
    data = open_dataset(write_scenes(tmp_path / "scenes", per_class=40))
    loaded = batches(data, STEPS[0], range(len(data)), 4, 2, decoder=DeviceDecoder(STEPS[0], CPU))
    assert next(loaded).on_device == 4
    loaded.close()  # returns only when they are gone


def test_what_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch):
    network = load_backbone("squeezenet1_1", weights="random:0")
    with pytest.raises(ValueError, match="decoder: expected 'cpu' or 'cuda', got 'gpu'"):
        encode(tmp_path, network, decoder="gpu")
    with pytest.raises(ValueError, match="decoder: 'cuda' expects to go with a CUDA device, got device cpu"):
        encode(tmp_path, network, decoder="cuda", device="cpu")

    def without_nvjpeg(*_, **__):
        raise RuntimeError("decode_jpegs_cuda: torchvision not compiled with nvJPEG support\nmore")

    monkeypatch.setattr("torchvision.io.decode_jpeg", without_nvjpeg)
    with pytest.raises(ValueError, match=r"decoder: expected a torchvision that decodes JPEG on cpu, got .*support\)"):
        DeviceDecoder(STEPS[0], CPU)


@pytest.mark.gpu
def test_extraction_with_nvjpeg(folder, tmp_path):
    scenes = write_scenes(tmp_path / "scenes", per_class=30, size=100)
    shutil.copytree(folder, scenes / "class0", dirs_exist_ok=True)
    network = load_backbone("squeezenet1_1", weights="random:0")
    plain = encode(scenes, network, batch_size=8, device="cuda")
    found = encode(scenes, network, batch_size=8, device="cuda", decoder="cuda")
    again = encode(scenes, network, batch_size=8, device="cuda", decoder="cuda", workers=0)
    assert same_bits(found.matrix, again.matrix)
    assert found.items == plain.items
    assert found.skipped == plain.skipped
    assert found.timing["decoded_on_device"] >= 90
    assert found.provenance["extraction"]["decoder"]["jpeg"] == "nvJPEG"
    np.testing.assert_allclose(found.matrix, plain.matrix, atol=0.2 * np.abs(plain.matrix).max())

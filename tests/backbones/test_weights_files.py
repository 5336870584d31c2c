""".npz, .pth and .safetensors: what is read, and that a hostile or damaged file is one clear line."""

from __future__ import annotations

import builtins
import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import format as npy
from safetensors.torch import save_file

from rsir_fast.backbones import load_backbone
from rsir_fast.errors import WeightFileError

SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
}


def integers(seed: int = 0) -> dict[str, np.ndarray]:
    """An 8-bit trunk of CNN-Alex."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for name, shape in SHAPES.items():
        arrays[f"{name}.weight"] = rng.integers(-128, 128, shape, dtype=np.int8)
        arrays[f"{name}.bias"] = rng.integers(-2000, 2000, shape[:1], dtype=np.int16)
    return arrays


def floats() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array).float() / 128 for name, array in integers().items()}


def load(path: Path, layer: str = "pool5"):
    return load_backbone("cnn-alex", layer, path)


def assert_refused(path: Path, found: str = "") -> None:
    with pytest.raises(WeightFileError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: expected ")
    assert "; found " in text
    assert found in text


def write_npz(path: Path) -> None:
    np.savez(path, scale=np.float32(1 / 128), **integers())


WRITERS = {
    "m.npz": write_npz,
    "m.pth": lambda path: torch.save(floats(), path),
    "old.pth": lambda path: torch.save(floats(), path, _use_new_zipfile_serialization=False),
    "m.safetensors": lambda path: save_file(floats(), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_weights(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    backbone = load(path)
    for key, tensor in floats().items():
        assert torch.equal(backbone.network.state_dict()[key], tensor)
    record = backbone.provenance["weights"]
    assert (record["file"], record["source"]) == (name, "explicit path")
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert backbone.preprocessing.channel_order == ("BGR" if name == "m.npz" else "RGB")
    with pytest.raises(WeightFileError, match=r"'fc6'; found a partial file that covers pool5 \(missing: fc6.weight"):
        load(path, "fc6")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("part", [0.0001, 0.1, 0.5, 0.999])
def test_truncated_file(tmp_path, name, part):
    path = tmp_path / name
    WRITERS[name](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert_refused(path)


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".pt", ".safetensors", ".mat"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"conv1.weight 0.25 0.5 0.125\n" * 50, "plain text"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
        (b"", "an empty file"),
        (bytes(range(1, 256)) * 9, "unknown binary data"),
    ],
    ids=["text", "html", "lfs", "empty", "binary"],
)
def test_other_content_under_a_weight_files_name(tmp_path, suffix, content, found):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    assert_refused(path, f"; found {found}")


def test_folder_and_missing_file(tmp_path):
    assert_refused(tmp_path, "found a folder")
    assert_refused(tmp_path / "absent.pth", "found nothing there")


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return builtins.open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["torch zip", "torch old", "bare pickle", "os.system"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, form):
    path, proof = tmp_path / "evil.pth", tmp_path / "executed"
    if form == "bare pickle":
        path.write_bytes(pickle.dumps({"conv1.weight": Trap(proof)}))
    elif form == "os.system":
        path.write_bytes(b"\x80\x02cos\nsystem\nX\x80\x00\x00\x00" + f"touch {proof}".ljust(128).encode() + b"\x85R.")
    else:
        torch.save({"conv1.weight": Trap(proof)}, path, _use_new_zipfile_serialization=form == "torch zip")
    # torch reads pickles of protocol 2 only and gives up on newer ones before it sees what they call.
    assert_refused(path, "a pickle that is damaged or of other things" if form == "bare pickle" else "code in it (")
    assert not proof.exists()
    pickle.load(io.BytesIO(pickle.dumps(Trap(proof)))).close()
    assert proof.exists(), "the trap itself must work"


def test_pickled_object_in_npz_is_refused_and_not_run(tmp_path):
    proof = tmp_path / "executed"
    arrays = integers() | {"conv1.weight": np.array([Trap(proof)], dtype=object)}
    np.savez(tmp_path / "m.npz", scale=np.float32(1), **arrays)
    assert_refused(tmp_path / "m.npz", "found Python objects (a pickle)")
    assert not proof.exists()


def test_npz_that_declares_more_than_it_holds_is_not_allocated(tmp_path):
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 20)})
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("conv1.weight.npy", header.getvalue() + b"\0" * 64)
    assert_refused(tmp_path / "m.npz", f"expected {4 << 40} bytes of data in 'conv1.weight'; found 64 bytes")


def test_large_arrays_of_the_wrong_shape_are_not_read(tmp_path):
    """100 MB of zeros in 100 KB: the shape in the header is refused before the data is unpacked."""
    arrays = integers() | {"conv1.weight": np.zeros(100 << 20, dtype=np.int8)}
    np.savez_compressed(tmp_path / "m.npz", scale=np.float32(1), **arrays)
    assert_refused(tmp_path / "m.npz", f"found ({100 << 20},)")


def test_torch_archive_that_unpacks_to_more_than_its_size(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1 << 20)}, tmp_path / "stored.pth")
    with (
        zipfile.ZipFile(tmp_path / "stored.pth") as stored,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for info in stored.infolist():
            bomb.writestr(info.filename, stored.read(info))
    assert_refused(tmp_path / "bomb.pth", "bytes when unpacked")


def test_integers_without_scale(tmp_path):
    np.savez(tmp_path / "m.npz", **integers())
    assert_refused(tmp_path / "m.npz", "'conv1.weight' as torch.float32; found torch.int64")


def test_scale_must_be_positive(tmp_path):
    np.savez(tmp_path / "m.npz", scale=np.float32(np.nan), **integers())
    assert_refused(tmp_path / "m.npz", "expected a positive 'scale'; found nan")


def test_wrong_shape_names_layer_expected_and_found(tmp_path):
    state = floats() | {"conv3.bias": torch.zeros(7)}
    torch.save(state, tmp_path / "m.pth")
    assert_refused(tmp_path / "m.pth", "layer 'conv3' to have bias of shape (384,); found (7,)")


@pytest.mark.parametrize(
    ("dtype", "value", "found"),
    [
        (torch.float32, torch.nan, "1 of 442368 values of 'conv5.weight' NaN, in torch.float32"),
        (torch.float16, 1e6, "1 of 442368 values of 'conv5.weight' infinite, in torch.float16"),
        (torch.bfloat16, -torch.inf, "1 of 442368 values of 'conv5.weight' infinite, in torch.bfloat16"),
        (torch.float64, 1e300, "1 of 442368 values of 'conv5.weight' too large for torch.float32, in torch.float64"),
    ],
    ids=str,
)
def test_values_that_are_not_finite_are_named(tmp_path, dtype, value, found):
    state = {name: tensor.to(dtype) for name, tensor in floats().items()}
    state["conv5.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "m.pth")
    assert_refused(tmp_path / "m.pth", f"expected finite weights for CNN-Alex layer 'pool5'; found {found}")


def test_a_classifier_of_nan_is_no_matter_below_it(tmp_path):
    """torchvision publishes such files."""
    state = floats() | {"fc6.weight": torch.full((1, 1), torch.nan).expand(4096, 9216), "fc6.bias": torch.zeros(4096)}
    torch.save(state, tmp_path / "m.pth")
    assert load(tmp_path / "m.pth").dim == 9216
    with pytest.raises(WeightFileError, match="37748736 values of 'fc6.weight' NaN, in torch.float32; it covers pool5"):
        load(tmp_path / "m.pth", "fc6")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(3)], ids=["list", "no tensors", "tensor"])
def test_checkpoint_without_a_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "m.pth")
    assert_refused(tmp_path / "m.pth", "expected a state dict")


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of quantised tensors
@pytest.mark.parametrize(
    ("convert", "found"),
    [
        (torch.Tensor.to_sparse, "a sparse tensor (torch.sparse_coo)"),
        (lambda tensor: tensor.to("meta"), "a tensor without data (meta)"),
        (lambda tensor: torch.quantize_per_tensor(tensor, 1.0, 0, torch.qint8), "a quantised tensor (torch.qint8)"),
    ],
    ids=["sparse", "meta", "quantised"],
)
def test_tensors_without_plain_data_are_named(tmp_path, convert, found):
    state = floats()
    torch.save(state | {"conv5.bias": convert(state["conv5.bias"])}, tmp_path / "m.pth")
    assert_refused(tmp_path / "m.pth", f"expected 'conv5.bias' as plain numbers; found {found}")


def test_half_precision_becomes_float32(tmp_path):
    save_file({name: tensor.half() for name, tensor in floats().items()}, tmp_path / "m.safetensors")
    backbone = load(tmp_path / "m.safetensors")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}


def test_file_may_vanish_after_loading(tmp_path):
    for name, write in WRITERS.items():
        path = tmp_path / name
        write(path)
        backbone = load(path)
        os.truncate(path, 0)
        assert all(bool(torch.isfinite(parameter).all()) for parameter in backbone.parameters())


def test_unreadable_file(tmp_path):
    path = tmp_path / "loop.pth"
    path.symlink_to(path)
    assert_refused(path, "nothing there")

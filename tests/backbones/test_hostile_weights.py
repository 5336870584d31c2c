"""Weight files with one wrong byte, one wrong field, or sizes and links that lie: always one clear line."""

from __future__ import annotations

import json
import resource
import struct
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsir_fast.backbones import load_backbone
from rsir_fast.backbones.weights import mat_budget, npz, open_state_dict, sniff
from rsir_fast.backbones.weights.mat_reader import read_mat
from rsir_fast.errors import WeightFileError


def assert_refused(path: Path, found: str) -> None:
    with pytest.raises(WeightFileError) as caught:
        load_backbone("cnn-f", "pool5", path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: expected ")
    assert found in text


NUMBER_FIELDS = [
    ("conv1", "stride", np.array([[np.nan]]), "'conv1' to have stride as 2 finite numbers; found [nan]"),
    ("pool1", "pad", np.array([[np.nan] * 4]), "'pool1' to have pad as 4 finite numbers; found [nan, "),
    ("pool1", "pad", np.zeros((1, 3)), "'pool1' to have pad as 4 finite numbers; found 3 numbers"),
    ("pool2", "pool", np.array([[np.inf, 3.0]]), "'pool2' to have pool as 2 finite numbers; found [inf, 3.0]"),
    ("conv2", "pad", "abc", "'conv2' to have pad as 4 finite numbers; found 'abc'"),
    ("conv2", "pad", np.array([[2j]]), "'conv2' to have pad as 4 finite numbers; found numbers of type complex128"),
    ("conv2", "dilate", {"x": 1.0}, "'conv2' to have dilate as 2 finite numbers; found 'a dict'"),
    ("norm1", "param", np.ones((1, 3)), "'norm1' to have param as 4 finite numbers; found 3 numbers"),
    ("norm1", "param", np.ones((1, 6)), "'norm1' to have param as 4 finite numbers; found 6 numbers"),
    ("norm1", "param", np.zeros((0, 0)), "'norm1' to have param [n kappa alpha beta]"),
    ("pool5", "method", np.ones((1, 2)), "'pool5' to have method max; found an array of shape (1, 2)"),
    ("relu3", "type", np.ones((1, 2)), "'relu3' to have type relu; found an array of shape (1, 2)"),
    ("conv3", "weights", np.ones((2, 2)), "'conv3' to have weights as a cell of two arrays; found 'an array of shape"),
    ("conv3", "weights", np.zeros((0, 0)), "'conv3' to have weights and biases; found fields"),
    ("conv3", "weights", "none", "'conv3' to have weights as a cell of two arrays; found 'none'"),
]


@pytest.mark.parametrize("version", ["v5", "v7.3"])
def test_fields_of_the_wrong_kind(tmp_path, mat_model, version, monkeypatch):
    model = mat_model("cnn-f")
    kept = model._fields
    for number, (layer, field, value, message) in enumerate(NUMBER_FIELDS):

        def changed(entry: dict[str, Any], layout: str, case: tuple[Any, ...] = (layer, field, value)) -> Any:
            fields = kept(entry, layout)
            return fields | {case[1]: case[2]} if entry["name"] == case[0] else fields

        monkeypatch.setattr(model, "_fields", changed)
        path = model.write(tmp_path / f"{number}.mat", version=version)
        assert_refused(path, message)
        path.unlink()


def test_mean_image_of_other_numbers(tmp_path, mat_model):
    model = mat_model("cnn-f")
    model.average = np.full((1, 1, 3), 1j)
    assert_refused(model.write(tmp_path / "m.mat"), "averageImage of real numbers; found numbers of type complex128")
    for value in (np.nan, 1e300):
        model.average = np.array([[[1.0, value, 2.0]]])
        assert_refused(model.write(tmp_path / "n.mat"), "averageImage of finite numbers; found NaN or infinite ones")


SMALL = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
WRITERS = {
    "m.npz": lambda path: np.savez(path, **{name: tensor.numpy() for name, tensor in SMALL.items()}),
    "deflated.npz": lambda path: np.savez_compressed(path, **{name: tensor.numpy() for name, tensor in SMALL.items()}),
    "m.pth": lambda path: torch.save(SMALL, path),
    "old.pth": lambda path: torch.save(SMALL, path, _use_new_zipfile_serialization=False),
    "nested.ckpt": lambda path: torch.save(
        {"state_dict": SMALL, "args": Namespace(lr=0.1), "best": np.float64(1)}, path
    ),
    "m.safetensors": lambda path: save_file(SMALL, path),
}


def outcome(path: Path) -> str:
    try:
        file = open_state_dict(path, sniff(path))
        for name in file.shapes:
            file.read(name)
    except WeightFileError as error:
        return "two lines" if "\n" in str(error) else "refused"
    return "read"


@pytest.mark.parametrize("name", WRITERS)
def test_any_flipped_byte(tmp_path, name):
    """Positions spread over the whole file, and all of its first and last 200 bytes."""
    path, mutant = tmp_path / name, tmp_path / f"mutant-{name}"
    WRITERS[name](path)
    content = path.read_bytes()
    size = len(content)
    positions = {*range(min(200, size)), *range(max(0, size - 200), size), *range(0, size, 7)}
    results = {"read": 0, "refused": 0}
    for position in sorted(positions):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytes([content[position] ^ flip])
            mutant.write_bytes(content[:position] + changed + content[position + 1 :])
            results[outcome(mutant)] += 1
    assert min(results.values()) > 20


def test_safetensors_of_a_type_without_arithmetic(tmp_path):
    """Numbers of four bits: torch has the type, and nothing that works on it."""
    size = 64 * 3 * 11 * 11 // 2
    tensor = {"dtype": "F4", "shape": [64, 3, 11, 11], "data_offsets": [0, size]}
    header = json.dumps({"conv1.weight": tensor}).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    assert_refused(tmp_path / "m.safetensors", "expected")


def write_npy(path: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("conv1.weight.npy", content)
    return path


def test_npz_header_of_a_gigabyte_is_not_read(tmp_path):
    """A quarter of it suffices to see it in the process's memory."""
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 28) + b" " * (1 << 28)
    path = write_npy(tmp_path / "m.npz", content, zipfile.ZIP_DEFLATED)
    del content
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path, f"a header of at most 65536 bytes in 'conv1.weight'; found {1 << 28} bytes declared")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10, "50 MB"


def test_npz_of_another_version(tmp_path):
    path = write_npy(tmp_path / "m.npz", b"\x93NUMPY\x04\x00" + bytes(64))
    assert_refused(path, "'conv1.weight' in npy format 1.0, 2.0 or 3.0; found 4.0")


def test_npz_member_larger_than_any_network(tmp_path, monkeypatch):
    path = write_npy(tmp_path / "m.npz", b"x" * 100)
    monkeypatch.setattr(npz, "MAX_BYTES", 99)
    assert_refused(path, "at most 99 bytes of weights; found 100 in 'conv1.weight'")


@pytest.mark.parametrize("place", ["top", "inside"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_hdf5_links_are_not_followed(tmp_path, place, kind):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["layers"] = np.arange(3.0)
    with h5py.File(tmp_path / "m.mat", "w") as file:
        file["other"] = np.arange(3.0)
        link = h5py.ExternalLink("secret.h5", "/layers") if kind == "external" else h5py.SoftLink("/other")
        group = file if place == "top" else file.create_group("meta")
        group["layers"] = link
    assert_refused(tmp_path / "m.mat", "data inside the file for 'layers'; found a link to another file or place")


def test_hdf5_with_too_many_values(tmp_path, monkeypatch):
    """Eight levels of cells that each name the next one many times: few bytes, endless work."""
    with h5py.File(tmp_path / "m.mat", "w") as file:
        below = file.create_dataset("leaf", data=np.zeros((1, 1)))
        for level in range(8):
            name = "layers" if level == 7 else f"level {level}"
            cells = file.create_dataset(name, (100, 1), dtype=h5py.ref_dtype)
            cells[:, 0] = np.array([below.ref] * 100, dtype=h5py.ref_dtype)
            below = cells
    # h5py takes a fifth of a millisecond for each.
    monkeypatch.setattr(mat_budget, "_MAX_NODES", 2000)
    assert_refused(tmp_path / "m.mat", "at most 2000 values")


def test_hdf5_text_of_variable_length(tmp_path):
    with h5py.File(tmp_path / "m.mat", "w") as file:
        file.create_dataset("layers", data=np.array([b"x" * 100] * 3, dtype=object), dtype=h5py.string_dtype())
    with pytest.raises(WeightFileError, match="found data of variable length"):
        read_mat(tmp_path / "m.mat", "hdf5")

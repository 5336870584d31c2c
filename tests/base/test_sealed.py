"""Arrays with checksums."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load

from rsir_fast.base.sealed import checked, checksums, seal

ARRAYS = {
    "one": np.array(3, np.int64),
    "none": np.empty((0, 4), np.float32),
    "ä": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "tensor": torch.linspace(0, 1, 5),
}


def test_what_is_read_is_what_was_written(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(seal(ARRAYS, {"about": "ü"}))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        table = checksums(metadata)
        assert metadata["about"] == "ü"
        assert sorted(table) == sorted(file.keys()) == sorted(ARRAYS)
        for name, values in ARRAYS.items():
            found = checked(name, file.get_tensor(name), table).numpy()
            assert found.shape == np.asarray(values).shape
            assert np.array_equal(found, np.asarray(values))


def test_any_other_bit_is_noticed():
    content = seal(ARRAYS, {})
    begin = 8 + int.from_bytes(content[:8], "little")
    table = checksums({"checksums": _table(content)})
    for place in range(begin, len(content)):
        changed = bytearray(content)
        changed[place] ^= 16
        read = load(bytes(changed))
        with pytest.raises(ValueError, match="other bytes than were written"):
            [checked(name, values, table) for name, values in read.items()]


def _table(content: bytes) -> str:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size])["__metadata__"]["checksums"]


def test_a_file_without_checksums_is_taken_as_it_is():
    assert checked("a", ARRAYS["one"], checksums(None)) is ARRAYS["one"]
    with pytest.raises(ValueError, match="a: other bytes"):
        checked("a", ARRAYS["one"], {"b": "0"})
    with pytest.raises(ValueError, match="no table"):
        checksums({"checksums": "[]"})


def test_the_same_bytes_in_every_process():
    program = "from rsir_fast.base.sealed import seal; print(seal({}, dict.fromkeys('abcdef', '1')).hex())"
    assert len({subprocess.check_output([sys.executable, "-c", program]) for _ in range(4)}) == 1

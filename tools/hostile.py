#!/usr/bin/env python3
"""Damage the files that the package reads, in thousands of ways: only its own errors may leave a reader.

    tools/hostile.py --cases 200              a few of each, as the tests do it
    tools/hostile.py --cases 20000 --state F  the whole campaign; goes on where it stopped

Every case follows from its number alone: `--only KIND --first N --cases 1` does one again. Cases run in batches in
forked processes, so that a crash of a library is seen as what it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import struct
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 250

HOSTILE = [
    *("null", "true", "0", "-1", "1.5", "1e999", "NaN", "-Infinity", "1" + "0" * 30, "9" * 5000, "9223372036854775808"),
    *('""', '"x"', '"\\ud800"', '"\\u0000"', '"../../etc"', "[]", "{}", "[null]", '{"a": {"b": []}}', "[[1, 2], [3]]"),
    *(
        "[" * 40 + "]" * 40,
        "[" * 900 + "]" * 900,
        '{"a":' * 300 + "1" + "}" * 300,
        "[" * 100_000,
        '"' + "y" * 100_000 + '"',
    ),
]
HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 62), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 5000 + "), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (6, 62), }",
    "{'descr': [('a', '<f4', (1 << 40,))], 'fortran_order': False, 'shape': (6,), }",
    "{'descr': ('<f4', (1, 2), 3), 'fortran_order': True, 'shape': (6, 62)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 62",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (6L, 62L), }",
    "(" * 3000,
    "[" * 200 + "]" * 200,
    "'''",
    "{'descr': None.x, 'shape': __import__('os')}",
    "{b'descr': {1, 2}, 'fortran_order': ..., 'shape': 1e9}",
    "{'descr': 'M8[xx]', 'fortran_order': False, 'shape': (6, 62)}",
    "{'descr': '<U99999999999', 'fortran_order': False, 'shape': ()}",
    "\\\n\\",
    "\x00" * 40,
    "\u00e9\u00e9 = 1",
]


@dataclass(frozen=True)
class Kind:
    """A file to damage.

    Attributes
    ----------
    path
        Where it lies.
    read
        Reads it as the package does.
    form
        ``"json"``, ``"version"`` (JSON with a digest), ``"npy"``, ``"safetensors"`` (whose metadata have JSON) or
        ``"bytes"``.
    """

    path: Path
    read: Callable[[], object]
    form: str = "bytes"


def damage(draw: random.Random, content: bytes, form: str) -> bytes:
    """Return damaged content."""
    choice = draw.random()
    if form == "json" and choice < 0.6:
        return damaged_json(draw, content)
    if form == "version" and choice < 0.9:
        return resealed(damaged_json(draw, content))
    if form == "npy" and choice < 0.5:
        header = draw.choice(HEADERS).encode("latin1") + b"\n"
        return (
            content[:6]
            + bytes([draw.choice([1, 1, 2, 3, 9]), 0])
            + struct.pack("<H", len(header))
            + header
            + content[128:]
        )
    if form == "safetensors" and choice < 0.6:
        return damaged_metadata(draw, content)
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 8, 64])):
        place = draw.randrange(len(changed) + 1)
        # Headers are short, but decide most.
        place = min(place, draw.choice([place, 16, 128, 1024]))
        way = draw.randrange(7)
        if way == 0:
            del changed[place:]
        elif way == 1 and place < len(changed):
            changed[place] ^= 1 << draw.randrange(8)
        elif way == 2:
            changed[place:place] = draw.randbytes(draw.choice([1, 2, 4, 8, 100]))
        elif way == 3:
            del changed[place : place + draw.choice([1, 4, 100])]
        elif way == 4:
            changed[place : place + 8] = draw.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7])
        elif way == 5:
            end = place + draw.randrange(1, 200)
            changed[place:place] = changed[place:end]
        else:
            changed[place:place] = draw.choice([b"\xed\xa0\x80", b"[" * 5000, b"\xff\xfe", b"9" * 5000, b"\0"])
    return bytes(changed)


def damaged_json(draw: random.Random, content: bytes) -> bytes:
    """Put something else in place of a value, or lose, double or rename a key."""
    value = json.loads(content)
    mark = "\x01here\x01"
    at: Any = value
    while True:
        inner = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not inner:
            break
        key = draw.choice(inner)
        if isinstance(at[key], dict | list) and at[key] and draw.random() < 0.7:
            at = at[key]
            continue
        way = draw.randrange(8)
        if way == 0 and isinstance(at, dict):
            del at[key]
        elif way == 1 and isinstance(at, dict):
            at[draw.choice(["x", key + " ", ""])] = at.pop(key)
        elif way == 2 and isinstance(at, list):
            at.extend(at[:])
        else:
            at[key] = mark
        break
    text = json.dumps(value).replace(json.dumps(mark), draw.choice(HOSTILE))
    if draw.random() < 0.1:
        text = text.replace("{", '{"format": 1, "rows": [], ', 1)
    return text.encode("utf-8", "surrogatepass")


def resealed(content: bytes) -> bytes:
    """Give a version the digest of what it says now, as somebody would who changed it on purpose."""
    from rsir_fast.encoders.fields import canonical_digest

    try:
        value = json.loads(content)
        value["digest"] = canonical_digest({key: inner for key, inner in value.items() if key != "digest"})
        return json.dumps(value).encode()
    except (ValueError, TypeError, RecursionError):
        return content


def damaged_metadata(draw: random.Random, content: bytes) -> bytes:
    """Damage the JSON in a safetensors file's metadata, or its own header."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if draw.random() < 0.8:
        inner = damaged_json(draw, header["__metadata__"]["rsir_fast"].encode())
        header["__metadata__"]["rsir_fast"] = inner.decode("utf-8", "replace")
        new = json.dumps(header).encode()
    else:
        new = damaged_json(draw, content[8 : 8 + length])
    return len(new).to_bytes(8, "little") + new + content[8 + length :]


def kinds(root: Path) -> dict[str, Kind]:
    """Write one of each file; return how each is read."""
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from legacy_folder import write_legacy
    from rsir_fast.archive import Features
    from rsir_fast.backbones import load_backbone
    from rsir_fast.datasets import Split, generate_scenes, stratified_split
    from rsir_fast.descriptors import LocalBinaryPatterns, load_descriptor
    from rsir_fast.descriptors.learnt import read_learnt
    from rsir_fast.encoders.hash_network import DHCNN, HashHead
    from rsir_fast.errors import RsirError
    from rsir_fast.extraction import encode
    from rsir_fast.extraction.again import encoder_of
    from rsir_fast.hashing import HashModel, made_by_model
    from rsir_fast.protocols.runs import _read
    from rsir_fast.training import read_checkpoint
    from rsir_fast.training.epochs import save

    torch.set_num_threads(1)
    scenes = generate_scenes(root / "scenes", classes=2, per_class=3, size=48)
    split = stratified_split(scenes, train=0.5)
    split.save(root / "split.json")
    made = root / "features"
    encode(scenes, LocalBinaryPatterns(), out=made, workers=0, shard_size=3)
    words = root / "words"
    encode(scenes, load_descriptor("bovw-2"), out=words, workers=0)
    trunk = load_backbone("cnn-f", "fc6", "random:0", width=0.02)
    network = DHCNN(trunk, HashHead(trunk.dim, 8, 2))
    told = {"split": {"seed": 0, "train": list(split.train), "test": list(split.test)}, "recipe": {"epochs": 1}}
    HashModel(network, scenes.classes, told).save(root / "model.safetensors")
    coded = root / "codes"
    encode(scenes, HashModel.load(root / "model.safetensors").as_backbone(), out=coded, workers=0, device="cpu")
    with (root / "checkpoint.pt").open("wb") as file:
        save({"settings": "{}", "log": ["{}"], "epoch": 1, "network": network.state_dict()}, file)
    (root / "result.json").write_text(json.dumps({"settings": {"seed": 1}, "result": {"map": 0.5, "runs": [1, 2]}}))

    former = write_legacy(root / "former", encode(scenes, LocalBinaryPatterns(), workers=0), Features.load(made).matrix)
    stopped = root / "stopped"
    with contextlib.suppress(RsirError):
        encode(scenes, LocalBinaryPatterns(), out=stopped, workers=0, shard_size=3, progress=lambda at: at.done < 4)

    def again(folder: Path) -> object:
        """Take up a copy of a folder, as the next run does."""
        copy = root / "again"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        return encode(scenes, LocalBinaryPatterns(), out=copy, workers=0, shard_size=3, resume=True)

    def in_search_of_codes() -> object:
        features = Features.load(coded)
        return made_by_model(features)

    def scenes_again() -> object:
        return generate_scenes(root / "scenes", classes=2, per_class=3, size=48)

    vocabulary = words / "encoder/descriptor.safetensors"
    version, segment = made / "versions/00000001.json", next((made / "segments").iterdir())
    part = next((stopped / "work").glob("*/000000"))
    return {
        "version": Kind(version, lambda: encoder_of(Features.load(made)), "version"),
        "version of codes": Kind(coded / version.relative_to(made), in_search_of_codes, "version"),
        "torn version": Kind(version, lambda: again(made), "json"),
        "segment": Kind(segment / "segment.json", lambda: again(made), "json"),
        "field": Kind(segment / "lbp.npy", lambda: Features.load(made, verify=False), "npy"),
        "items": Kind(segment / "items.arrow", lambda: Features.load(made, verify=False)),
        "sources": Kind(segment / "sources.arrow", lambda: Features.load(made, verify=False)),
        "damaged field": Kind(segment / "lbp.npy", lambda: again(made), "npy"),
        "owner of work": Kind(part.parent / "owner.json", lambda: again(stopped), "json"),
        "part of work": Kind(part / "part.json", lambda: again(stopped), "json"),
        "former manifest": Kind(former / "manifest.json", lambda: encoder_of(Features.load(former)), "json"),
        "former shard": Kind(former / "shards/000000000.npy", lambda: Features.load(former, verify=False), "npy"),
        "former items": Kind(former / "items.parquet", lambda: Features.load(former)),
        "split": Kind(root / "split.json", lambda: Split.load(root / "split.json", scenes), "json"),
        "model": Kind(root / "model.safetensors", lambda: HashModel.load(root / "model.safetensors"), "safetensors"),
        "vocabulary": Kind(vocabulary, lambda: read_learnt(vocabulary), "safetensors"),
        "checkpoint": Kind(root / "checkpoint.pt", lambda: read_checkpoint(root, {})),
        "result": Kind(root / "result.json", lambda: _read(root / "result.json"), "json"),
        "scenes": Kind(root / "scenes/scenes.json", scenes_again, "json"),
    }


def run_batch(name: str, kind: Kind, numbers: range) -> Counter[str]:
    """Do some cases in a child; count how they ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            told: Counter[str] = Counter()
            pristine = kind.path.read_bytes()
            for number in numbers:
                with os.fdopen(os.dup(writer), "w") as file:
                    told[one(name, kind, pristine, number)] += 1
                    if number == numbers[-1]:
                        file.write(json.dumps(told))
            kind.path.write_bytes(pristine)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not said:
        print(f"FAILED {name} {numbers}: the process ended with {code}", flush=True)
        return Counter({"foreign": 1})
    return Counter(json.loads(said))


def one(name: str, kind: Kind, pristine: bytes, number: int) -> str:
    """Do one case."""
    from rsir_fast.errors import RsirError

    draw = random.Random(f"{name}/{number}")
    kind.path.write_bytes(damage(draw, pristine, kind.form))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read()
    except RsirError as error:
        if "\n" in str(error) or len(str(error)) > 1500:
            print(f"FAILED {name} {number}: no one line: {str(error)[:300]!r}", flush=True)
            return "foreign"
        return "refused"
    except BaseException:
        print(f"FAILED {name} {number}: {traceback.format_exc()[-1500:]}", flush=True)
        return "foreign"
    return "read"


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200, help="of each kind of file")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", action="append", help="kind of file; repeat")
    parser.add_argument("--state", type=Path, help="file of what is done; a later call goes on from it")
    given = parser.parse_args(arguments)
    state = given.state
    done: dict[str, dict[str, int]] = json.loads(state.read_text()) if state is not None and state.exists() else {}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="rsir-hostile-") as work:
        found = kinds(Path(work))
        if unknown := set(given.only or ()) - set(found):
            parser.error(f"--only: expected of {', '.join(found)}, got {', '.join(sorted(unknown))}")
        for name in given.only or found:
            counts = Counter(done.get(name, {}))
            for first in range(given.first + counts.total(), given.first + given.cases, BATCH):
                counts += run_batch(name, found[name], range(first, min(first + BATCH, given.first + given.cases)))
                if state is not None:
                    done[name] = dict(counts)
                    state.write_text(json.dumps(done))
            failed += counts["foreign"]
            told = f"{counts['refused']} refused, {counts['read']} read, {counts['foreign']} foreign"
            print(f"{name}: {counts.total()} damaged, {told}", flush=True)
    return min(1, failed)


if __name__ == "__main__":
    sys.exit(main())

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from op_support import same_bits
from rsir_fast.archive import Features
from rsir_fast.backbones import load_backbone
from rsir_fast.datasets import Dataset, open_dataset
from rsir_fast.descriptors import ColourHistogram
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.errors import DatasetError, FeaturesError, MachineError, NoImageReadError, RsirError
from rsir_fast.extraction import encode
from scene_files import write_broken, write_scenes


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("squeezenet1_1", weights="random:0")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"))


def test_features_are_those_of_a_plain_forward_pass(scenes, backbone):
    features = encode(scenes, backbone, batch_size=4)
    data = open_dataset(scenes)
    prepared = np.stack([backbone.preprocessing.prepare(image) for image in data])
    with torch.inference_mode():
        expected = backbone(backbone.preprocessing.normalize(torch.from_numpy(prepared))).numpy()
    np.testing.assert_allclose(features.matrix, expected, rtol=1e-4, atol=1e-6)
    assert features.items == data.items
    assert (features.labels == data.labels).all()
    assert features.provenance["weights"]["sha256"] == backbone.provenance["weights"]["sha256"]
    assert features.timing["images"] == 18
    assert features.timing["images_per_s"] > 0
    assert features.timing["forward_images_per_s"] > 0


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_and_shards_change_no_bit(scenes, backbone, tmp_path, workers):
    expected = encode(scenes, backbone, batch_size=4, workers=0)
    stored = encode(scenes, backbone, batch_size=4, workers=workers, shard_size=5, out=tmp_path / "f")
    assert same_bits(np.asarray(stored.matrix), expected.matrix)


def test_stored_features_load_as_they_were(scenes, backbone, tmp_path):
    stored = encode(scenes, backbone, out=tmp_path / "f")
    loaded = Features.load(tmp_path / "f")
    assert same_bits(np.asarray(loaded.matrix), np.asarray(stored.matrix))
    assert loaded.items == stored.items
    assert loaded.classes == stored.classes == ("class0", "class1", "class2")
    assert loaded.provenance == stored.provenance
    assert loaded.as_dataset().load_image(3).size == (40, 40)
    copy = loaded.save(tmp_path / "copy")
    assert same_bits(np.asarray(Features.load(copy).matrix), np.asarray(stored.matrix))


def test_unreadable_images_are_listed_and_the_rest_is_there(tmp_path, backbone):
    readable = write_broken(tmp_path / "images")
    for out in (None, tmp_path / "f"):
        features = encode(tmp_path / "images", backbone, batch_size=3, workers=1, shard_size=3, out=out)
        assert {entry.item for entry in features.skipped} == {name for name, good in readable.items() if not good}
        assert set(features.items) == {name for name, good in readable.items() if good}
        assert features.matrix.shape == (7, 512)
        assert all(entry.reason for entry in features.skipped)
        assert features.labels is None
    assert Features.load(tmp_path / "f").skipped == features.skipped


def test_only_unreadable_images(tmp_path, backbone):
    (tmp_path / "bad.jpg").write_text("x")
    for out in (None, tmp_path / "runs/features"):
        with pytest.raises(NoImageReadError, match=r"expected images that can be read, found none among 1; .*bad\.jpg"):
            encode(tmp_path, backbone, workers=0, out=out)
    assert not (tmp_path / "runs/features").exists()
    (tmp_path / "runs/features").mkdir()
    (tmp_path / "worse.jpg").write_text("x")
    with pytest.raises(NoImageReadError) as caught:
        encode(tmp_path, backbone, workers=0, out=tmp_path / "runs/features")
    assert [item for item, _ in caught.value.skipped] == ["bad.jpg", "worse.jpg"]


def test_a_class_of_which_nothing_can_be_read_is_noted(tmp_path, backbone):
    scenes = write_scenes(tmp_path / "scenes", classes=3, per_class=2)
    for image in scenes.glob("class1/*"):
        image.write_text("x")
    features = encode(scenes, backbone, workers=0)
    assert features.notes == ("no image could be read of class class1",)
    assert sorted(set(features.labels)) == [0, 2]


class Failing:
    """Images of which one fails as a disk would, so many times."""

    def __init__(self, error: BaseException, times: int) -> None:
        self.error, self.left = error, times
        self.asked: Counter[int] = Counter()

    def __call__(self, item: str) -> Image.Image:
        number = int(item.removeprefix("item-"))
        self.asked[number] += 1
        if number == 5 and self.left > 0:
            self.left -= 1
            raise self.error
        return Image.new("RGB", (40, 40), (number * 20, 0, 0))

    def dataset(self) -> Dataset:
        return Dataset("failing", None, tuple(f"item-{i}" for i in range(9)), loader=self)


MAKERS = {
    "network": lambda data, backbone, workers: encode(data, backbone, workers=workers, batch_size=4),
    "descriptor": lambda data, backbone, workers: encode(data, ColourHistogram(), workers=workers),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("error", "said", "passes"),
    [
        (OSError(errno.EIO, "Input/output error"), r"Input/output error \(EIO\)", True),
        (OSError(errno.ESTALE, "Stale file handle"), r"Stale file handle \(ESTALE\)", True),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), r"Connection timed out \(ETIMEDOUT\)", True),
        (OSError(errno.EMFILE, "Too many open files"), r"Too many open files \(EMFILE\)", True),
        (PermissionError(errno.EACCES, "Permission denied"), r"Permission denied \(EACCES\)", False),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), r"Cannot allocate memory \(ENOMEM\)", False),
        (MemoryError(), "not enough memory", False),
    ],
    ids=lambda value: str(getattr(value, "errno", "")),
)
def test_a_fault_of_the_machine_is_waited_for_then_stops(backbone, make, error, said, passes, workers, monkeypatch):
    monkeypatch.setattr("rsir_fast.base.faults.time.sleep", lambda _: None)
    with pytest.raises(MachineError, match=rf"^item-5: {said}; the machine failed, not the image"):
        MAKERS[make](Failing(error, 1000).dataset(), backbone, workers)
    once = Failing(error, 1)
    if not passes:
        with pytest.raises(MachineError):
            MAKERS[make](once.dataset(), backbone, workers)
        assert once.asked[5] == 1
        return
    expected = MAKERS[make](Failing(error, 0).dataset(), backbone, workers)
    found = MAKERS[make](once.dataset(), backbone, workers)
    assert once.asked[5] == 2
    assert same_bits(found.matrix, expected.matrix)
    assert found.skipped == ()


def test_faults_of_a_torch_data_set_are_told_from_those_of_its_images(backbone, monkeypatch):
    monkeypatch.setattr("rsir_fast.base.faults.time.sleep", lambda _: None)

    class Source:
        def __init__(self, error):
            self.error = error

        def __len__(self):
            return 3

        def __getitem__(self, i):
            if i == 1:
                raise self.error
            return np.zeros((8, 8, 3), np.uint8)

    with pytest.raises(MachineError, match="item-000001: Input/output error"):
        encode(Source(OSError(errno.EIO, "Input/output error")), backbone, workers=0)
    for of_the_image in (OSError("broken data stream"), FileNotFoundError(2, "gone"), KeyError("x")):
        assert len(encode(Source(of_the_image), backbone, workers=0).skipped) == 1


def test_an_earlier_damaged_part_is_made_again(scenes, backbone, tmp_path):
    expected = encode(scenes, backbone, batch_size=4).matrix
    with pytest.raises(RsirError, match="stopped"):
        encode(
            scenes,
            backbone,
            batch_size=4,
            shard_size=4,
            out=tmp_path / "f",
            progress=lambda at: at.done < 17,
            workers=0,
        )
    part, lost = (next((tmp_path / "f/work").glob(f"*/00000{number}")) for number in (1, 3))
    (part / "gap.npy").write_bytes((part / "gap.npy").read_bytes()[:-7] + b"garbage")
    (lost / "part.json").unlink()
    seen = []
    again = encode(scenes, backbone, batch_size=4, shard_size=4, out=tmp_path / "f", resume=True, progress=seen.append)
    assert same_bits(np.asarray(again.matrix), expected)
    assert seen[0].done == 8  # 18 images, of which 4, 4 and the last 2 were to be made


KILLED = """
import sys
from rsir_fast.backbones import load_backbone
from rsir_fast.extraction import encode
encode(sys.argv[1], load_backbone("squeezenet1_1", weights="random:0"), out=sys.argv[2], batch_size=4, shard_size=4)
"""


def test_killed_and_resumed_is_identical(tmp_path, backbone):
    scenes = write_scenes(tmp_path / "scenes", per_class=60)
    out = tmp_path / "f"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(scenes), str(out)])
    deadline = time.monotonic() + 120
    while len(list(out.glob("work/*/[0-9]*/part.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list(out.glob("work/*/[0-9]*/part.json")))
    assert 3 <= done < 45, "the kill must come in the middle"
    with pytest.raises(FeaturesError, match="the features are unfinished; the same command goes on"):
        Features.load(out)
    with pytest.raises(FeaturesError, match="holds unfinished features: resume=True goes on with them, force=True"):
        encode(scenes, backbone, out=out, batch_size=4, shard_size=4)
    resumed = encode(scenes, backbone, out=out, batch_size=4, shard_size=4, resume=True)
    straight = encode(scenes, backbone, batch_size=4, shard_size=4, out=tmp_path / "straight")
    assert same_bits(np.asarray(resumed.matrix), np.asarray(straight.matrix))
    assert resumed.items == straight.items


def test_resume_refuses_other_settings(scenes, backbone, tmp_path):
    encode(scenes, backbone, out=tmp_path / "f", batch_size=4)
    encode(scenes, backbone, out=tmp_path / "f", batch_size=8, resume=True)  # a run of the same encoder
    other = load_backbone("squeezenet1_1", weights="random:1")
    with pytest.raises(FeaturesError, match="weights: random:0, now random:1"):
        encode(scenes, other, out=tmp_path / "f", batch_size=4, resume=True)
    replaced = encode(scenes, other, out=tmp_path / "f", batch_size=4, force=True)
    assert replaced.provenance["weights"]["file"] == "random:1"


def test_a_foreign_folder_is_left_alone(scenes, backbone, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(FeaturesError, match=r"found 'thesis.tex' in it; choose another folder"):
        encode(scenes, backbone, out=tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(FeaturesError, match="expected a folder for the features, found a file"):
        encode(scenes, backbone, out=tmp_path / "thesis.tex")


def test_two_writers_at_once_end_with_the_same(scenes, backbone, tmp_path):
    """Nobody waits, and nothing is there twice."""
    found = []

    def second(progress):
        if progress.done == 8 and not found:
            found.append(encode(scenes, backbone, out=tmp_path / "f", batch_size=4, resume=True))

    first = encode(scenes, backbone, out=tmp_path / "f", batch_size=4, shard_size=4, progress=second)
    expected = encode(scenes, backbone, batch_size=4)
    for made in (first, *found, Features.load(tmp_path / "f")):
        assert made.items == expected.items
        assert same_bits(np.asarray(made.matrix), expected.matrix)
    assert not list((tmp_path / "f/work").iterdir())


def test_progress_can_stop_and_reports_rate(scenes, backbone, tmp_path):
    seen = []

    def stop(progress):
        seen.append(progress)
        return progress.done < 8

    with pytest.raises(RsirError, match="stopped after 8 of 18 images"):
        encode(scenes, backbone, batch_size=4, shard_size=4, out=tmp_path / "f", workers=1, progress=stop)
    assert [p.done for p in seen] == [0, 4, 8]
    assert seen[1].eta_s > 0
    assert seen[0].eta_s is None
    features = encode(scenes, backbone, batch_size=4, shard_size=4, out=tmp_path / "f", resume=True)
    assert len(features) == 18


def test_notes_of_the_data_set_travel(scenes, backbone, tmp_path):
    data = open_dataset(scenes)
    noted = Dataset(data.name, data.root, data.items, data.labels, data.classes, ("took the first 6 of each class",))
    encode(noted, backbone, out=tmp_path / "f")
    assert Features.load(tmp_path / "f").notes == noted.notes


def test_bfloat16_is_close_and_named(scenes, backbone):
    exact = encode(scenes, backbone, workers=0)
    fast = encode(scenes, Encoder(backbone, "bfloat16"), workers=0)
    assert fast.matrix.dtype == np.float32
    assert fast.provenance["extraction"]["precision"] == "bfloat16"
    assert not same_bits(fast.matrix, exact.matrix)
    np.testing.assert_allclose(fast.matrix, exact.matrix, rtol=0.1, atol=0.1 * np.abs(exact.matrix).max())


def test_torch_datasets(scenes, backbone):
    from torchvision.datasets import ImageFolder

    expected = encode(scenes, backbone, workers=0)
    assert same_bits(encode(ImageFolder(str(scenes)), backbone, workers=1).matrix, expected.matrix)
    pairs = [(image, 0) for image in open_dataset(scenes)]
    assert same_bits(encode(pairs, backbone, workers=1).matrix, expected.matrix)


def test_bad_settings(scenes, backbone, tmp_path):
    for setting, message in {
        "batch_size": "batch_size: expected at least 1, got 0",
        "shard_size": "shard_size: expected at least 1, got 0",
    }.items():
        with pytest.raises(ValueError, match=message):
            encode(scenes, backbone, **{setting: 0})
    with pytest.raises(TypeError, match="batch_size: expected a whole number, got float 2.5"):
        encode(scenes, backbone, batch_size=2.5)
    with pytest.raises(ValueError, match="encoder: expected precision=float32 or bfloat16, got 'int8'"):
        encode(scenes, "squeezenet1_1,precision=int8")
    for device in ("foo", "meta", "cuda:99"):
        with pytest.raises(ValueError, match=f"device: expected one that torch can use here.*got '{device}'"):
            encode(scenes, backbone, device=device)
    with pytest.raises(DatasetError):
        encode(scenes / "nowhere", backbone)
    assert encode(scenes, backbone, batch_size=np.int64(9), out=tmp_path / "f").matrix.shape == (18, 512)


def test_modes_of_the_host_program_change_nothing(scenes):
    network = load_backbone("mobilenet_v2", weights="random:0")
    expected = encode(scenes, network, workers=0).matrix
    network.train()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert same_bits(encode(scenes, network, workers=0).matrix, expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)

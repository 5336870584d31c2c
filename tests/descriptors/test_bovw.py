from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from op_support import same_bits
from rsir_fast.datasets import open_dataset
from rsir_fast.descriptors import BagOfVisualWords, load_descriptor
from rsir_fast.descriptors.opencv import portable_opencv
from rsir_fast.errors import DatasetError, ImageError
from rsir_fast.extraction import encode
from scene_files import write_scenes

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return open_dataset(write_scenes(tmp_path_factory.mktemp("scenes"), per_class=4, size=64))


@pytest.fixture(scope="module")
def fitted(scenes):
    descriptor = BagOfVisualWords(words=20)
    descriptor.fit(scenes)
    return descriptor


def test_the_histogram_counts_nearest_words(scenes, fitted):
    vocabulary = fitted.learnt.arrays["vocabulary"]
    assert vocabulary.shape == (20, 128)
    image = scenes.load_image(5)
    with portable_opencv():
        local = cv2.SIFT_create(0, 3, 0.04, 10, 1.6, True).detectAndCompute(np.asarray(image.convert("L")), None)[1]
    distances = ((local[:, None].astype(np.float64) - vocabulary[None]) ** 2).sum(axis=2)
    counts = np.bincount(distances.argmin(axis=1), minlength=20)
    assert len(local) > 20
    np.testing.assert_allclose(fitted.describe(image), counts / np.linalg.norm(counts), rtol=1e-6)


@pytest.mark.parametrize(("norm", "order", "power"), [("l1", 1, 1), ("l2", 2, 1), ("root", 1, 2)])
def test_histogram_sums(scenes, norm, order, power):
    descriptor = BagOfVisualWords(words=20, norm=norm)
    matrix = encode(scenes, descriptor).matrix
    assert matrix.dtype == np.float32
    assert (matrix >= 0).all()
    np.testing.assert_allclose((matrix.astype(np.float64) ** (order * power)).sum(axis=1), 1.0, rtol=1e-6)


def test_without_keypoints_the_whole_image_is_one(fitted):
    """The zero histogram would be as far from all images, and nearer than most: two such came first everywhere."""
    vocabulary = fitted.learnt.arrays["vocabulary"]
    gradient = Image.fromarray(np.tile(np.arange(60, dtype=np.uint8) // 3, (40, 1)))
    with portable_opencv():
        whole = cv2.SIFT_create(0, 3, 0.04, 10, 1.6, True).compute(
            np.asarray(gradient), [cv2.KeyPoint(29.5, 19.5, 40 / 6, 0.0)]
        )[1][0]
    assert whole.sum() > 0
    nothing = np.zeros(128)
    blank = [Image.new("RGB", (64, 64), (90, 90, 90)), Image.new("RGB", (1, 1)), Image.new("L", (1, 300), 255)]
    for image, local in [(gradient, whole), *((image, nothing) for image in blank)]:
        word = ((vocabulary - local) ** 2).sum(axis=1).argmin()
        assert same_bits(fitted.describe(image), np.eye(20, dtype=np.float32)[word])
    dense = BagOfVisualWords(words=2, keypoints="dense")
    dense.learnt = type(fitted.learnt)({"vocabulary": np.eye(2, 128, dtype=np.float32)}, {})
    for size in (15, 16):
        assert dense.describe(Image.new("L", (size, size))).sum() == 1


def test_the_words_are_those_of_every_processor(scenes):
    """Whatever OpenCV is set to choose, in whatever threads: where there is AVX2, each choice has other bits."""
    descriptor, images = BagOfVisualWords(), [scenes.load_image(number) for number in range(len(scenes))]

    def of_all() -> bytes:
        with ThreadPoolExecutor(2) as pool:
            return b"".join(rows.tobytes() for rows in pool.map(descriptor._sift, images))

    before = cv2.useOptimized(), cv2.getNumThreads(), cv2.ipp.useIPP()
    try:
        found = set()
        for optimised, threads in ((True, 2), (False, 1), (True, 1)):
            cv2.setUseOptimized(optimised)
            cv2.setNumThreads(threads)
            found.add(of_all())
            with portable_opencv(), portable_opencv():
                assert (cv2.useOptimized(), cv2.ipp.useIPP(), cv2.getNumThreads()) == (False, False, 1)
            with pytest.raises(ZeroDivisionError), portable_opencv():
                raise ZeroDivisionError
            assert (cv2.useOptimized(), cv2.ipp.useIPP(), cv2.getNumThreads()) == (optimised, optimised, threads)
        assert len(found) == 1
    finally:
        cv2.setUseOptimized(before[0])
        cv2.setNumThreads(before[1])
        cv2.ipp.setUseIPP(before[2])


def test_a_turned_scene_has_much_the_same_words(scenes, fitted):
    """SIFT turns with the scene; the grid of an image does not quite."""
    image = scenes.load_image(0)
    upright = fitted.describe(image)
    turned = fitted.describe(image.transpose(Image.Transpose.ROTATE_90))
    others = [fitted.describe(scenes.load_image(number)) for number in (5, 10)]
    assert upright @ turned > 0.9
    assert upright @ turned > max(upright @ other for other in others)


def test_a_vocabulary_needs_enough(scenes):
    with pytest.raises(DatasetError, match=r"distinct local descriptors.*take fewer words or more images"):
        BagOfVisualWords(words=15_000).fit(scenes)
    blank = open_dataset([(np.zeros((40, 40, 3), np.uint8), 0)])
    with pytest.raises(DatasetError, match="found 0"):
        BagOfVisualWords(words=1).fit(blank)


def test_a_small_sample_is_another_vocabulary_of_the_same_size(scenes, fitted):
    small = BagOfVisualWords(words=20, sample=100)
    small.fit(scenes)
    assert small.learnt.facts["sampled"] == 100
    assert small.learnt.facts["local_descriptors"] == fitted.learnt.facts["local_descriptors"] > 1000
    assert small.digest() != fitted.digest()
    again = BagOfVisualWords(words=20, sample=100)
    again.fit(scenes, workers=3)
    assert again.digest() == small.digest()


def test_describing_before_learning_is_refused():
    with pytest.raises(ValueError, match="bovw-150: expected a vocabulary, got none yet; call fit"):
        BagOfVisualWords().describe(Image.new("L", (9, 9)))


def test_what_opencv_refuses_is_an_unreadable_image(scenes, fitted, monkeypatch):
    create, made = cv2.SIFT_create, []

    def fails_at_first(**options):
        made.append(options)
        if len(made) < 3:
            raise cv2.error("bad image")
        return create(**options)

    monkeypatch.setattr(cv2, "SIFT_create", fails_at_first)
    with pytest.raises(ImageError, match=r"SIFT failed \(bad image\)"):
        fitted.describe(scenes.load_image(0))
    skipped = encode(scenes, fitted, workers=0).skipped
    assert [one.item for one in skipped] == [scenes.items[0]]


def test_variants_have_names_of_their_own():
    for name in ("bovw-150", "bovw-15000", "bovw-64-dense", "bovw-64-root", "bovw-64-dense-root", "bovw-9,norm=root"):
        descriptor = load_descriptor(name)
        assert (descriptor.word, descriptor.name) == (name, name.partition(",")[0])
        assert json.loads(json.dumps(descriptor.provenance)) == descriptor.provenance
    assert load_descriptor("bovw-150").title == "BoVW-150 (ours)"
    assert load_descriptor("bovw-9,norm=l1,detector=dense") == BagOfVisualWords(9, "dense", norm="l1")
    assert load_descriptor("bovw-9,norm=root").title == "BoVW-9 (ours, square roots)"
    assert load_descriptor("bovw-9-dense-root").title == "BoVW-9 (ours, dense SIFT, RootSIFT)"


def test_root_sift(scenes):
    descriptor = BagOfVisualWords(words=10, root=True)
    descriptor.fit(scenes)
    lengths = np.linalg.norm(descriptor._rooted(descriptor._sift(scenes.load_image(0))), axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-5)
    assert np.linalg.norm(descriptor.learnt.arrays["vocabulary"], axis=1).max() <= 1.0 + 1e-5


def test_bad_settings():
    for setting, message in {
        "words": "words: expected at least 1, got 0",
        "norm": "norm: expected one of l1, l2, root, got 0",
        "keypoints": "keypoints: expected 'dog' or 'dense', got 0",
        "sample": "sample: expected at least one descriptor a word, 150, got 0",
    }.items():
        with pytest.raises(ValueError, match=message):
            BagOfVisualWords(**{setting: 0})

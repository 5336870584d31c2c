"""Colour histogram, oriented gradients, local binary patterns."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from op_support import same_bits
from rsir_fast.descriptors import ColourHistogram, LocalBinaryPatterns, OrientedGradients


def noise(height=30, width=41, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def turned(image):
    yield image
    for number in range(1, 4):
        yield image.rotate(90 * number, expand=True)
    yield image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@pytest.mark.parametrize("descriptor", [ColourHistogram(), ColourHistogram(5), LocalBinaryPatterns()])
def test_turns_and_reflections_change_no_bit(descriptor):
    vectors = [descriptor.describe(image) for image in turned(noise())]
    assert vectors[0].shape == (descriptor.dim,)
    for vector in vectors[1:]:
        assert same_bits(vector, vectors[0])
    assert not same_bits(descriptor.describe(noise(seed=1)), vectors[0])


def test_colours():
    image = Image.new("RGB", (4, 2), (255, 0, 0))
    image.paste((0, 0, 127), (0, 0, 2, 2))
    expected = np.zeros(512)
    expected[7 * 64] = expected[3] = 0.5
    assert ColourHistogram().describe(image).tolist() == expected.tolist()
    pixels = np.asarray(noise()).reshape(-1, 3)
    expected, _ = np.histogramdd(pixels, bins=[np.arange(0, 257, 32)] * 3)
    np.testing.assert_allclose(ColourHistogram().describe(noise()), expected.ravel() / len(pixels), rtol=1e-6)


def test_binary_patterns_sum_to_one_for_each_scale():
    vector = LocalBinaryPatterns().describe(noise())
    assert [round(float(part.sum()), 5) for part in np.split(vector, [10, 28])] == [1.0, 1.0, 1.0]


def test_binary_patterns_of_known_images():
    """One bright pixel, and one dark one."""
    pixels = np.zeros((9, 9), np.uint8)
    pixels[4, 4] = 200
    counts = LocalBinaryPatterns(((8, 1),)).describe(Image.fromarray(pixels)) * 81
    assert round(float(counts[0])) == 1  # the bright one
    assert round(float(counts[8])) == 80  # all others: no neighbour is darker
    inverse = LocalBinaryPatterns(((8, 1),)).describe(Image.fromarray(255 - pixels)) * 81
    assert round(float(inverse[8])) == 1 + 72  # the dark one, and those it does not touch
    # A point between pixels sees a share of the dark one: one point each side is cut off beside the diagonal.
    assert round(float(inverse[:8].sum() + inverse[9])) == 8


def test_binary_patterns_do_not_see_brightness():
    pixels = np.asarray(noise().convert("L")) // 2
    descriptor = LocalBinaryPatterns(((8, 1),))
    brighter = descriptor.describe(Image.fromarray(pixels + 90))
    assert same_bits(brighter, descriptor.describe(Image.fromarray(pixels)))


@pytest.mark.parametrize("degrees", [0, 40, 80, 140])
def test_gradients_find_the_direction(degrees):
    y, x = np.mgrid[:64, :64]
    angle = np.deg2rad(degrees + 10)  # the middle of a bin of 20 degrees
    wave = 127 + 100 * np.sin((x * np.cos(angle) + y * np.sin(angle)) / 2)
    vector = OrientedGradients().describe(Image.fromarray(wave.astype(np.uint8)))
    by_bin = vector.reshape(-1, 9).sum(axis=0)
    assert by_bin.argmax() == (degrees + 10) // 20 % 9
    lengths = np.linalg.norm(vector.reshape(-1, 36), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-4)


def test_gradients_say_where():
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:8, :8] = np.random.default_rng(0).integers(0, 256, (8, 8))
    blocks = OrientedGradients().describe(Image.fromarray(pixels)).reshape(7, 7, 36)
    assert blocks[0, 0].max() > 0.1
    assert blocks[2:].max() == blocks[:, 2:].max() == 0


@pytest.mark.parametrize("descriptor", [ColourHistogram(), OrientedGradients(), LocalBinaryPatterns()])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (20, 20)])
def test_flat_and_small_images(descriptor, size):
    vector = descriptor.describe(Image.new("RGB", size, (10, 200, 30)))
    assert vector.shape == (descriptor.dim,)
    assert vector.dtype == np.float32
    if isinstance(descriptor, OrientedGradients):
        assert not vector.any()
    else:
        assert sorted(vector)[-1] == 1.0


def test_bad_settings():
    with pytest.raises(ValueError, match="bins: expected 1 to 256, got 0"):
        ColourHistogram(0)
    with pytest.raises(ValueError, match="expected at least 2 cells and 1 orientation, got cells=1"):
        OrientedGradients(1)
    with pytest.raises(ValueError, match=r"points a multiple of 4 and a radius of at least 1, got \(6, 1\)"):
        LocalBinaryPatterns(((6, 1),))

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rsir_fast.descriptors import MorphologicalTexture
from rsir_fast.descriptors.covariance import _ring, _turns, circular_covariance_histogram, point_triplets
from rsir_fast.descriptors.quasi_flat_zones import scale_space, spectra

pytest.importorskip("higra")


def noise(height=24, width=31, seed=0, levels=256):
    return np.random.default_rng(seed).integers(0, levels, (height, width), dtype=np.uint8)


def at(pixels, y, x):
    """Continued by reflection, whatever the distance."""
    height, width = pixels.shape
    y, x = y % (2 * height), x % (2 * width)
    return int(pixels[min(y, 2 * height - 1 - y), min(x, 2 * width - 1 - x)])


@pytest.mark.parametrize("shape", [(9, 7), (1, 5), (3, 3)])
def test_circular_covariance_by_its_definition(shape):
    pixels = noise(*shape)
    radii = 4
    counts = np.zeros(radii)
    for y in range(shape[0]):
        for x in range(shape[1]):
            rings = [[at(pixels, y + dy, x + dx) for dy, dx in _ring(r)] for r in range(1, radii + 1)]
            growth = np.diff([0] + [max(ring) - min(ring) for ring in rings])
            if growth.max() > 0:
                counts[growth.argmax()] += 1
    np.testing.assert_array_equal(circular_covariance_histogram(pixels, radii) * pixels.size, counts)


@pytest.mark.parametrize("shape", [(9, 7), (1, 5)])
def test_point_triplets_by_their_definition(shape):
    pixels = noise(*shape)
    for radius in (1, 3):
        turns = _turns(radius, 8)
        total = 0
        for y in range(shape[0]):
            for x in range(shape[1]):
                pairs = [(turns[t], turns[(t + 2) % 8]) for t in range(8)]
                values = [[at(pixels, y + dy, x + dx) for dy, dx in ((0, 0), *pair)] for pair in pairs]
                total += max(min(value) for value in values)
        assert point_triplets(pixels, radius, 8)[radius - 1] == total / pixels.sum()


def test_rings_and_turns():
    assert set(_ring(1)) == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)} - {(0, 0)}
    pixels = [offset for radius in range(1, 6) for offset in _ring(radius)]
    assert len(pixels) == len(set(pixels))  # rings do not overlap, and leave no hole
    assert {(y, x) for y in range(-4, 5) for x in range(-4, 5) if y * y + x * x <= 25} - {(0, 0)} <= set(pixels)
    assert len(set(_turns(5, 16))) == 16
    assert {(x, -y) for y, x in _turns(7, 16)} == set(_turns(7, 16))


@pytest.mark.parametrize("alpha", [0, 3, 40])
def test_quasi_flat_zones_are_those_of_connected_components(alpha):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pixels = noise(levels=64)
    number = np.arange(pixels.size).reshape(pixels.shape)
    grey = pixels.astype(int)
    across, down = abs(np.diff(grey, axis=1)) <= alpha, abs(np.diff(grey, axis=0)) <= alpha
    a = np.concatenate([number[:, :-1][across], number[:-1][down]])
    b = np.concatenate([number[:, 1:][across], number[1:][down]])
    count, zones = connected_components(coo_array((np.ones(len(a)), (a, b)), (pixels.size,) * 2), directed=False)
    means = np.bincount(zones, weights=pixels.ravel()) / np.bincount(zones)
    (image,) = scale_space(pixels, [alpha])
    np.testing.assert_allclose(image, means[zones].reshape(pixels.shape), rtol=1e-12)
    assert 1 < count < pixels.size


def test_spectra_keep_the_variance():
    pixels = noise(32, 20)
    by_scale, by_frequency = spectra(pixels, (0, 255), 11)
    np.testing.assert_allclose(np.expm1(by_scale[0] * np.log1p(127.5**2)), pixels.var(), rtol=1e-9)
    assert by_scale[1] == 0  # one zone
    assert (np.diff(by_frequency[4:]) > 0).all()  # white noise has more energy in larger rings
    wave = (127 + 100 * np.sin(2 * np.pi * np.arange(64) / 4)).astype(np.uint8)
    _, by_frequency = spectra(np.tile(wave, (64, 1)), (0,), 11)
    edges = np.geomspace(1 / 256, np.sqrt(0.5), 12)
    assert by_frequency.argmax() == np.searchsorted(edges, 0.25) - 1
    assert (by_frequency > 0.01).sum() == 1


def pictures():
    rng = np.random.default_rng(5)
    smooth = np.asarray(Image.fromarray(noise(12, 9)).resize((90, 120), Image.Resampling.BICUBIC))
    return [noise(), smooth, rng.integers(0, 2, (40, 40), dtype=np.uint8) * 255]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_turns_and_reflections_change_nothing(number):
    pixels = pictures()[number]
    descriptor = MorphologicalTexture()
    upright = descriptor.describe(Image.fromarray(pixels))
    for turns in range(4):
        for turned in (np.rot90(pixels, turns), np.rot90(pixels, turns)[:, ::-1]):
            found = descriptor.describe(Image.fromarray(np.ascontiguousarray(turned)))
            np.testing.assert_array_equal(found[:40], upright[:40])
            np.testing.assert_allclose(found[40:], upright[40:], rtol=1e-5, atol=1e-7)


def test_values_are_of_one_range_and_tell_textures_apart():
    descriptor = MorphologicalTexture()
    vectors = [descriptor.describe(Image.fromarray(pixels)) for pixels in pictures()]
    for vector in vectors:
        assert vector.shape == (62,)
        assert vector.min() >= 0
        assert vector.max() <= 1
        np.testing.assert_allclose(vector[:20].sum(), 1.0, atol=0.02)
    assert min(np.abs(vectors[0] - vectors[1]).max(), np.abs(vectors[0] - vectors[2]).max()) > 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (50, 50)])
def test_flat_and_small_images(size):
    for level in (0, 77):
        vector = MorphologicalTexture().describe(Image.new("L", size, level))
        assert vector.tolist() == [0.0] * 20 + [1.0] * 20 + [0.0] * 22


def test_what_could_not_be_verified_is_said():
    stated = MorphologicalTexture().provenance["descriptor"]
    assert "split of the 62 values over the four parts" in stated["not_verified"]
    assert stated["choices"]["scale space"].endswith("0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32")
    assert MorphologicalTexture().title == "morphological-62 (ours)"


def test_bad_settings():
    with pytest.raises(ValueError, match="orientations: expected a multiple of 4, got 6"):
        MorphologicalTexture(orientations=6)
    with pytest.raises(ValueError, match="expected at least 1 radius and 1 ring, got radii=0"):
        MorphologicalTexture(radii=0)

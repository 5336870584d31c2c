"""What can be asked: examples, places, windows of rasters, pages, distances."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.retrieval import Column, Query

RNG = np.random.default_rng(5)
X = RNG.integers(-3, 4, (80, 6)).astype(np.float32)
DATA = Features(X, tuple(f"{number}.png" for number in range(80)), np.arange(80) % 3, ("a", "b", "c"), "demo")
SOME = Column(column="class", op="!=", value="b")


def distances(queries, normalize):
    """Return canonical squared distances [q, n]."""
    squared, ids = rf.euclidean_topk(queries, X, len(X), normalize)
    found = np.empty_like(squared)
    np.put_along_axis(found, ids, squared, axis=1)
    return found


@pytest.mark.parametrize("normalize", ["row", "none"])
@pytest.mark.parametrize("unliked", [(), (7, 9)])
@pytest.mark.parametrize("where", [None, SOME])
def test_the_mean_of_examples(normalize, unliked, where):
    hits = rf.search(DATA, Query(liked=(3, 1, 4), unliked=unliked, k=9, normalize=normalize, where=where))
    x = rf.gaussian_normalize(X) if normalize == "row" else X
    vector = x[[3, 1, 4]].astype(np.float64).mean(0)
    if unliked:
        vector = 2 * vector - x[list(unliked)].astype(np.float64).mean(0)
    again = rf.search(DATA, Query(vectors=vector.astype(np.float32), k=9, normalize=normalize, where=where))
    assert hits.ids.tolist() == again.ids.tolist()
    np.testing.assert_allclose(hits.squared, again.squared, rtol=1e-5)
    assert hits.queries == ("like 3.png, 1.png, 4.png" + ("; unlike 7.png, 9.png" if unliked else ""),)
    turned = rf.search(DATA, Query(liked=(4, 3, 1), unliked=unliked[::-1], k=9, normalize=normalize, where=where))
    assert turned.squared.tobytes() == hits.squared.tobytes()
    assert (hits.how["strategy"], "m(liked)" in hits.how["formula"]) == ("mean", True)


@pytest.mark.parametrize("normalize", ["row", "none"])
@pytest.mark.parametrize("unliked", [(), (7,), (7, 9, 30)])
@pytest.mark.parametrize("where", [None, SOME])
@pytest.mark.parametrize("k", [1, 5, 80])
def test_the_best_of_examples(normalize, unliked, where, k):
    hits = rf.search(DATA, Query(liked=(3, 1), unliked=unliked, strategy="best", k=k, normalize=normalize, where=where))
    near = distances(X[[3, 1]], normalize).min(0)
    far = distances(X[list(unliked)], normalize).min(0) if unliked else np.full(80, np.inf)
    allowed = [row for row in range(80) if where is None or row % 3 != 1]
    good = sorted((row for row in allowed if near[row] < far[row]), key=lambda row: (near[row], row))
    bad = sorted((row for row in allowed if not near[row] < far[row]), key=lambda row: (-far[row], row))
    wanted = (good + bad)[:k]
    assert [row for row in hits.ids[0].tolist() if row >= 0] == wanted
    assert hits.squared[0, : len(wanted)].tobytes() == near[wanted].astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"unliked": (1,)}, "query: expected .* liked, got none of them"),
        ({"ids": (1,), "unliked": (1,)}, "unliked: expected liked ones to go with them"),
        ({"liked": (1,), "ids": (1,)}, "got ids and liked"),
        ({"ids": (1 << 63,)}, "query: ids.0: Input should be less than 9223372036854775808"),
        ({"liked": (1 << 70,)}, "query: liked.0"),
        ({"liked": (99,)}, "ids: expected ids of the 80 rows of demo, got 99"),
        ({"liked": (1,), "strategy": "best", "steps": "l2"}, "steps: expected none for strategy='best'"),
        ({"at": (190, 3)}, "query: at.0: Input should be less than or equal to 180"),
        ({"at": (1, 3)}, "at: expected items with places, but none of these has one"),
        ({"ids": 1, "min_distance": 3, "max_distance": 2}, "min_distance: expected at most max_distance .2., got 3"),
        ({"ids": 1, "offset": -1}, "query: offset: Input should be greater"),
        ({"texts": "a harbor"}, "expected features that say which encoder made them"),
    ],
)
def test_what_cannot_be_asked(more, said):
    with pytest.raises(ValueError, match=said):
        rf.search(DATA, Query(**more))


@pytest.mark.parametrize("where", [None, SOME])
def test_pages_are_the_whole_answer(where):
    whole = rf.search(DATA, Query(ids=(0, 50), k=80, where=where))
    for k in (1, 7, 30):
        pages = [rf.search(DATA, Query(ids=(0, 50), k=k, offset=offset, where=where)) for offset in range(0, 90, k)]
        assert np.hstack([page.ids for page in pages])[:, :80].tolist() == whole.ids.tolist()
        assert np.hstack([page.squared for page in pages])[:, :80].tobytes() == whole.squared.tobytes()


@pytest.mark.parametrize("ends", [(0.0, 0.9), (0.5, None), (0.5, 0.5), (2.0, 9.0), (None, 0.7), (99, None)])
@pytest.mark.parametrize("offset", [0, 3])
def test_distances_between_two_ends(ends, offset):
    least, most = ends
    whole = rf.search(DATA, Query(ids=(0, 50), k=80))
    hits = rf.search(DATA, Query(ids=(0, 50), k=6, offset=offset, min_distance=least, max_distance=most))
    for row in range(2):
        kept = [
            number
            for number, far in zip(whole.ids[row].tolist(), whole.distances[row].tolist(), strict=True)
            if (least is None or far >= least) and (most is None or far <= most)
        ]
        wanted = kept[offset : offset + 6]
        assert hits.ids[row].tolist() == wanted + [-1] * (6 - len(wanted))
        assert np.isinf(hits.squared[row, len(wanted) :]).all()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A raster of 40 m, cut into 16 tiles that overlap by half, in an archive."""
    folder = tmp_path_factory.mktemp("scene")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 160, 160), np.uint8)
    profile = {"driver": "GTiff", "width": 160, "height": 160, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(folder / "a.tif", "w", **profile, transform=Affine(40, 0, 500_000, 0, -40, 5_000_000)) as file:
        file.write(pixels)
    rf.encode(rf.tiles(folder / "a.tif", 64, 32), "colour-histogram", out=folder / "archive", workers=0)
    return folder


def test_a_window_of_a_raster_is_read_as_its_tile(scene):
    archive = rf.Archive(scene / "archive")
    hits = archive.search(Query(images=f"{scene}/a.tif#xywh=32,64,64,64", k=2))
    (answer,) = hits.answers
    assert (answer.results[0].item, answer.results[0].distance) == ("a.tif#xywh=32,64,64,64", 0.0)
    assert answer.results[1].distance > 0


def test_a_place_is_the_item_that_shows_it(scene):
    archive = rf.Archive(scene / "archive")
    features = archive.features()
    assert len(features) == 16
    for row in (0, 5, 15):
        west, south, east, north = features.items.bounds[row]
        hits = archive.search(Query(at=((west + east) / 2, (south + north) / 2), k=1))
        assert (hits.queries, hits.ids.tolist()) == ((features.items[row],), [[features.ids[row]]])
    west, south, east, north = features.items.bounds[0]
    corner = archive.search(Query(at=(west + (east - west) * 0.02, north - (north - south) * 0.02), k=1))
    assert corner.ids.tolist() == [[0]]
    with pytest.raises(ValueError, match=r"at: expected a place that an item shows, got 3,4; the items lie within 15,"):
        archive.search(Query(at=(3, 4)))


def test_answers_say_where_and_when(scene):
    found = rf.Archive(scene / "archive").search(Query(ids=0, k=1)).as_json()[0]["results"][0]
    assert (found["id"], found["item"], found["path"]) == (0, "a.tif#xywh=0,0,64,64", f"{scene}/a.tif#xywh=0,0,64,64")
    assert found["bounds"] == pytest.approx([15, 45.13, 15.03, 45.15], abs=0.01)
    assert "time" not in found

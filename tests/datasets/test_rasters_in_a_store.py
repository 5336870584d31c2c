"""Rasters at s3://, read through HTTP from a store that moto serves: the tiles, the archive's life, what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from object_store import Served, emptied, serving
from raster_files import scene, write_raster
from rsir_fast.base import digests, objects
from rsir_fast.cli import app
from rsir_fast.datasets import open_dataset
from rsir_fast.datasets.raster_files import find_rasters
from rsir_fast.datasets.tiles import tiles
from rsir_fast.errors import DatasetError, MachineError, NoImageReadError

QUICK = ["-e", "colour-histogram"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(objects, "_looks", type(objects._looks)())
    return emptied(url, monkeypatch)


def rsir(*arguments: object):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def pixels(data) -> list[np.ndarray]:
    return [np.asarray(data.load_image(number)) for number in range(len(data))]


@pytest.mark.parametrize("page", [1 << 20, 5000])
def test_tiles_are_those_of_the_files(
    store: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(objects, "_PAGE", page)
    monkeypatch.setattr(objects, "_PAGES", 4)
    for name in ("a.tif", "50% [1] ä#?.tif"):
        store.put(f"scenes/{name}", write_raster(tmp_path / name, scene(300, 400, 3, seed=len(name))))
    here, there = tiles(tmp_path, 128), tiles("s3://imagery/scenes", 128)
    assert list(there.items) == list(here.items)
    assert [there.placed(number) for number in range(len(there))] == [here.placed(n) for n in range(len(here))]
    assert all(np.array_equal(one, other) for one, other in zip(pixels(there), pixels(here), strict=True))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3://imagery", "a.tif b/.hidden.tif b/b.TIF b/c/d.jp2"),
        ("s3://imagery/b/", ".hidden.tif b.TIF c/d.jp2"),
        ("s3://imagery/*.tif", "a.tif"),
        ("s3://imagery/b/*", "b.TIF"),
        ("s3://imagery/b/.*", ".hidden.tif"),
        ("s3://imagery/**/*.jp2", "d.jp2"),
        ("s3://imagery/b/**", "b.TIF c/d.jp2 c/text.txt"),
        ("s3://imagery/**/[a-b].*", "a.tif b/b.TIF"),
        ("s3://imagery/b/c/?.jp2", "d.jp2"),
        ("s3://imagery/b/c/text.txt", "text.txt"),
    ],
)
def test_what_is_named(store: Served, tmp_path: Path, given: str, found: str) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for key in ("a.tif", "b/b.TIF", "b/.hidden.tif", "b/c/d.jp2", "b/c/text.txt"):
        store.put(key, tmp_path / "x")
    assert " ".join(find_rasters(given).sources) == found
    assert find_rasters(Path(given)) == find_rasters(given)  # a Path makes one slash of two
    if "*" in given:  # as of files
        (tmp_path / "b" / "c").mkdir(parents=True)
        for name in ("a.tif", "b/b.TIF", "b/.hidden.tif", "b/c/d.jp2", "b/c/text.txt"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "x").unlink()
        assert find_rasters(given.replace("s3://imagery", str(tmp_path))).sources == find_rasters(given).sources


def test_an_archive_of_them(store: Served, tmp_path: Path) -> None:
    for year in (2024, 2025):
        store.put(f"scenes/s_{year}0501.tif", write_raster(tmp_path / "x.tif", scene(200, 300, seed=year)))
    archive = tmp_path / "A"
    made = rsir("archive", "create", archive, "s3://imagery/scenes/*.tif", "--size", 128, "--date", "*_%Y%m%d*", *QUICK)
    assert made.exit_code == 0, made.output
    assert "12 tiles added" in made.stdout
    info = json.loads(rsir("archive", "info", archive, "--json").stdout)
    assert info["roots"] == {"images": "s3://imagery/scenes"}

    url = "s3://imagery/scenes/s_20250501.tif"
    page = tmp_path / "page.html"
    asked = rsir("search", archive, url, "--window", "0,0,128,128", "-k", 2, "--json", "--html", page)
    assert asked.exit_code == 0, asked.output
    [answer] = json.loads(asked.stdout)["queries"]
    assert answer["query"] == answer["results"][0]["path"] == f"{url}#xywh=0,0,128,128"
    assert answer["results"][0]["distance"] == 0
    assert page.read_text().count("<img") == 3
    assert "/vsis3/" not in page.read_text()

    store.put("scenes/s_20250501.tif", write_raster(tmp_path / "x.tif", scene(200, 300, seed=7)))  # of the same size
    assert "6 tiles added" in rsir("archive", "add", archive, "s3://imagery/scenes").stdout
    assert "nothing new" in rsir("archive", "add", archive, "s3://imagery").stdout
    store.bucket.delete("scenes/s_20250501.tif")
    gone = rsir("archive", "add", archive, "s3://imagery/scenes", "--mirror")
    assert "6 items removed, as they are gone: s_20250501.tif#xywh" in gone.stderr
    assert rsir("archive", "verify", archive).exit_code == 0


def test_rasters_that_moved_into_a_store(store: Served, tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "scenes" / "a.tif", scene(200, 300))
    url = store.put("moved/a.tif", raster)
    archive = tmp_path / "A"
    assert rsir("archive", "create", archive, raster.parent, "--size", 128, *QUICK).exit_code == 0
    raster.unlink()
    asked = rsir("search", archive, "--id", 0, "-k", 1, "--json", "--root", "s3://imagery/moved")
    assert json.loads(asked.stdout)["queries"][0]["results"][0]["path"] == f"{url}#xywh=0,0,128,128", asked.output
    astray = rsir("search", archive, "--id", 0, "--root", "s3://imagery/elsewhere")
    assert "s3://imagery/elsewhere: expected the folder that holds the images, found none" in astray.stderr


def test_an_archive_is_on_this_machine(store: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = store.put("a.tif", write_raster(tmp_path / "a.tif", scene(200, 300)))
    done = rsir("archive", "create", "s3://imagery/A", url, "--size", 128, *QUICK)
    assert done.exit_code == 1
    assert "s3://imagery/A: expected a folder of this machine for the features, got a place in a store" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert "s3://imagery/A: expected an archive" in rsir("archive", "info", "s3://imagery/A").stderr


def test_rasters_that_cannot_be_used(store: Served, tmp_path: Path) -> None:
    whole = write_raster(tmp_path / "a.tif", scene(200, 300))
    store.put("s/a.tif", whole)
    for name, content in (("cut", whole.read_bytes()[:9000]), ("empty", b""), ("text", b"no raster")):
        (tmp_path / name).write_bytes(content)
        store.put(f"s/{name}.tif", tmp_path / name)
    found = tiles("s3://imagery/s", 128)
    assert [entry.item for entry in found.unreadable] == ["cut.tif", "empty.tif", "text.tif"]
    assert [entry.reason.split(": ", 1)[-1].split(" (")[0] for entry in found.unreadable] == [
        "damaged or unsupported image",
        "the file is empty",
        "expected a GeoTIFF or JPEG2000 file to cut into tiles, found text; convert it, for example by `rio convert IN "
        "OUT.tif`",
    ]
    with pytest.raises(NoImageReadError, match="empty"):
        tiles("s3://imagery/s/empty.tif", 128)


def test_replaced_while_it_is_read(store: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PAGE", 4096)
    monkeypatch.setattr(objects, "_PAGES", 1)
    store.put("a.tif", write_raster(tmp_path / "a.tif", scene(600, 600)))
    found = tiles("s3://imagery/a.tif", 256)
    found.load_image(0)
    store.put("a.tif", write_raster(tmp_path / "a.tif", scene(600, 600, seed=1)))
    asked: list[str] = []
    fetched = objects.ObjectFile._fetched
    monkeypatch.setattr(
        objects.ObjectFile, "_fetched", lambda file, *pages: asked.append(file._tag) or fetched(file, *pages)
    )
    now = tiles(tmp_path / "a.tif", 256)
    assert np.array_equal(np.asarray(found.load_image(8)), np.asarray(now.load_image(8)))
    assert len(set(asked)) == 2  # of the former one nothing came; it was opened anew


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3://imagery/no.tif", "s3://imagery/no.tif: expected rasters, found no such file"),
        ("s3://imagery/no/*.tif", r"s3://imagery/no/\*.tif: expected rasters, found no such file"),
        ("s3://other-bucket", "s3://other-bucket: expected rasters, found no such file"),
        ("s3://", r"s3://: expected files of this machine, or s3://BUCKET/KEY, got another place"),
        ("gs://bucket/a.tif", "gs://bucket/a.tif: expected files of this machine, or s3://BUCKET/KEY"),
        ("s3://ima gery/a.tif", "s3://ima gery/a.tif: expected rasters, found no such file"),
        ("s3://imagery/a//b.tif", "s3://imagery/a//b.tif: expected rasters, found no such file"),
        ("s3://imagery/./../b.tif", "expected rasters, found no such file"),
        ("/vsicurl/http://a/b.tif", "expected files of this machine, or s3://BUCKET/KEY"),
    ],
)
def test_no_such_place(store: Served, given: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        tiles(given, 128)


def test_images_are_not_read_there(store: Served) -> None:
    with pytest.raises(DatasetError, match="s3://imagery/a: expected a folder of this machine, got a store"):
        open_dataset("s3://imagery/a")


def test_no_credentials_nobody_there_no_library(store: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_RETRIES", {"max_retries": 0})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # this machine is not Amazon's
    with pytest.raises(MachineError, match=r"a.tif: cannot be looked at: no credentials .*NO_SIGN_REQUEST"):
        tiles("s3://imagery/a.tif", 128)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    with pytest.raises(DatasetError, match="found no such file"):
        tiles("s3://imagery/a.tif", 128)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(MachineError, match=r"cannot be looked at: .*error sending request \(EIO\); mend that"):
        tiles("s3://imagery/a.tif", 128)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    objects._store.cache_clear()
    with pytest.raises(ImportError, match=r"s3://imagery needs obstore.*pip install 'rsir-fast\[cloud\]'"):
        tiles("s3://imagery/a.tif", 128)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "localhost:9000", "AWS_ENDPOINT_URL: expected where the store is, such as https://HOST"),
        ("AWS_ENDPOINT_URL_S3", "http://[", "AWS_ENDPOINT_URL_S3: expected .* got 'http://\\['; set it so"),
        ("AWS_REQUEST_PAYER", "bogus", "s3://imagery: expected settings .*bogus"),
    ],
)
def test_settings_that_cannot_be(
    store: Served, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match=said) as failed:
        tiles("s3://imagery/a.tif", 128)
    assert "\n" not in str(failed.value)


def test_digests_of_objects_without_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "look_at", lambda path: objects.FoundObject(False, 9, 10**9))
    one, other = (digests.image_digest(Path(f"/vsis3/imagery/{name}")) for name in ("a.tif", "b.tif"))
    assert one != other

"""The download against a real server on this machine."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from file_server import FileServer, running
from rsir_fast.base.progress import Progress
from rsir_fast.datasets import download_ucmerced, open_dataset
from rsir_fast.errors import DatasetError


def zipped(*extra: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Return a small archive of the shape of UC Merced's."""
    picture = io.BytesIO()
    Image.effect_noise((128, 128), 80).save(picture, "TIFF")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("UCMerced_LandUse/readme.txt", "hello")
        for label in ("forest", "harbor"):
            archive.writestr(f"UCMerced_LandUse/Images/{label}/{label}00.tif", picture.getvalue())
        for name, content in extra:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running() as found:
        found.content = zipped()
        yield found


Get = Callable[..., Path]


@pytest.fixture
def get(server: FileServer, tmp_path: Path) -> Get:
    """Download what the server holds, as if it were the right archive."""

    def call(**changes: object) -> Path:
        wanted = {"urls": [server.url], "size": len(server.content), "timeout": 5.0}
        wanted["sha256"] = hashlib.sha256(server.content).hexdigest()
        return download_ucmerced(tmp_path / "data" / "ucm", **{**wanted, **changes})  # type: ignore[arg-type]

    return call


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data").iterdir())


def test_success(get: Get, server: FileServer, tmp_path: Path) -> None:
    seen: list[Progress] = []
    folder = get(progress=seen.append)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("download", len(server.content), len(server.content))
    assert left(tmp_path) == ["ucm"]
    data = open_dataset(folder)
    assert data.items == ("forest/forest00.tif", "harbor/harbor00.tif")
    assert data[0].size == (128, 128)
    assert get() == folder
    assert len(server.requests) == 1


def test_wrong_checksum_leaves_nothing(get: Get, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"SHA-256 {'0' * 64}\), got"):
        get(sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []  # nor the folder made for it


def test_offline_asks_nobody(get: Get, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSIR_OFFLINE", "1")
    with pytest.raises(DatasetError, match="switched off by RSIR_OFFLINE=1.*put the archive"):
        get()


@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_size(get: Get, server: FileServer, change: int) -> None:
    with pytest.raises(DatasetError, match="could not be downloaded"):
        get(size=len(server.content) + change)


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connection_is_continued(get: Get, server: FileServer, tmp_path: Path, ranges: bool) -> None:
    server.cut, server.ranges = 3000, ranges
    with pytest.raises(DatasetError, match=f"connection closed after 3000 of {len(server.content)} bytes"):
        get()
    assert left(tmp_path) == ["UCMerced_LandUse.zip.part"]
    server.cut = None
    assert (get() / "Images/harbor/harbor00.tif").is_file()
    assert server.requests == ["", "bytes=3000-"]
    assert left(tmp_path) == ["ucm"]


def test_second_address_is_tried(get: Get, server: FileServer) -> None:
    assert get(urls=["http://127.0.0.1:9/nothing.zip", server.url]).is_dir()


def test_stale_part_does_not_block(get: Get, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/UCMerced_LandUse.zip.part").write_bytes(b"x" * 2000)
    assert get(urls=[server.url, server.url]).is_dir()


def test_server_down_says_what_to_put_where(get: Get, server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Connection refused") as caught:
        get(urls=["http://127.0.0.1:9/nothing.zip"])
    assert f"put the archive (SHA-256 {hashlib.sha256(server.content).hexdigest()}) at" in str(caught.value)
    assert str(tmp_path / "data" / "UCMerced_LandUse.zip") in str(caught.value)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "UCMerced_LandUse.zip").write_bytes(server.content)
    assert (get(urls=[]) / "Images").is_dir()
    assert left(tmp_path) == ["UCMerced_LandUse.zip", "ucm"]


def test_archive_put_there_must_be_the_right_one(get: Get, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "UCMerced_LandUse.zip").write_bytes(zipped(("UCMerced_LandUse/more", b"")))
    with pytest.raises(DatasetError, match="delete the file"):
        get()


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("UCMerced_LandUse/Images/link")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    "name", ["../escaped.txt", "/tmp/escaped.txt", "a/../../escaped.txt", "a\\..\\escaped", link()]
)
def test_archive_may_not_leave_its_folder(
    get: Get, server: FileServer, tmp_path: Path, name: str | zipfile.ZipInfo
) -> None:
    server.content = zipped((name, b"/etc"))
    with pytest.raises(DatasetError, match="would leave the folder"):
        get()
    assert left(tmp_path) == ["UCMerced_LandUse.zip.part"]
    assert not list(tmp_path.rglob("escaped*"))


def test_archives_of_other_content(get: Get, server: FileServer) -> None:
    server.content = b"no zip at all"
    with pytest.raises(DatasetError, match="no sound zip archive"):
        get()


def test_cancelled_and_taken_up_again(get: Get, server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cancelled after"):
        get(progress=lambda at: False)
    assert left(tmp_path) == ["UCMerced_LandUse.zip.part"]
    assert get().is_dir()


def test_foreign_folder_is_not_touched(get: Get, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "data/ucm").mkdir(parents=True)
    (tmp_path / "data/ucm/thesis.txt").touch()
    with pytest.raises(DatasetError, match="found something else"):
        get()
    assert server.requests == []
    (tmp_path / "data/ucm/thesis.txt").unlink()
    assert (get() / "Images").is_dir()

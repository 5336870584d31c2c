"""Downloads from a real server on this machine."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_server import FileServer, running
from rsir_fast.base.download import Content, DownloadError, download
from rsir_fast.base.progress import Progress
from rsir_fast.errors import MachineError

DATA = random.Random(1).randbytes(300_000)
KNOWN = Content(sha256=hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("RSIR_OFFLINE", raising=False)
    with running() as found:
        found.content = DATA
        yield found


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        KNOWN,
        Content(len(DATA), KNOWN.sha256.upper()),
        Content(sha256=KNOWN.sha256[:8]),
        Content(md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest()),
        Content(),
    ],
    ids=str,
)
def test_whole(server, tmp_path, content):
    seen: list[Progress] = []
    place = tmp_path / "new" / "file"
    assert download([server.url], place, content, progress=seen.append) == server.url
    assert place.read_bytes() == DATA
    assert left(place.parent) == ["file"]
    assert {at.stage for at in seen} == {"download"}
    assert [at.done for at in seen] == sorted(at.done for at in seen)
    assert (seen[-1].done, seen[-1].total, seen[-1].eta_s) == (len(DATA), len(DATA), 0)


def test_a_server_that_tells_no_length(server, tmp_path):
    server.tells_length = False
    seen: list[Progress] = []
    download([server.url], tmp_path / "file", KNOWN, progress=seen.append)
    assert (tmp_path / "file").read_bytes() == DATA
    assert (seen[-1].done, seen[-1].total, seen[-1].eta_s) == (len(DATA), 0, None)
    server.cut = 1000  # without a length, only the digest notices
    with pytest.raises(DownloadError, match=r"expected the published file .*, got 1000 bytes, SHA-256"):
        download([server.url], tmp_path / "other", KNOWN)
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_gone_on_with(server, tmp_path, ranges):
    server.cut, server.ranges = 100_000, ranges
    with pytest.raises(DownloadError, match=f"{server.url}: connection closed after 100000 of 300000 bytes"):
        download([server.url], tmp_path / "file", KNOWN)
    assert left(tmp_path) == ["file.part"]
    server.cut = None
    download([server.url], tmp_path / "file", KNOWN)
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.requests == ["", "bytes=100000-"]
    assert left(tmp_path) == ["file"]


def test_the_next_address_goes_on_where_the_first_was_cut(server, tmp_path):
    server.cut = 200_000
    assert download([server.url, f"{server.root}/other"], tmp_path / "file", KNOWN) == f"{server.root}/other"
    assert server.requests == ["", "bytes=200000-"]


def test_without_a_digest_nothing_is_kept_of_a_cut(server, tmp_path):
    server.cut = 100_000
    with pytest.raises(DownloadError, match="connection closed after 100000 of 300000"):
        download([server.url], tmp_path / "file", Content())
    assert left(tmp_path) == []
    (tmp_path / "file.part").write_bytes(b"of another file")
    server.cut = None
    download([server.url], tmp_path / "file", Content())
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.requests == ["", ""]


def test_other_content_is_removed(server, tmp_path):
    for content in (Content(sha256="0" * 64), Content(md5="0" * 32), Content(len(DATA), "0" * 8)):
        with pytest.raises(DownloadError, match=r"expected the published file \(.* 0{8}.*\), got 300000 bytes, "):
            download([server.url], tmp_path / "file", content)
        assert left(tmp_path) == []


def test_a_part_of_another_file_is_begun_anew(server, tmp_path):
    part = tmp_path / "file.part"
    part.write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="got 300000 bytes"):
        download([server.url], tmp_path / "file", KNOWN)
    download([server.url], tmp_path / "file", KNOWN)
    (tmp_path / "file").unlink()
    part.write_bytes(b"x" * 400_000)  # longer than there is: the server refuses to go on
    download([server.url], tmp_path / "file", KNOWN)
    assert (tmp_path / "file").read_bytes() == DATA


def test_more_than_there_should_be(server, tmp_path):
    with pytest.raises(DownloadError, match="expected 1000 bytes, got more"):
        download([server.url], tmp_path / "file", Content(1000, KNOWN.sha256))


def test_every_address_says_why(server, tmp_path):
    nobody = "http://127.0.0.1:9/file"
    with pytest.raises(DownloadError, match=rf"^{nobody}: .*refused; {server.root}/absent: 404 Not Found$") as caught:
        download([nobody, f"{server.root}/absent"], tmp_path / "file", KNOWN)
    assert "\n" not in str(caught.value)
    with pytest.raises(DownloadError, match="no address given"):
        download([], tmp_path / "file", KNOWN)
    assert left(tmp_path) == []


def test_offline_asks_nobody(server, tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_OFFLINE", "1")
    with pytest.raises(DownloadError, match="^switched off by RSIR_OFFLINE=1$"):
        download([server.url], tmp_path / "file", KNOWN)
    assert server.requests == []
    monkeypatch.setenv("RSIR_OFFLINE", "0")
    download([server.url], tmp_path / "file", KNOWN)


def test_stopped_and_gone_on_with(server, tmp_path):
    with pytest.raises(DownloadError, match=r"cancelled after \d+ of 300000 bytes; call again to go on"):
        download([server.url, server.url], tmp_path / "file", KNOWN, progress=lambda at: False)
    assert left(tmp_path) == ["file.part"]
    assert len(server.requests) == 1
    received = (tmp_path / "file.part").stat().st_size
    download([server.url], tmp_path / "file", KNOWN)
    assert server.requests[1:] == ([f"bytes={received}-"] if received < len(DATA) else ["bytes=300000-", ""])
    assert (tmp_path / "file").read_bytes() == DATA


def test_two_at_once_receive_it_once(server, tmp_path):
    begun, ended = threading.Event(), []

    def other():
        begun.wait(10)
        ended.append(download([server.url], tmp_path / "file", KNOWN))

    thread = threading.Thread(target=other)
    thread.start()
    download([server.url], tmp_path / "file", KNOWN, progress=lambda at: begun.set())
    thread.join()
    assert ended == [server.url]
    assert server.requests == [""]
    assert left(tmp_path) == ["file"]


def test_what_cannot_be_written_is_no_fault_of_the_address(server, tmp_path):
    (tmp_path / "below").touch()
    with pytest.raises(MachineError):
        download([server.url], tmp_path / "below" / "file", KNOWN)

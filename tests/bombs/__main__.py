"""Small files that ask for much memory or time, each read in a process of its own.

``python -m bombs [NAME...]``, in the folder of tests, makes them in memory and tells what each took in JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

from PIL import Image

import bombs.jpeg
import bombs.others
import bombs.plain
import bombs.png
import bombs.tiff  # noqa: F401
from bombs.registry import BOMBS


def measured(path: Path) -> dict[str, object]:
    """Read a file in a process of its own: what became of it, processor seconds, and bytes at the peak."""
    (said, seconds, peak), (_, none, least) = _looked(path, True), _looked(path, False)
    return {**said, "seconds": round(max(seconds - none, 0), 3), "bytes": max(peak - least, 0)}


def _looked(path: Path, read: bool) -> tuple[dict[str, object], float, int]:
    from rsir_fast.datasets import read_image
    from rsir_fast.datasets.limits import MEMORY
    from rsir_fast.errors import RsirError

    MEMORY.most = 0
    end, other = os.pipe()
    child = os.fork()
    if not child:
        said: dict[str, object] = {"end": "nothing"}
        try:
            if read:
                said["end"] = "read {} x {}".format(*read_image(path).size)
                said["budget"] = MEMORY.most
        except RsirError as error:
            said = {"end": type(error).__name__, "message": str(error)}
        except BaseException as error:
            said = {"end": "foreign " + type(error).__name__, "message": str(error)}
        os.write(other, json.dumps(said).encode())
        os._exit(0)
    os.close(other)
    with open(end, "rb") as stream:
        said = json.loads(stream.read() or b'{"end": "killed"}')
    usage = os.wait4(child, 0)[2]
    return said, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    # The first image of each kind loads what its decoder needs: not what is measured here.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb"
        warm_up(path)
        for name in names or BOMBS:
            make_apart(name, path)
            print(json.dumps({"name": name, "size": path.stat().st_size, **measured(path)}), flush=True)


def make_apart(name: str, path: Path) -> None:
    """Make a file in a process of its own: memory that this one freed would serve the reading unseen."""
    child = os.fork()
    if not child:
        path.write_bytes(BOMBS[name]())
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{name} could not be made")


def warm_up(path: Path) -> None:
    from rsir_fast.datasets import read_image
    from rsir_fast.errors import RsirError

    for kind in ("PNG", "TIFF", "JPEG", "JPEG2000", "WEBP", "BMP"):
        Image.new("RGB", (16, 16)).save(path, kind)
        with contextlib.suppress(RsirError):
            read_image(path)


if __name__ == "__main__":
    main(sys.argv[1:])

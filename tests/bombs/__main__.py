"""Small files that ask for much memory or time, each read in a process of its own.

``python -m bombs [NAME...]``, in the folder of tests, makes them in memory and tells what each took in JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

from PIL import Image

import bombs.jpeg
import bombs.others
import bombs.png
import bombs.tiff  # noqa: F401
from bombs.registry import BOMBS


def measured(path: Path) -> dict[str, object]:
    """Read a file in a process of its own: what became of it, seconds, and bytes at the peak."""
    from rsir_fast.datasets import read_image
    from rsir_fast.errors import RsirError

    def look(read: bool) -> tuple[dict[str, object], int]:
        end, other = os.pipe()
        child = os.fork()
        if not child:
            said: dict[str, object] = {"end": "nothing"}
            start = time.perf_counter()
            try:
                if read:
                    said["end"] = "read {} x {}".format(*read_image(path).size)
            except RsirError as error:
                said = {"end": type(error).__name__, "message": str(error)}
            except BaseException as error:
                said = {"end": "foreign " + type(error).__name__, "message": str(error)}
            said["seconds"] = round(time.perf_counter() - start, 3)
            os.write(other, json.dumps(said).encode())
            os._exit(0)
        os.close(other)
        with open(end, "rb") as stream:
            said = json.loads(stream.read() or b'{"end": "killed", "seconds": 0}')
        return said, os.wait4(child, 0)[2].ru_maxrss * 1024

    said, peak = look(True)
    return {**said, "bytes": max(peak - look(False)[1], 0)}


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    # The first image of each kind loads what its decoder needs: not what is measured here.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb"
        warm_up(path)
        for name in names or BOMBS:
            path.write_bytes(BOMBS[name]())
            print(json.dumps({"name": name, "size": path.stat().st_size, **measured(path)}), flush=True)


def warm_up(path: Path) -> None:
    from rsir_fast.datasets import read_image
    from rsir_fast.errors import RsirError

    for kind in ("PNG", "TIFF", "JPEG", "JPEG2000", "WEBP", "BMP"):
        Image.new("RGB", (16, 16)).save(path, kind)
        with contextlib.suppress(RsirError):
            read_image(path)


if __name__ == "__main__":
    main(sys.argv[1:])

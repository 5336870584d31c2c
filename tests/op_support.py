"""Strategies and comparisons of the op tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

DTYPES = (np.float16, np.float32, np.float64)
WIDTHS = st.sampled_from([0, 1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 130])

# Few distinct values make duplicates and ties; the others are denormal, huge, infinite or not a number.
ORDINARY = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 0.1, -7.25])
HOSTILE = st.sampled_from([0.0, 1.0, 1e-45, -1e-45, 1e-40, 3e38, -3e38, 1e19, np.inf, -np.inf, np.nan])


@st.composite
def matrices(draw: st.DrawFn, rows: int = 12, width: int | None = None, hostile: bool = False) -> np.ndarray:
    """A matrix [n, d] with duplicates, constant rows and, if hostile, every kind of awkward number."""
    n = draw(st.integers(0, rows))
    d = draw(WIDTHS) if width is None else width
    dtype = draw(st.sampled_from(DTYPES))
    elements = HOSTILE if hostile else ORDINARY
    with np.errstate(over="ignore"):
        pool = draw(hnp.arrays(np.float64, (max(1, n // 2), d), elements=elements, fill=elements)).astype(dtype)
    picks = draw(st.lists(st.integers(0, len(pool) - 1), min_size=n, max_size=n))
    return pool[picks]


def copied_rows(copy: Any, codes: str, n: int, d: int) -> list[bytes]:
    """Codes, scales, norms and residuals of a database's copy on a device, without the memory that pads them."""
    width, rows = -(-d // 64) * 64, -(-n // 256) * 256
    row = width * (2 if codes == "half" else 1)
    block, parts, first = copy.cpu().numpy().tobytes(), [], 0
    for size, used in ((rows * row, n * row), *[(4 * rows, 4 * n)] * 3):
        parts.append(block[first : first + used])
        first += -(-size // 256) * 256
    assert first == len(block)
    return parts


def same_bits(a: Any, b: Any) -> bool:
    """Equal dtype, shape and every bit: NaN equals itself, +0 differs from -0."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def widen(x: np.ndarray) -> np.ndarray:
    """What the ops compute on: float16 exactly as float32."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def ends_by_ctrl_c(program: str) -> bool:
    """Whether a program that prints "ready" and then works for long ends within 5 s of Ctrl-C, by its exception."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.5)
            assert process.poll() is None, "the work must still be going on"
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()
    return b"KeyboardInterrupt" in stderr

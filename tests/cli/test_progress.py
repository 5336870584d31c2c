"""What is shown on stderr of progress: a bar on a terminal, lines elsewhere, nothing where it shall be quiet."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from rsir_fast.base.progress import Progress
from rsir_fast.cli import progress as shown

HALF = Progress("extract", 5, 10, 2.5, 2.0)
TRAINED = Progress("train head", 8, 8, 40.0, 0.0, epoch=3, epochs=3, terms={"total": 0.5}, learning_rate=0.01)


def test_lines(capfd, monkeypatch):
    monkeypatch.setattr(shown, "LOG_INTERVAL_S", 0.0)
    with shown.shown_progress(quiet=False) as show:
        show(Progress("run", 0, 3, what="first"))
        show(Progress("extract", 0, 10))
        show(HALF)
        show(TRAINED)
    assert capfd.readouterr().err.splitlines() == [
        "1 of 3: first",
        "extract: 5/10 images, 2.5 images/s, 2 s left",
        "train head: epoch 3/3, 8/8 images, total 0.5000, rate 0.01, 40 images/s, 0 s left",
    ]


def test_lines_are_ten_seconds_apart_but_for_the_last(capfd):
    with shown.shown_progress(quiet=False) as show:
        show(HALF)
        show(Progress("train network", 4, 8, 40.0, 9.0, epoch=1, epochs=3))
        show(Progress("extract", 10, 10, 2.5, 0.0))
    assert capfd.readouterr().err == "extract: 10/10 images, 2.5 images/s, 0 s left\n"


def test_quiet():
    with shown.shown_progress(quiet=True) as show:
        assert show is None


@pytest.mark.parametrize(("what", "bar"), [("extract", True), ("train head", False)])
def test_a_bar_on_a_terminal_from_the_first_image_on(what, bar):
    program = (
        "from rsir_fast.base.progress import Progress\nfrom rsir_fast.cli.progress import shown_progress\n"
        f"with shown_progress(False) as show: show(Progress({what!r}, 5, 10, 2.5, 2.0, epoch={int(not bar)}, epochs=1))"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", program], stderr=theirs, check=True, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the terminal is closed
        pass
    os.close(ours)
    assert (b"extract" in seen and b"5/10" in seen and b"2.5 images/s" in seen) == bar
    assert bool(seen) == bar

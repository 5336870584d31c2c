"""Shared fixtures: where the real data lies, and a steady hypothesis profile."""

from __future__ import annotations

import functools
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.testing
from hypothesis import settings

# A program of its own, run by `make faults`; no place to look for docstring examples.
collect_ignore = ["kernels/simt"]

# Deterministic examples and no deadline: a slow machine must not turn a right answer into a failure.
settings.register_profile("rsir", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("rsir")

# Tests start processes, and run beside each other, on the same cores: threads of OpenMP that wait must not spin there.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A process of `rsir` puts its commands together once; tests call it hundreds of times, and each took 30 ms for that.
typer.testing._get_command = functools.cache(typer.testing._get_command)

# A shell's background job ignores Ctrl-C, and its children inherit that: the tests that press it need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data (UC Merced, weights): RSIR_TEST_DATA, by default ``shared/data`` beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("RSIR_TEST_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data not found at {root}; set RSIR_TEST_DATA to the folder that holds UCMerced_LandUse")
    return root


@pytest.fixture
def passable() -> Iterator[Path]:
    """Give an empty folder that every user may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


LONGEST = (
    "archive/test_storm.py",
    "test_readme.py",
    "test_campaigns.py",
    "hashing/test_train.py",
    "cli/test_evaluate_dhcnn2021.py",
    "cli/test_reproduce_dhcnn2021.py",
    "backbones/test_hostile_weights.py",
    "pretraining/test_trainer.py",
    "protocols/test_reproduce_dhcnn2021.py",
    "pretraining/test_pretrain.py",
    "extraction/test_place.py",
)
"""Files that take half a minute and more. Where several processes share the files, these begin first: one that began
last would be waited for by all others."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of pytest-xdist
        places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path, len(places)))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))

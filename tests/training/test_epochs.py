"""What every training shares."""

from __future__ import annotations

import io
import os

import pytest
import torch

from rsir_fast.errors import RsirWarning, TrainingError
from rsir_fast.training.epochs import CHECKPOINT, LOG, PREVIOUS, has_checkpoint, read_checkpoint, run_epochs, save


class InterruptedFile(io.BytesIO):
    """Ctrl-C comes at the given call of write."""

    def __init__(self, call: int, error: type[BaseException]) -> None:
        super().__init__()
        self.left = call
        self.error = error

    def write(self, data):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return super().write(data)


@pytest.mark.parametrize("call", [1, 2, 3, 5, 8])
def test_saving_is_interrupted_as_everything_else(call):
    content = {"weights": torch.arange(1000.0), "epoch": 3}
    with pytest.raises(KeyboardInterrupt):
        save(content, InterruptedFile(call, KeyboardInterrupt))
    with pytest.raises((RuntimeError, OSError)):
        save(content, InterruptedFile(call, OSError))
    whole = io.BytesIO()
    save(content, whole)
    whole.seek(0)
    assert torch.equal(torch.load(whole, weights_only=True)["weights"], content["weights"])


class Walk:
    """A training whose epochs depend on all before them."""

    epochs, rank, device = 5, 0, torch.device("cpu")

    def __init__(self) -> None:
        self.epoch = 0
        self.weights = torch.arange(5000.0)

    def train_epoch(self, progress=None):
        if progress is not None and progress(None) is False:
            raise TrainingError("training stopped")
        self.weights = (self.weights * 1.5).sin() + self.epoch
        self.epoch += 1
        return {"total": float(self.weights.sum())}

    def state(self):
        return {"epoch": self.epoch, "weights": self.weights}

    def load_state(self, state):
        self.epoch = state["epoch"]
        self.weights.copy_(state["weights"])


SETTINGS = {"recipe": "walk", "seed": 1}


def trained(out, stop=None, **settings):
    walk, chosen = Walk(), {**SETTINGS, **settings}
    calls = iter(range(100))
    state = read_checkpoint(out, chosen)
    run_epochs(walk, out, chosen, state, lambda _: stop is None or next(calls) < stop)
    return walk.weights


@pytest.fixture
def whole(tmp_path):
    trained(tmp_path / "whole")
    return tmp_path / "whole"


@pytest.fixture
def stopped(tmp_path):
    """After three of five epochs."""
    with pytest.raises(TrainingError, match="training stopped"):
        trained(tmp_path / "out", stop=3)
    return tmp_path / "out"


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # among the weights: torch reads it without a word
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def same_files(one, other):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in (CHECKPOINT, PREVIOUS, LOG))


@pytest.mark.parametrize(
    "damage", [flipped, cut, lambda path: path.write_bytes(b""), lambda path: path.write_text("[")]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(stopped, whole, damage):
    damage(stopped / CHECKPOINT)
    with pytest.warns(RsirWarning, match="checkpoint.pt is damaged; going on from the epoch before"):
        trained(stopped)
    assert same_files(stopped, whole)


def test_without_the_last_checkpoint_that_before_serves(stopped, whole):
    (stopped / CHECKPOINT).unlink()
    assert has_checkpoint(stopped)
    trained(stopped)
    assert same_files(stopped, whole)


def test_two_damaged_checkpoints_are_an_error_that_names_the_last(stopped):
    flipped(stopped / CHECKPOINT)
    cut(stopped / PREVIOUS)
    with pytest.raises(TrainingError, match=r"/checkpoint.pt: expected a checkpoint, .*wrong checksum.*delete"):
        trained(stopped)


def test_other_settings_are_never_a_reason_to_fall_back(stopped):
    with pytest.raises(TrainingError, match=r"found one with another seed \(1, now 2\)"):
        trained(stopped, seed=2)


def test_a_log_that_is_behind_is_mended(stopped, whole):
    trained(stopped)
    (stopped / LOG).write_text("")
    trained(stopped)
    assert same_files(stopped, whole)


def test_a_checkpoint_of_another_network_is_one_line(stopped):
    for name in (CHECKPOINT, PREVIOUS):
        torch.save({"settings": '{"recipe": "walk", "seed": 1}', "log": [], "epoch": 1}, stopped / name)
    with pytest.raises(TrainingError, match=r"checkpoint.pt: expected a checkpoint of this network.*KeyError.*weights"):
        trained(stopped)


def test_there_is_always_a_checkpoint(stopped, monkeypatch):
    """A reader of checkpoint.pt never finds it missing between two epochs."""
    seen = []
    replace = os.replace

    def looking(source, place):
        seen.append((stopped / CHECKPOINT).is_file())
        replace(source, place)

    monkeypatch.setattr(os, "replace", looking)
    trained(stopped)
    assert seen
    assert all(seen)

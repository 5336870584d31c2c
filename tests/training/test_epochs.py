"""What every training shares."""

from __future__ import annotations

import io

import pytest
import torch

from rsir_fast.training.epochs import save


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

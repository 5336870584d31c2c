"""How a network is pre-trained: what Ge et al. 2018 state, and what they leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsir_fast.pretraining.network import INITIALIZATIONS, Initialization

__all__ = ["PretrainingRecipe"]

_CHOICES = {"schedule": ("steps", "plateau"), "initialization": INITIALIZATIONS}


@dataclass(frozen=True)
class PretrainingRecipe:
    """How a network is pre-trained.

    Ge et al. 2018, section 2.2, step 1: stochastic gradient descent, momentum 0.9, weight decay 0.0005, learning rate
    0.01 at first and "adjusted during training"; weights N(0, 0.01). The rest is ours or of the works it builds on.

    Parameters
    ----------
    epochs : int
        90: Krizhevsky et al. 2012, "roughly 90 cycles".
    batch_size : int
        256: Simonyan and Zisserman 2015. Of all processes together.
    learning_rate : float
        Of the first epochs.
    schedule : {"steps", "plateau"}
        When the learning rate becomes a tenth. ``"steps"``: after each epoch of `drops`. ``"plateau"``: when the top-1
        error has not fallen for `patience` epochs, as Krizhevsky et al. and Simonyan and Zisserman did by hand.
    drops : tuple of int, optional
        Epochs for ``"steps"``. Default: a third, two thirds and eight ninths of `epochs`, which is 30, 60 and 80 of 90
        (Goyal et al. 2017).
    patience : int
        For ``"plateau"``.
    momentum : float
    weight_decay : float
        Of weights, not of biases, as in Caffe's reference network.
    dropout : float
        Share of fc6's and fc7's units that are switched off in training (Ge et al. 2018, section 2.1: "dropout", whose
        usual share is a half).
    short_side : int
        Images are resized to this short side; squares of the network's input size are cut out anywhere and mirrored by
        chance in training, and cut out of the centre for validation. 256 in all works above.
    initialization : {"paper", "glorot"}
        See `rsir_fast.pretraining.network.initialize`.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> recipe = PretrainingRecipe()
    >>> [recipe.rate(epoch) for epoch in (0, 29, 30, 60, 80)]
    [0.01, 0.01, 0.001, 0.0001, 1e-05]
    """

    epochs: int = 90
    batch_size: int = 256
    learning_rate: float = 0.01
    schedule: Literal["steps", "plateau"] = "steps"
    drops: tuple[int, ...] | None = None
    patience: int = 5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    dropout: float = 0.5
    short_side: int = 256
    initialization: Initialization = "paper"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "short_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: expected a number above 0, got {self.learning_rate}")
        for name in ("momentum", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 0 and less than 1, got {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay: expected 0 or more, got {self.weight_decay}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if self.drops is None:
            return
        rising = list(self.drops) == sorted({drop for drop in self.drops if 1 <= drop <= self.epochs})
        if self.schedule != "steps" or not rising:
            listed = ",".join(map(str, self.drops))
            raise ValueError(
                f"drops: expected rising epochs from 1 to {self.epochs}, for schedule 'steps', got {listed} for "
                f"schedule '{self.schedule}'"
            )

    def rate(self, epoch: int, errors: Sequence[float] = ()) -> float:
        """Return the learning rate of an epoch.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        errors : sequence of float
            Top-1 errors after the epochs before it; only ``"plateau"`` looks at them.
        """
        if self.schedule == "plateau":
            reached = self._plateaus(errors[:epoch])
        else:
            thirds = (self.epochs / 3, self.epochs * 2 / 3, self.epochs * 8 / 9)
            drops = tuple(max(1, round(drop)) for drop in thirds) if self.drops is None else self.drops
            reached = sum(epoch >= drop for drop in drops)
        return float(self.learning_rate / 10**reached)

    def _plateaus(self, errors: Sequence[float]) -> int:
        best, since, reached = float("inf"), 0, 0
        for error in errors:
            best, since = (error, 0) if error < best else (best, since + 1)
            if since == self.patience:
                since, reached = 0, reached + 1
        return reached

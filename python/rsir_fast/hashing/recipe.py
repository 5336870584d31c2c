"""How a hash network is trained: those of the authors' two releases, and ours."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch

from rsir_fast.backbones import Backbone
from rsir_fast.base.libraries import is_of_library
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.encoders.hash_network import INITIALIZATIONS, Initialization
from rsir_fast.encoders.spec import NetworkSpec
from rsir_fast.hashing.methods import HashLoss, Method

__all__ = ["RECIPES", "Recipe", "as_recipe"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    name : str
    epochs : int
        Of the whole network.
    head_epochs : int
        Of hash layer and classifier alone, on the features of the backbone as it is loaded. They come first, since a
        head that knows nothing would spoil good features (Kumar et al. 2022); with a frozen backbone they are all.
        0: none, and a frozen training has `epochs`.
    batch_size : int
    optimizer : {"adamw", "sgd"}
    learning_rate : float
        The highest, of the hash layer and classifier.
    schedule : {"cosine", "log", "steps"}
        ``"cosine"``: up to the learning rate during `warmup_epochs`, then down to 0 as a cosine, step by step.
        ``"log"``: each epoch the same factor less, down to `final_rate`. ``"steps"``: the learning rate for 31 epochs,
        then a tenth of it for 30, and so on.
    final_rate : float
        Of ``"log"``.
    warmup_epochs : float
        Of ``"cosine"``.
    momentum : float
        Of ``"sgd"``.
    weight_decay : float
    backbone_factor : float
        The backbone's learning rate is that of the head times this.
    augment : bool
        Each image is turned by right angles and mirrored by chance: overhead scenes have no up. With a frozen backbone
        the features of all eight turns are computed first.
    standardize : bool
        The head subtracts the training features' mean and divides by their deviation, both constant.
    loss : Method
        What is learnt; `rsir_fast.hashing.METHODS` has them by name.
    dropout : float
        Share of values that a step of training sets to 0, 0 to below 1, at each place where the network itself has a
        dropout layer: those before its layer, and one that follows it directly. With a frozen backbone that one alone.
    initialization : {"normal", "torch"}
        Of hash layer and classifier, see `HashHead`.
    resize : {"whole", "short-side"}, optional
        How a known network sees images, whatever its encoder says; None: as the encoder says.

    Examples
    --------
    >>> recipe = RECIPES["matlab"]
    >>> recipe.rate(0, 168), round(recipe.rate(99 * 168, 168), 8)
    (0.01, 1e-05)
    """

    name: str
    epochs: int = 12
    head_epochs: int = 60
    batch_size: int = 32
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "log", "steps"] = "cosine"
    final_rate: float = 1e-5
    warmup_epochs: float = 1.0
    momentum: float = 0.0
    weight_decay: float = 1e-2
    backbone_factor: float = 0.05
    augment: bool = True
    standardize: bool = True
    loss: Method = field(default_factory=HashLoss)
    dropout: float = 0.0
    initialization: Initialization = "normal"
    resize: Literal["whole", "short-side"] | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("head_epochs", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "final_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected a number above 0, got {getattr(self, name)}")
        for name in ("warmup_epochs", "momentum", "weight_decay", "backbone_factor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected a number of at least 0, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 to below 1, got {self.dropout}")
        for name, choices in (
            ("optimizer", ("adamw", "sgd")),
            ("schedule", ("cosine", "log", "steps")),
            ("initialization", INITIALIZATIONS),
            ("resize", (None, "whole", "short-side")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(map(str, choices))}, got {getattr(self, name)!r}")

    def told(self) -> dict[str, Any]:
        """Return all as a JSON-able dict for settings and provenance.

        What came to recipes later is left out where it is as it was before: a run goes on with a checkpoint of then.
        """
        told = {**asdict(self), "loss": self.loss.told()}
        for name in ("dropout", "initialization", "resize"):
            if getattr(self, name) == type(self).__dataclass_fields__[name].default:
                del told[name]
        return told

    def network(self, encoder: Encoder) -> Backbone:
        """Return the network of an encoder, which sees images as the recipe says if it is one of those known here."""
        found, spec = encoder.backbone, encoder.spec
        known = isinstance(spec, NetworkSpec) and not is_of_library(spec.name)
        if self.resize in (None, found.preprocessing.resize) or not known:
            return found
        return found.resized(self.resize)

    def rate(self, step: int, steps_an_epoch: int) -> float:
        """Return the head's learning rate at a step, counted from 0."""
        epoch = step // steps_an_epoch
        if self.schedule == "steps":
            return float(self.learning_rate * 0.1 ** (max(0, epoch - 1) // 30))
        if self.schedule == "log":
            share = epoch / max(1, self.epochs - 1)
            return float(self.learning_rate * (self.final_rate / self.learning_rate) ** share)
        warmup, steps = self.warmup_epochs * steps_an_epoch, self.epochs * steps_an_epoch
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup)))

    def make_optimizer(self, head: torch.nn.Module, backbone: torch.nn.Module | None) -> torch.optim.Optimizer:
        """Return the optimiser; a group's ``factor`` is its learning rate as a share of the head's."""
        factor = self.loss.classifier_factor
        if factor == 1:
            groups = [{"params": list(head.parameters()), "factor": 1.0}]
        else:
            classifier: Any = head.classifier
            own = set(classifier.parameters())
            groups = [
                {"params": [parameter for parameter in head.parameters() if parameter not in own], "factor": 1.0},
                {"params": list(classifier.parameters()), "factor": factor},
            ]
        if backbone is not None:
            groups.append({"params": list(backbone.parameters()), "factor": self.backbone_factor})
        if self.optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)


_AUTHORS = {
    "optimizer": "sgd",
    "backbone_factor": 1.0,
    "augment": False,
    "standardize": False,
    "head_epochs": 0,
    "epochs": 100,
}

RECIPES = {
    "modern": Recipe("modern"),
    "matlab": Recipe(
        "matlab",
        batch_size=10,
        learning_rate=1e-2,
        schedule="log",
        weight_decay=5e-4,
        loss=HashLoss(classifier_gradient="whole"),
        **_AUTHORS,  # type: ignore[arg-type]
    ),
    "pytorch": Recipe(
        "pytorch",
        batch_size=50,
        learning_rate=0.1,
        schedule="steps",
        weight_decay=1e-5,
        loss=HashLoss(beta=10.0, similarity_gradient="exact", loss_weighting="pytorch"),
        dropout=0.5,
        initialization="torch",
        resize="short-side",
        **_AUTHORS,  # type: ignore[arg-type]
    ),
}
"""By name: ``"modern"`` is ours, the others are the authors' two releases."""


def as_recipe(recipe: str | Recipe, epochs: int | None = None, *, frozen: bool = False) -> Recipe:
    """Return a recipe by its name, for the whole network or for a head on a frozen backbone.

    Parameters
    ----------
    recipe : {"modern", "matlab", "pytorch"} or Recipe
    epochs : int, optional
        In place of the recipe's.
    frozen : bool
        ``epochs`` of the result are those of the head alone.

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> as_recipe("modern", frozen=True).epochs, as_recipe("matlab", 5).epochs
    (60, 5)
    """
    chosen = RECIPES[recipe] if isinstance(recipe, str) and recipe in RECIPES else recipe
    if not isinstance(chosen, Recipe):
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)} or a Recipe, got {recipe!r}")
    if frozen:
        chosen = replace(chosen, epochs=chosen.head_epochs or chosen.epochs, head_epochs=0)
    return chosen if epochs is None else replace(chosen, epochs=epochs)

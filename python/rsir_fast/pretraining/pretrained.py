"""A pre-trained network, and the weight file it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsir_fast.backbones.weights import PreTraining
from rsir_fast.base.durable import write_durably
from rsir_fast.base.sealed import seal
from rsir_fast.base.shown import Shown, counted
from rsir_fast.datasets import Skipped
from rsir_fast.pretraining.network import Classifier

__all__ = ["Pretrained"]


@dataclass(frozen=True, repr=False)
class Pretrained(Shown):
    """A network that was trained from nothing.

    Attributes
    ----------
    network : Classifier
        In eval mode, without gradients.
    made : PreTraining
        Name, width, mean, classes, and how it came to be: what its file says of it.
    skipped : tuple of Skipped
        Images that could not be read, of training and of validation.
    """

    network: Classifier
    made: PreTraining
    skipped: tuple[Skipped, ...] = ()

    def _facts(self) -> dict[str, str]:
        return {
            "network": self.made.network,
            "width": f"width {self.made.width:g}",
            "classes": counted(len(self.classes), "class", "classes"),
            "left out": counted(len(self.skipped), "image skipped", "images skipped") if self.skipped else "",
        }

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of fc8."""
        return self.made.classes

    @property
    def training(self) -> dict[str, Any]:
        """JSON-able: data set, recipe, seed, versions; ``result`` has the last epoch's log."""
        return self.made.training

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors, in one step; an existing file is replaced.

        `rsir_fast.load_encoder` reads it: ``load_encoder("cnn-alex:fc7", weights=path)``.

        Parameters
        ----------
        path
            File to write; its folder is made if need be.
        """
        tensors = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        write_durably(Path(path), seal(tensors, self.made.metadata()))

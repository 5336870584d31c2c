"""What is stated of every hash model, without the network; no torch."""

from __future__ import annotations

from pydantic import BaseModel, InstanceOf

__all__ = ["MAX_BITS", "MIN_BITS", "Training"]

MIN_BITS, MAX_BITS = 8, 1024
"""Of a trained code."""


class _Split(BaseModel):
    """The images that a model was trained on, and those it was not."""

    train: list[InstanceOf[str]]
    test: list[InstanceOf[str]]


class _Unread(BaseModel):
    """An image that could not be read."""

    item: InstanceOf[str]


class _Loss(BaseModel):
    """What was learnt."""

    method: InstanceOf[str] | None = None


class _Recipe(BaseModel):
    """How it was learnt."""

    loss: _Loss | None = None


class Training(BaseModel):
    """How a model came to be, as far as something depends on it.

    Attributes
    ----------
    split : parts or None
    skipped : list
        Images, and folders, of the split that could not be read, and are not among those of `split`.
    method : str or None
        What it was trained by, as its authors call it; None: DHCNN.
    embeds : bool
        It learnt real values u, compared by their angle; codes are but their signs.
    """

    split: _Split | None = None
    skipped: list[_Unread] = []
    recipe: _Recipe | None = None
    method: InstanceOf[str] | None = None
    embeds: bool = False

    @property
    def word(self) -> str:
        """The method as a command takes it.

        >>> Training.model_validate({"recipe": {"loss": {"method": "dpsh"}}}).word, Training().word
        ('dpsh', 'dhcnn')
        """
        loss = None if self.recipe is None else self.recipe.loss
        return (loss and loss.method) or "dhcnn"

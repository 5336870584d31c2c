"""Libraries whose models are encoders: ``timm:NAME``. For commands and the library alike; imports none of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

__all__ = ["LIBRARIES", "Library", "is_of_library", "library_of"]


class Library(NamedTuple):
    """A library of models.

    Attributes
    ----------
    package : str
        On PyPI.
    layer : str
        What is kept of an image: the only layer of its models.
    what : str
        Of what an error speaks.
    """

    package: str
    layer: str
    what: str

    @property
    def version(self) -> str | None:
        """Which one is installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


LIBRARIES = {
    "timm": Library("timm", "pre_logits", "networks of timm"),
    "open_clip": Library("open_clip_torch", "image", "CLIP models of open_clip"),
    "torchgeo": Library("torchgeo", "pre_logits", "weights of torchgeo"),
}
"""By the word before the colon, which is also that of the extra, and the name that is imported."""


def is_of_library(name: str) -> bool:
    """Tell whether a name is that of another library's model.

    Examples
    --------
    >>> is_of_library("timm:resnet18"), is_of_library("resnet18")
    (True, False)
    """
    return name.partition(":")[0] in LIBRARIES and ":" in name


def library_of(name: str) -> tuple[str, str]:
    """Return library and model of such a name.

    Examples
    --------
    >>> library_of("open_clip:ViT-B-32")
    ('open_clip', 'ViT-B-32')
    """
    library, _, model = name.partition(":")
    return library, model

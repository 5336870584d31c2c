"""The names of visual words: ``bovw-150``, ``bovw-150-dense-root``, ``bovw-150,norm=root,detector=dense``."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast, get_args

__all__ = ["DETECTORS", "NORMS", "Detector", "Norm", "VisualWords", "parse_visual_words"]

Detector = Literal["dog", "dense"]
Norm = Literal["l1", "l2", "root"]
DETECTORS: tuple[str, ...] = get_args(Detector)
NORMS: tuple[str, ...] = get_args(Norm)

_NAME = re.compile(r"bovw-([1-9]\d{0,6})(-dense)?(-root)?((?:,[^,]*)*)")
_OPTIONS = {"norm": NORMS, "detector": DETECTORS}


class VisualWords(NamedTuple):
    """What a name says.

    Attributes
    ----------
    words : int
        Size of the vocabulary.
    detector : {"dog", "dense"}
        Extrema of the difference of Gaussians, or a regular grid.
    root : bool
        Whether local descriptors are RootSIFT.
    norm : {"l1", "l2", "root"}
        Of the histogram.
    """

    words: int
    detector: Detector = "dog"
    root: bool = False
    norm: Norm = "l2"

    @property
    def name(self) -> str:
        """The name without the norm, as it is recorded: ``bovw-150-dense``."""
        return f"bovw-{self.words}" + "-dense" * (self.detector == "dense") + "-root" * self.root

    def __str__(self) -> str:
        """Name all of it; what is as usual is left out.

        >>> str(VisualWords(150, "dense", norm="root"))
        'bovw-150-dense,norm=root'
        """
        return self.name + (f",norm={self.norm}" if self.norm != "l2" else "")


def parse_visual_words(text: str) -> VisualWords | None:
    """Understand a name; None for the name of something else.

    Raises
    ------
    ValueError
        If an option behind the name cannot be understood.

    Examples
    --------
    >>> parse_visual_words("bovw-150,norm=root")
    VisualWords(words=150, detector='dog', root=False, norm='root')
    >>> parse_visual_words("bovw-150,norm=max")
    Traceback (most recent call last):
        ...
    ValueError: encoder: expected norm=l1 or l2 or root, got 'max'
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    number, dense, root, options = found.groups()
    given: dict[str, str] = {"detector": "dense"} if dense else {}
    for part in options.split(",")[1:]:
        key, _, value = part.partition("=")
        if key not in _OPTIONS:
            raise ValueError(f"encoder: expected {'= or '.join(_OPTIONS)}= after the comma, got {part!r}")
        if value not in _OPTIONS[key]:
            raise ValueError(f"encoder: expected {key}={' or '.join(_OPTIONS[key])}, got {value!r}")
        if given.get(key, value) != value or (key in given and not dense):
            raise ValueError(f"encoder: expected {key} once, got it twice in {text!r}")
        given[key] = value
    detector, norm = cast(Detector, given.get("detector", "dog")), cast(Norm, given.get("norm", "l2"))
    return VisualWords(int(number), detector, root is not None, norm)

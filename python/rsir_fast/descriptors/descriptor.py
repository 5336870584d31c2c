"""What every descriptor is: a name, a length, stated choices, and a vector for an image."""

from __future__ import annotations

import hashlib
import importlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.base.progress import OnProgress
from rsir_fast.datasets import Dataset

__all__ = ["Descriptor", "Learnt", "grey", "require"]


@dataclass(frozen=True)
class Learnt:
    """What a descriptor took from images before it can describe one.

    Attributes
    ----------
    arrays
        The learnt values by name.
    facts
        JSON-able: from what and how; part of the provenance.
    """

    arrays: dict[str, NDArray[np.float32]] = field(repr=False)
    facts: dict[str, Any]


@dataclass
class Descriptor(ABC):
    """A hand-made description of an image at its full size.

    Subclasses are data classes whose fields are the parameters; `describe` may be called by several threads at once.
    """

    kind: ClassVar[str]
    """Word under which the descriptor is found again."""
    packages: ClassVar[dict[str, str]] = {}
    """Packages that decide its bits: key in the provenance -> distribution."""
    learns: ClassVar[bool] = False
    """Whether `fit` must come before `describe`."""

    learnt: Learnt | None = field(default=None, init=False, repr=False, compare=False)
    """What `fit` found."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name for file names and the command line."""

    @property
    def word(self) -> str:
        """What `load_descriptor` and the command line call it: its name, and options that are not as usual."""
        return self.name

    @property
    @abstractmethod
    def title(self) -> str:
        """Name for readers, which says whose the implementation is."""

    @property
    @abstractmethod
    def layer(self) -> str:
        """What the values are, in a word or two."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of the vector."""

    @property
    @abstractmethod
    def choices(self) -> dict[str, Any]:
        """JSON-able: every choice that decides the values."""

    @property
    def unverified(self) -> tuple[str, ...]:
        """What could not be checked against the publication."""
        return ()

    @abstractmethod
    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the description of an image, float32 [dim].

        Raises
        ------
        ImageError
            If this image cannot be described.
        """

    def check(self) -> None:
        """Raise ImportError, naming the fix, if a package that is needed is missing."""
        for distribution in self.packages.values():
            require(distribution)

    def fit(self, dataset: Dataset, *, workers: int = 0, progress: OnProgress | None = None) -> None:
        """Learn from images; most descriptors have nothing to learn and ignore it."""
        return

    def digest(self) -> str | None:
        """SHA-256 of what was learnt; None if nothing was."""
        if self.learnt is None:
            return None
        sha256 = hashlib.sha256()
        for name in sorted(self.learnt.arrays):
            sha256.update(np.ascontiguousarray(self.learnt.arrays[name], "<f4").tobytes())
        return sha256.hexdigest()

    @property
    def fitted(self) -> bool:
        """Whether `describe` can be called."""
        return self.learnt is not None or not self.learns

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields, JSON-able: ``type(self)(**self.parameters)`` is the same descriptor, but for what it learnt."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.init}

    @property
    def provenance(self) -> dict[str, Any]:
        """What a matrix of this descriptor has to say of itself, JSON-able."""
        stated = {"kind": self.kind, "parameters": self.parameters, "choices": self.choices}
        if self.unverified:
            stated["not_verified"] = "; ".join(self.unverified)
        if self.learnt is not None:
            stated["learnt"] = {**self.learnt.facts, "sha256": self.digest()}
        made: dict[str, Any] = {
            "name": self.name,
            "description": self.title,
            "layer": self.layer,
            "dim": self.dim,
            "preprocessing": {"size": "as stored, not resized"},
            "descriptor": stated,
            "extraction": {
                **{key: version(distribution) for key, distribution in self.packages.items()},
                **{name: version(name) for name in ("numpy", "pillow")},
                "rsir_fast": version("rsir-fast"),
            },
        }
        plain: dict[str, Any] = json.loads(json.dumps(made))
        return plain


_MODULES = {"opencv-python-headless": "cv2", "higra": "higra"}


def require(distribution: str) -> Any:
    """Import a package of the extra ``shallow``.

    Raises
    ------
    ImportError
        That says how to install it.

    Examples
    --------
    >>> require("opencv-python-headless").__name__
    'cv2'
    """
    try:
        return importlib.import_module(_MODULES[distribution])
    except ImportError as error:
        raise ImportError(
            f"this descriptor needs {distribution}, which cannot be loaded ({error}); "
            "install it with: pip install 'rsir-fast[shallow]'"
        ) from None


def grey(image: Image.Image) -> NDArray[np.uint8]:
    """Return an image in grey, uint8 [H, W]: ITU-R 601-2 luma, as Pillow rounds it.

    Examples
    --------
    >>> grey(Image.new("RGB", (2, 1), (255, 0, 0))).tolist()
    [[76, 76]]
    """
    return np.asarray(image.convert("L"))

"""Wrong labels for training, drawn the same way for ever and everywhere."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.splits import drawn_by
from rsir_fast.errors import DatasetError

__all__ = ["LabelNoise", "NoiseKind"]

NoiseKind = Literal["symmetric", "asymmetric"]


@dataclass(frozen=True)
class LabelNoise:
    """A share of wrong labels in every class.

    Parameters
    ----------
    share : float
        Above 0 and below 1, of each class, rounded half up.
    kind : {"symmetric", "asymmetric"}
        A wrong label is any of the other classes alike, or always the next one: that of the last class is the first.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    share: float
    kind: NoiseKind = "symmetric"

    def __post_init__(self) -> None:
        if isinstance(self.share, bool) or not 0 < self.share < 1:
            raise ValueError(f"label_noise: expected a share between 0 and 1, got {self.share!r}")
        if self.kind not in get_args(NoiseKind):
            raise ValueError(f"noise: expected one of {', '.join(get_args(NoiseKind))}, got {self.kind!r}")

    def told(self) -> dict[str, Any]:
        """Return it for settings and provenance."""
        return asdict(self)

    def apply(self, dataset: Dataset, seed: int = 0) -> Dataset:
        """Give images of a data set wrong labels; only classes that have images take part.

        Within a class the images are ordered by SHA-256 of seed, class and item; the first of them are wrong, and the
        class of one is told by another digest of the same. So a larger share keeps the wrong labels of a smaller one.

        Parameters
        ----------
        dataset
            With classes: the training images.
        seed
            Any integer.

        Returns
        -------
        Dataset
            The same images and classes, other labels.

        Raises
        ------
        DatasetError
            If there are no labels, or only one class has images.

        Notes
        -----
        O(n log n). The field's two kinds: G. Patrini et al., "Making deep neural networks robust to label noise: a loss
        correction approach", CVPR 2017, arXiv:1609.03683.

        Examples
        --------
        >>> from pathlib import Path
        >>> data = Dataset("demo", Path("."), tuple(f"{i}" for i in range(6)), np.arange(6) // 2, ("a", "b", "c"))
        >>> LabelNoise(0.5, "asymmetric").apply(data).labels.tolist()
        [1, 0, 2, 1, 2, 0]
        """
        labels = dataset.require_labels()
        present = np.unique(labels)
        if len(present) < 2:
            raise DatasetError(f"{dataset.name}: expected images of two classes or more for wrong labels, found one")
        noisy = labels.copy()
        for place, label in enumerate(present.tolist()):
            name, members = dataset.classes[label], np.flatnonzero(labels == label).tolist()
            wrong = sorted(members, key=lambda i, name=name: drawn_by(seed, name, dataset.items[i], "wrong"))  # type: ignore[misc]
            others = [*present[place + 1 :].tolist(), *present[:place].tolist()]
            for i in wrong[: math.floor(len(members) * self.share + 0.5)]:
                drawn = int.from_bytes(drawn_by(seed, name, dataset.items[i], "label"), "little")
                noisy[i] = others[drawn % len(others) if self.kind == "symmetric" else 0]
        return replace(dataset, labels=noisy)

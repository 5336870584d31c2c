"""What the seeds of a table draw: a split of every class, classes that are not trained on, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.datasets import Dataset, LabelNoise, Split, low_shot, split_of, stratified_split, unseen_split
from rsir_fast.datasets.split_files import preset_share
from rsir_fast.errors import DatasetError
from rsir_fast.protocols.dhcnn2021 import dhcnn2021_rules
from rsir_fast.protocols.protocol import GALLERIES, Gallery, SplitSource

__all__ = ["Drawing"]


@dataclass(frozen=True)
class Drawing:
    """What a seed draws.

    Attributes
    ----------
    train : float or None
        Share of every class to train on.
    unseen : float or None
        Share of the classes that are not trained on.
    shots : int or None
        Training images of every class that are kept of it.
    given : Split or None
        The split of all seeds.
    file : str or None
        Name of the file that it was read from.
    """

    train: float | None = None
    unseen: float | None = None
    shots: int | None = None
    given: Split | None = None
    file: str | None = None

    @classmethod
    def of(
        cls,
        train: float,
        unseen: float | None,
        split: Split | str | Path | None,
        data: Dataset,
        shots: int | None = None,
    ) -> Drawing:
        """Understand what a caller asks for.

        Raises
        ------
        ValueError
            If both unseen classes and a split are asked for, or shares are out of range.
        DatasetError
            If the split is of other images, or its file cannot be read.
        """
        if unseen is not None and split is not None:
            raise ValueError("unseen: expected no split beside it, as whole classes are drawn, got both")
        if unseen is not None:
            return cls(unseen=unseen, shots=shots)
        if split is None:
            return cls(train=train, shots=shots)
        if isinstance(split, Split):
            split.apply(data)
            return cls(given=split, shots=shots)
        share = preset_share(str(split))
        if share is not None:
            return cls(train=share, shots=shots)
        return cls(given=split_of(split, data), file=Path(split).name, shots=shots)

    def split(self, data: Dataset, seed: int) -> Split:
        """Return the split of a seed.

        Raises
        ------
        DatasetError
            If nothing is left to test on.
        """
        if self.given is not None:
            found = self.given
        elif self.unseen is not None:
            found = unseen_split(data, unseen=self.unseen, seed=seed)
        else:
            found = stratified_split(data, train=0.0 if self.train is None else self.train, seed=seed)
        if not found.test:
            raise DatasetError(
                f"{data.name}: expected a class with two images or more, to train on and to test, found none"
            )
        return found if self.shots is None else low_shot(found, data, self.shots, seed)

    def tested(self, splits: dict[int, Split]) -> float | None:
        """Return the share of the images used that a seed draws for testing; None where all seeds share one split."""
        if self.given is not None:
            return None
        one = next(iter(splits.values()))
        return len(one.test) / (len(one.test) + len(one.train))

    def told(self) -> dict[str, Any]:
        """Return what runs depend on beside the share for training."""
        told: dict[str, Any] = {} if self.shots is None else {"shots": self.shots}
        if self.given is not None:
            told["split"] = self.given.digest
        return told if self.unseen is None else {**told, "unseen": self.unseen}

    def source(self, seeds: tuple[int, ...], label_noise: LabelNoise | None = None) -> SplitSource:
        """State where the splits of the seeds come from, and what is taught of them."""
        told: dict[str, Any] = {} if self.shots is None else {"shots": self.shots}
        if label_noise is not None:
            told |= {"label_noise": label_noise.share, "noise": label_noise.kind}
        if self.given is None or told:
            told["seeds"] = seeds
        if self.given is not None:
            share = round(len(self.given.train) / (len(self.given.train) + len(self.given.test)), 4)
            return SplitSource(kind="given", train=share, file=self.file, **told)
        if self.unseen is None:
            return SplitSource(kind="drawn", train=self.train, **told)
        return SplitSource(kind="unseen classes", unseen=self.unseen, **told)

    def settings(
        self,
        data: Dataset,
        splits: dict[int, Split],
        cutoffs: tuple[int, ...],
        label_noise: LabelNoise | None = None,
    ) -> dict[str, Any]:
        """State what the seeds have drawn, as settings of a table."""
        gallery: tuple[Gallery, ...] = GALLERIES[:2] if self.unseen is None else ("test",)
        settings: dict[str, Any] = {
            "rules": dhcnn2021_rules(self.source(tuple(splits), label_noise), cutoffs, gallery),
        }
        if label_noise is not None:
            settings |= {"label_noise": label_noise.share, "noise": label_noise.kind}
        if self.unseen is not None:
            tested = [split.apply(data)[1] for split in splits.values()]
            settings["unseen_classes"] = tuple(
                tuple(data.classes[label] for label in np.unique(part.require_labels())) for part in tested
            )
        return settings

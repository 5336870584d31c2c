"""What a hash model says of images, and which of them a split has for training and testing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.shown import counted
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset, Split
from rsir_fast.encoders.hash_training import Training
from rsir_fast.errors import DatasetError
from rsir_fast.hashing import made_by_model
from rsir_fast.protocols.taught import taught
from rsir_fast.retrieval.coded import remarks_on_codes

__all__ = ["CodedImages", "Members", "TrainedQueries", "check_split", "coded_images"]

TrainedQueries = Literal["refuse", "leave-out", "keep"]
"""What becomes of test images of a split that the model was trained on."""


class Members(NamedTuple):
    """True labels of all images, and which are for training and which for testing.

    Attributes
    ----------
    labels : array, int64 [n]
        In the model's numbering.
    train, test : array, int64
        Rows; unreadable images are left out.
    trained_on : array, bool [n]
        Whether the model was trained on an image.
    trained_queries : int
        Test images of the split that it was trained on, also where they are left out.
    """

    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    trained_on: NDArray[np.bool_]
    trained_queries: int = 0


@dataclass(frozen=True)
class CodedImages:
    """What a hash model says of images, and what is true of them.

    Attributes
    ----------
    bits, classes, training
        Of the model.
    codes, predicted, probability : array [n, ...]
        What it says; labels and their probabilities mean nothing unless `labelled`.
    split : Split or None
        That was given.
    members : Members
    remarks : tuple of str
        What is to be known of them.
    """

    bits: int
    classes: list[str]
    training: dict[str, Any]
    codes: NDArray[np.uint8]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    labelled: bool
    split: Split | None
    members: Members
    remarks: tuple[str, ...] = ()

    @property
    def other_split(self) -> Split | None:
        """The split where it is not the model's own; images that training could not read are of its own as well."""
        if self.split is None:
            return None
        training = Training.model_validate(self.training)
        own, lost = training.split, {unread.item for unread in training.skipped}
        same = (
            own is not None and set(self.split.train) - lost == set(own.train) and set(self.split.test) == set(own.test)
        )
        return None if same else self.split

    @property
    def labels(self) -> NDArray[np.int64]:
        """True classes, in the model's numbering."""
        return self.members.labels

    @property
    def train(self) -> NDArray[np.int64]:
        """Rows of the training images of the split."""
        return self.members.train

    @property
    def test(self) -> NDArray[np.int64]:
        """Rows of the queries."""
        return self.members.test

    @property
    def trained_classes(self) -> NDArray[np.bool_]:
        """Which classes the model was trained on, [K]; all, where none of its training images is here."""
        known = self.labels[self.members.trained_on]
        return np.isin(np.arange(len(self.classes)), known) if len(known) else np.ones(len(self.classes), np.bool_)


def check_split(
    images: Features | Dataset,
    made: dict[str, Any],
    split: Split | None = None,
    trained_queries: TrainedQueries = "refuse",
) -> Members:
    """Find the training and test images of a split among those of a data set.

    Parameters
    ----------
    images : Features or Dataset
        With classes.
    made : dict
        What the provenance of the model's backbone has under ``hash``.
    split : Split, optional
        Default: the model's own.
    trained_queries : {"refuse", "leave-out", "keep"}
        What becomes of test images of `split` that the model was trained on.

    Returns
    -------
    Members

    Raises
    ------
    DatasetError
        If there are no classes, others than the model's, no training or test images of the split, or the model was
        trained on test images, which is neither left out nor kept; or on all of them.
    ValueError
        For an unknown `trained_queries`.
    """
    if trained_queries not in get_args(TrainedQueries):
        raise ValueError(
            f"trained_queries: expected one of {', '.join(get_args(TrainedQueries))}, got {trained_queries!r}"
        )
    classes = list(made["classes"])
    if images.labels is None or set(images.classes) != set(classes):
        found = "none" if images.labels is None else ", ".join(images.classes)
        raise DatasetError(f"{images.name}: expected the classes of the model ({', '.join(classes)}), found {found}")
    labels = np.array([classes.index(name) for name in images.classes])[images.labels]
    row = {item: number for number, item in enumerate(images.items)}
    own = made["training"]["split"]
    parts = (
        {"train": own["train"], "test": own["test"]} if split is None else {"train": split.train, "test": split.test}
    )
    of, remedy = (
        ("the model's split", "use the data set that the model was trained on")
        if split is None
        else ("the split", "use a split of this data set")
    )

    def members(part: str) -> NDArray[np.int64]:
        wanted = parts[part]
        if not wanted:
            raise DatasetError(f"{images.name}: expected a split with {part} images, got one without; name another")
        found = np.array([row[item] for item in wanted if item in row], dtype=np.int64)
        if found.size == 0:
            raise DatasetError(
                f"{images.name}: expected {part} images of {of}, such as {printable(wanted[0])}, found none of them; "
                f"{remedy}"
            )
        return found

    both = Members(labels, members("train"), members("test"), taught(made, images.items))
    return both if split is None else _without_trained(images, both, trained_queries)


def _without_trained(images: Features | Dataset, found: Members, trained_queries: TrainedQueries) -> Members:
    """Refuse test images that the model was trained on, or leave them out, or count them."""
    known = found.trained_on[found.test]
    count = int(known.sum())
    if count and trained_queries == "refuse":
        raise DatasetError(
            f"{images.name}: expected test images that the model was not trained on, but it was trained on {count} of "
            f"the {len(known)} of the split, such as {printable(images.items[found.test[known][0]])}; train a model by "
            "this split, or say what becomes of them: trained_queries='leave-out' or trained_queries='keep'"
        )
    if trained_queries == "leave-out":
        if known.all():
            raise DatasetError(
                f"{images.name}: expected test images that the model was not trained on, but it was trained on all "
                f"{len(known)} of the split; train a model by this split"
            )
        found = found._replace(test=found.test[~known])
    return found._replace(trained_queries=count)


def coded_images(
    features: Features, split: Split | None = None, trained_queries: TrainedQueries = "refuse"
) -> CodedImages:
    """Put together what a hash model says of images, and what is true of them.

    Raises
    ------
    FeaturesError
        If the features are of no hash model.
    DatasetError, ValueError
        As of `check_split`.
    """
    made = made_by_model(features)
    scores = np.asarray(features["probabilities"])
    found = CodedImages(
        int(made["bits"]),
        list(made["classes"]),
        made["training"],
        np.asarray(features["codes"]),
        scores.argmax(1),
        scores.max(1),
        bool((scores.max(1) > scores.min(1)).any()),
        split,
        check_split(features, made, split, trained_queries),
    )
    remarks = [*remarks_on_codes(features), *_on_trained(found), *_not_here(found), *_untrained(found)]
    return replace(found, remarks=tuple(remarks))


def _on_trained(images: CodedImages) -> list[str]:
    """Say what a split that is not the model's own has of the images that it was trained on."""
    own = images.training["split"]
    if images.other_split is None:
        return []
    members, known = images.members, int(images.members.trained_on.sum())
    if not known:
        return [
            f"none of the images that the model was trained on ({len(own['train'])}) is here by its name: "
            "whether test images are among them cannot be told"
        ]
    told = [
        f"the split is not the model's own: it was trained on {int(members.trained_on[images.train].sum())} of the "
        f"{len(images.train)} training images of the split"
    ]
    if members.trained_on[images.test].any():
        told.append(
            f"leakage: {members.trained_queries} of {len(images.test)} queries are images that the model was trained "
            "on; the figures say little of new images"
        )
    elif members.trained_queries:
        told.append(
            f"{members.trained_queries} of {len(images.test) + members.trained_queries} test images of the split are "
            "left out, as the model was trained on them"
        )
    return told


def _not_here(images: CodedImages) -> list[str]:
    """Say how many images of the split are not among those evaluated."""
    own, other, test = images.training["split"], images.other_split, len(images.test)
    if other is None:
        of, wanted = "the model's split", {"training": len(own["train"]), "test": len(own["test"])}
    else:
        of, wanted = "the split", {"training": len(other.train), "test": len(other.test)}
        if not images.members.trained_on[images.test].any():
            test += images.members.trained_queries  # left out, not missing
    found = {"training": len(images.train), "test": test}
    return [
        f"{count - found[part]} of the {count} {part} images of {of} are not here, or could not be read"
        for part, count in wanted.items()
        if found[part] < count
    ]


def _untrained(images: CodedImages) -> list[str]:
    """Say which test images are of classes that were not trained on."""
    tested = images.labels[images.test]
    untrained = ~images.trained_classes[tested]
    if not untrained.any():
        return []
    classes = counted(len(np.unique(tested[untrained])), "class", "classes")
    ranked = (
        ""
        if np.isin(tested[untrained], images.labels[images.train]).any()
        else ("they have nothing relevant among the training images, and ")
    )
    return [
        f"{int(untrained.sum())} of {len(images.test)} test images are of {classes} that were not trained on: "
        f"{ranked}no label of theirs can be right"
    ]

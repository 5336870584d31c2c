"""What Song et al. 2021 and the authors' release set for each of their data sets."""

from __future__ import annotations

from typing import NamedTuple

from rsir_fast.datasets.known import find_by_name
from rsir_fast.protocols.hash_retrieval import CUTOFFS

__all__ = ["PAPER", "PaperSetting", "dhcnn2021_paper"]


class PaperSetting(NamedTuple):
    """The setting of the paper or the release for a data set; what is not here is the recipe's or the network's.

    Attributes
    ----------
    dataset : str
        Name, as `rsir_fast.datasets.KNOWN_LAYOUTS` has it.
    train : float
        Share of every class that is trained on.
    beta : float
        Weight of the distance from binary, `rsir_fast.hashing.HashLoss.beta`.
    cutoffs : tuple of int
        Numbers of returned images for precision and recall.
    """

    dataset: str
    train: float
    beta: float
    cutoffs: tuple[int, ...] = CUTOFFS


PAPER = (
    PaperSetting("UCMerced_LandUse", train=0.8, beta=25.0),
    PaperSetting("AID", train=0.5, beta=25.0),
    PaperSetting("WHU-RS19", train=0.5, beta=10.0, cutoffs=tuple(range(1, 482, 20))),
    PaperSetting("PatternNet", train=0.8, beta=25.0),
)


def dhcnn2021_paper(dataset: str) -> PaperSetting:
    """Find what Song et al. 2021 or their release set for a data set, by its name.

    Parameters
    ----------
    dataset : str
        Of the data set or its folder, however it is spelled: ``Dataset.name``, ``"UC Merced"``, ``"WHU-RS"``.

    Returns
    -------
    PaperSetting
        As in the authors' MATLAB release, but for the share of WHU-RS, which is not in there: about a half. PatternNet
        is in the release alone, with its share; beta and cut-offs are those that its script has for any data set.

    Raises
    ------
    ValueError
        If neither has it: names those that they have.

    Examples
    --------
    >>> found = dhcnn2021_paper("WHU-RS")
    >>> found.dataset, found.train, found.beta, found.cutoffs[:3], found.cutoffs[-1]
    ('WHU-RS19', 0.5, 10.0, (1, 21, 41), 481)
    """
    known = find_by_name(dataset)
    found = next((setting for setting in PAPER if known is not None and setting.dataset == known.name), None)
    if found is None:
        names = ", ".join(setting.dataset for setting in PAPER)
        raise ValueError(
            f"paper: expected a data set of Song et al. 2021 or their release ({names}), got {dataset!r}; give the "
            "training share and beta yourself"
        )
    return found

"""Table of the benchmark data sets: their classes and how many images were published."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["KNOWN_LAYOUTS", "KnownLayout", "find_by_classes", "find_by_name", "fold", "words"]


def fold(name: str) -> str:
    """Reduce a name to its letters and digits, in lower case: spellings vary between copies of a data set.

    Examples
    --------
    >>> fold("Dense_Residential") == fold("denseresidential")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


@dataclass(frozen=True)
class KnownLayout:
    """A published data set.

    Parameters
    ----------
    name
        As reports print it.
    aliases
        Folder names it is found under, folded.
    classes
        Class names, folded.
    images
        Number of images published.
    homepage
        Where it can be obtained.
    per_class
        The published number of images of every class, if it is the same for all.
    first
        The protocol takes the first so many images of each class, if not all.
    """

    name: str
    aliases: frozenset[str]
    classes: frozenset[str]
    images: int
    homepage: str
    per_class: int | None = None
    first: int | None = None


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


KNOWN_LAYOUTS: tuple[KnownLayout, ...] = (
    KnownLayout(
        name="UCMerced_LandUse",
        aliases=words("ucmercedlanduse ucmerced ucm ucmlanduse"),
        classes=words(
            "agricultural airplane baseballdiamond beach buildings chaparral denseresidential forest freeway "
            "golfcourse harbor intersection mediumresidential mobilehomepark overpass parkinglot river runway "
            "sparseresidential storagetanks tenniscourt"
        ),
        images=2100,
        per_class=100,
        homepage="http://weegee.vision.ucmerced.edu/datasets/landuse.html",
    ),
    KnownLayout(
        name="WHU-RS19",
        aliases=words("whurs19 whurs rs19"),
        classes=words(
            "airport beach bridge commercial desert farmland footballfield forest industrial meadow mountain park "
            "parking pond port railwaystation residential river viaduct"
        ),
        images=1005,
        first=50,
        homepage="https://captain-whu.github.io/BED4RS/",
    ),
    KnownLayout(
        name="AID",
        aliases=words("aid aiddataset"),
        classes=words(
            "airport bareland baseballfield beach bridge center church commercial denseresidential desert "
            "farmland forest industrial meadow mediumresidential mountain park parking playground pond port "
            "railwaystation resort river school sparseresidential square stadium storagetanks viaduct"
        ),
        images=10000,
        homepage="https://captain-whu.github.io/AID/",
    ),
    KnownLayout(
        name="RSSCN7",
        aliases=words("rsscn7 rsscn7master"),
        classes=words("agrass bfield cindustry driverlake eforest fresident gparking"),
        images=2800,
        per_class=400,
        homepage="https://github.com/palewithout/RSSCN7",
    ),
    KnownLayout(
        name="PatternNet",
        aliases=words("patternnet"),
        classes=words(
            "airplane baseballfield basketballcourt beach bridge cemetery chaparral christmastreefarm closedroad "
            "coastalmansion crosswalk denseresidential ferryterminal footballfield forest freeway golfcourse "
            "harbor intersection mobilehomepark nursinghome oilgasfield oilwell overpass parkinglot parkingspace "
            "railway river runway runwaymarking shippingyard solarpanel sparseresidential storagetank "
            "swimmingpool tenniscourt transformerstation wastewatertreatmentplant"
        ),
        images=30400,
        per_class=800,
        homepage="https://sites.google.com/view/zhouwx/dataset",
    ),
    KnownLayout(
        name="NWPU-RESISC45",
        aliases=words("nwpuresisc45 resisc45 nwpu"),
        classes=words(
            "airplane airport baseballdiamond basketballcourt beach bridge chaparral church circularfarmland "
            "cloud commercialarea denseresidential desert forest freeway golfcourse groundtrackfield harbor "
            "industrialarea intersection island lake meadow mediumresidential mobilehomepark mountain overpass "
            "palace parkinglot railway railwaystation rectangularfarmland river roundabout runway seaice ship "
            "snowberg sparseresidential stadium storagetank tenniscourt terrace thermalpowerstation wetland"
        ),
        images=31500,
        per_class=700,
        homepage="https://gcheng-nwpu.github.io/",
    ),
    KnownLayout(
        name="EuroSAT",
        aliases=words("eurosat eurosatrgb 2750"),
        classes=words(
            "annualcrop forest herbaceousvegetation highway industrial pasture permanentcrop residential river sealake"
        ),
        images=27000,
        homepage="https://github.com/phelber/EuroSAT",
    ),
)


def find_by_name(name: str) -> KnownLayout | None:
    """Find the data set a folder name stands for.

    Examples
    --------
    >>> find_by_name("NWPU-RESISC45").images, find_by_name("holiday") is None
    (31500, True)
    """
    return next((known for known in KNOWN_LAYOUTS if fold(name) in known.aliases), None)


def find_by_classes(classes: Iterable[str], folder_names: Iterable[str]) -> KnownLayout | None:
    """Find the data set that has these classes.

    Parameters
    ----------
    classes
        Names of the class folders found.
    folder_names
        Names of the folder and its nearest parents. A copy with classes missing or added is recognised only if one of
        these names the data set as well, and at least half of its classes are there.

    Returns
    -------
    KnownLayout or None
        None where the classes are nobody's.

    Examples
    --------
    >>> find_by_classes(["aGrass", "bField", "cIndustry", "dRiverLake"], ["RSSCN7"]).name
    'RSSCN7'
    """
    found = {fold(name) for name in classes}
    for known in KNOWN_LAYOUTS:
        if found == known.classes:
            return known
    for known in filter(None, map(find_by_name, folder_names)):
        if 2 * len(found & known.classes) >= len(known.classes):
            return known
    return None

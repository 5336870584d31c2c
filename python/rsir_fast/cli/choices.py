"""Options whose values are words out of a few."""

from __future__ import annotations

from enum import Enum


class Precision(str, Enum):
    """Arithmetic of the network."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Decoder(str, Enum):
    """What decodes JPEG files."""

    cpu = "cpu"
    cuda = "cuda"


class Normalize(str, Enum):
    """Gaussian normalisation."""

    row = "row"
    feature = "feature"
    none = "none"


class Normalization(str, Enum):
    """Normalisation of an evaluation."""

    row = "row"
    feature = "feature"
    minmax = "minmax"
    none = "none"


class Distance(str, Enum):
    """Distance of an evaluation."""

    euclidean = "euclidean"
    l1 = "l1"


class TrainedQueries(str, Enum):
    """What becomes of test images that a model was trained on."""

    refuse = "refuse"
    leave_out = "leave-out"
    keep = "keep"


class Divisor(str, Enum):
    """What AP@k divides by."""

    found = "found"
    min = "min"
    relevant = "relevant"


class Gain(str, Enum):
    """Gain of NDCG."""

    exponential = "exponential"
    linear = "linear"


class AnmrrK(str, Enum):
    """K of ANMRR."""

    two_ng = "2ng"
    mpeg7 = "mpeg7"


class AnmrrPenalty(str, Enum):
    """The rank of a relevant image beyond K."""

    quarter = "1.25k"
    next = "k+1"

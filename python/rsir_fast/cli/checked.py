"""Values of options that are refused as they are read: before anything heavy is imported, opened or announced.

What the library asks is asked of itself where that is light; the rest is stated here again, and a test compares both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import typer

from rsir_fast.base.libraries import LIBRARIES, is_of_library
from rsir_fast.cli.completion import CAFFE, CAFFE_LAYERS, DESCRIPTORS, complete_backbone

__all__ = [
    "cutoffs",
    "device",
    "encoder",
    "encoders_of_rows",
    "galleries",
    "gallery",
    "lengths",
    "method",
    "methods",
    "network",
    "number",
    "split",
    "steps",
    "to_rerank",
    "weights",
]

SHORTEST, LONGEST = 8, 1024
"""Bits of a code."""

GALLERIES = ("train", "test", "rest", "all")
"""What queries can be ranked against."""

_DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)")


def number(
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> Callable[[float | None], float | None]:
    """Return a callback that takes finite numbers in a range."""
    ends = [("above", above), ("of at least", least), ("below", below), ("of at most", most)]
    told = " and ".join(f"{word} {end:g}" for word, end in ends if math.isfinite(end))

    def check(value: float | None) -> float | None:
        fits = value is None or (math.isfinite(value) and above < value < below and least <= value <= most)
        if not fits:
            raise typer.BadParameter(f"expected a number {told}, got {value}")
        return value

    return check


def gallery(word: str | None) -> str | None:
    """Refuse no word at all; whether a folder is there only reading it can tell."""
    if word == "":
        raise typer.BadParameter(f"expected one of {', '.join(GALLERIES)}, or a folder of features, got nothing")
    return word


def galleries(text: str) -> str:
    """Refuse what is no part of the images."""
    names = text.split(",")
    if len(set(names)) < len(names) or set(names) - set(GALLERIES):
        raise typer.BadParameter(
            f"expected some of {', '.join(GALLERIES)}, each once, such as train,test, got {text!r}"
        )
    return text


def split(word: str | None) -> str | None:
    """Refuse two shares that do not add up; whether a file is there only reading it can tell."""
    if word is None:
        return None
    from rsir_fast.datasets.split_files import preset_share

    if not word:
        raise typer.BadParameter("expected shares such as 80/20, or a file, got nothing")
    try:
        preset_share(word)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("split: ")) from None
    return word


def _near(name: str, names: Sequence[str]) -> str:
    """Name what was meant, perhaps."""
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def encoder(text: str | None) -> str | None:
    """Refuse an encoder that cannot be meant; whether weights are there only loading can tell."""
    if text is None:
        return None
    from rsir_fast.encoders.word import parse_word

    try:
        word = parse_word(text)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("encoder: ")) from None
    if word.is_model or word.is_descriptor or is_of_library(word.name):  # libraries know their own, once loaded
        return text
    names = complete_backbone("")
    if word.name not in names:
        near = (
            _near(word.name, [*names, *DESCRIPTORS, *LIBRARIES]) or "; `rsir doctor --all-networks` lists the networks"
        )
        raise typer.BadParameter(f"unknown encoder {word.name!r}{near}")
    for layer in word.layers:
        if word.name in CAFFE and layer not in CAFFE_LAYERS:  # those of other networks are nodes of a graph
            raise typer.BadParameter(f"{word.name!r} has no layer {layer!r}; expected one of {', '.join(CAFFE_LAYERS)}")
    return text


def network(text: str) -> str:
    """Refuse what is no network that can be trained, or whose features are."""
    from rsir_fast.encoders.word import parse_word

    encoder(text)
    word = parse_word(text)
    if word.is_descriptor:
        raise typer.BadParameter(f"expected a network, got {word.name}, which runs none")
    if word.is_model:
        raise typer.BadParameter(
            f"expected a network such as mobilenet_v2, got a trained model, {text}; `rsir evaluate dhcnn2021 FOLDER "
            "--encoder FILE` measures it"
        )
    return text


def encoders_of_rows(given: list[str] | None) -> list[str] | None:
    """Refuse what makes no row of the tables."""
    for text in given or []:
        if text == "none":
            continue
        from rsir_fast.encoders.word import Word, parse_row, parse_word

        try:
            made_by = parse_row(text).encoder
        except ValueError as error:
            raise typer.BadParameter(str(error).removeprefix("encoder: ")) from None
        encoder(made_by)
        word = parse_word(made_by)
        if is_of_library(word.name):
            raise typer.BadParameter(f"expected a network of ours or torchvision's, got {text!r}; see `rsir evaluate`")
        if word.is_model or word != Word(name=word.name, layers=word.layers[:1]):
            raise typer.BadParameter(
                f"expected NAME or NAME:LAYER alone, as all rows have the same options, got {text!r}"
            )
    return given


def device(name: str | None) -> str | None:
    """Refuse what is no device; whether it is here only torch can tell."""
    if name is not None and not _DEVICE.fullmatch(name):
        raise typer.BadParameter(f"expected a device such as cpu, cuda or cuda:1, got {name!r}")
    return name


def weights(text: str | None) -> str | None:
    """Refuse random weights without a seed."""
    if text is not None and text.startswith("random:"):
        seed = text.removeprefix("random:")
        if not seed.isdecimal() or int(seed) >= 1 << 63:
            raise typer.BadParameter(f"expected random:SEED with a whole number below 2^63, got {text!r}")
    return text


def lengths(given: list[str] | None) -> list[str] | None:
    """Refuse what are no lengths of codes."""
    for text in given or []:
        for part in text.split(","):
            length = part.strip()
            if not (length.isascii() and length.isdigit()):
                raise typer.BadParameter(f"expected hash lengths such as 16,32,64, got {length!r}")
            if not SHORTEST <= int(length) <= LONGEST:
                raise typer.BadParameter(f"expected hash lengths of {SHORTEST} to {LONGEST}, got {length}")
    return given


HASHING = (
    "dhcnn",
    "dpsh",
    "hashnet",
    "greedyhash",
    "csq",
    "dsh",
    "dhn",
    "idhn",
    "triplet",
    "multi-similarity",
    "proxy-anchor",
)
"""Names of `rsir_fast.hashing.METHODS`, which imports torch."""


def method(name: str) -> str:
    """Refuse what is no method of hashing or metric learning."""
    if name not in HASHING:
        near = _near(name, HASHING)
        raise typer.BadParameter(f"expected one of {', '.join(HASHING)}, got {name!r}{near}")
    return name


def methods(given: list[str] | None) -> list[str] | None:
    """Refuse what are no methods of hashing or metric learning."""
    for text in given or []:
        for part in text.split(","):
            if part not in HASHING:
                raise typer.BadParameter(f"expected methods of {', '.join(HASHING)}, got {part!r}")
    return given


def cutoffs(text: str | None) -> str | None:
    """Refuse what are no numbers of returned images."""
    for part in [] if text is None else text.split(","):
        number = part.strip()
        if not (number.isascii() and number.isdigit() and 1 <= int(number) < 1 << 31):
            raise typer.BadParameter(f"expected numbers of returned images such as 1,10,100, got {number!r}")
    return text


def steps(given: Any) -> Any:
    """Refuse post-processing that cannot be understood; once, or several times."""
    if given:
        from rsir_fast.retrieval import parse_steps

        _understand(parse_steps, given)
    return given


def to_rerank(given: Any) -> Any:
    """Refuse re-ranking that cannot be understood; once, or several times."""
    if given:
        from rsir_fast.retrieval import parse_rerank

        if isinstance(given, str) and given.isdecimal():
            raise typer.BadParameter(
                f"expected expand:K, augment:K or diffuse:K, got {given!r}; how many codes of a trained model are "
                "ordered anew is --rerank-codes"
            )
        _understand(parse_rerank, given)
    return given


def _understand(parse: Callable[[str], object], given: str | list[str]) -> None:
    try:
        for text in [given] if isinstance(given, str) else given:
            parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("steps: ").removeprefix("rerank: ")) from None

"""One word for an encoder: ``mobilenet_v2:gap``, ``cnn-m:pool5+fc6``, ``bovw-150``, ``model.safetensors``."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rsir_fast.base.libraries import is_of_library
from rsir_fast.base.visual_words import parse_visual_words
from rsir_fast.encoders.fields import Frozen

__all__ = ["DESCRIPTORS", "GRAMMAR", "RowWord", "Word", "is_descriptor", "parse_row", "parse_word"]

GRAMMAR = "NAME[:LAYER[+LAYER]][,resize=short-side][,turns=mean|each][,sizes=224+320][,precision=bfloat16]"

DESCRIPTORS = ("bovw-150", "bovw-15000", "morphological-62", "colour-histogram", "hog", "lbp")
"""Those that a list shows; ``bovw-N[-dense][-root][,norm=l1|l2|root][,detector=dog|dense]`` goes with any N."""

_CHOICES = {
    "resize": ("whole", "short-side"),
    "turns": ("upright", "mean", "each"),
    "precision": ("float32", "bfloat16"),
}
_COMPARED = {"normalize": ("row", "feature", "minmax", "none"), "distance": ("euclidean", "l1")}
_KEYS = (*_CHOICES, "sizes", "width")
_OPTIONS = re.compile(rf"(?P<name>.*?)(?P<options>(,({'|'.join(_KEYS)})=[^,]*)*)", re.DOTALL)
_SMALLEST = 32


class Word(Frozen):
    """What a word says.

    Attributes
    ----------
    name : str
        Of a network or descriptor, or the path of a hash model; of another library's model with the library:
        ``timm:resnet18``; of visual words with their options: ``bovw-150,norm=root``.
    layers : tuple of str
        Of a network; empty: its own.
    resize, turns, sizes, width, precision
        As in a spec.
    """

    name: str
    layers: tuple[str, ...] = ()
    resize: Literal["whole", "short-side"] = "whole"
    turns: Literal["upright", "mean", "each"] = "upright"
    sizes: tuple[int, ...] = ()
    width: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    @property
    def is_model(self) -> bool:
        """Whether it is the path of a hash model."""
        return _is_path(self.name)

    @property
    def is_descriptor(self) -> bool:
        """Whether it is a shallow descriptor, which runs no network."""
        return is_descriptor(self.name)


def is_descriptor(name: str) -> bool:
    """Tell whether a name is that of a descriptor.

    Examples
    --------
    >>> is_descriptor("bovw-200-dense"), is_descriptor("hog"), is_descriptor("cnn-m")
    (True, True, False)
    """
    return name in DESCRIPTORS or parse_visual_words(name) is not None


class RowWord(NamedTuple):
    """What the name of a row of a table says: an encoder, and how its vectors are compared where it is not as usual.

    Attributes
    ----------
    encoder : str
    normalize : {"", "row", "feature", "minmax", "none"}
    distance : {"", "l1"}
    """

    encoder: str
    normalize: str = ""
    distance: str = ""

    def __str__(self) -> str:
        told = zip(self._fields[1:], self[1:], strict=True)
        return self.encoder + "".join(f",{key}={value}" for key, value in told if value)


def parse_row(text: str) -> RowWord:
    """Understand the name of a row; its encoder is left as it is.

    Raises
    ------
    ValueError
        If how it is compared cannot be understood, or is not a descriptor's to choose.

    Examples
    --------
    >>> parse_row("bovw-150,norm=l1,distance=l1,normalize=none")
    RowWord(encoder='bovw-150,norm=l1', normalize='none', distance='l1')
    """
    encoder, *options = text.split(",")
    given: dict[str, str] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in _COMPARED:
            encoder += f",{option}"
        elif value not in _COMPARED[key] or key in given:
            expected = f"{key}={' or '.join(_COMPARED[key])}"
            raise ValueError(f"encoder: expected {expected}, once, got {text!r}")
        else:
            given[key] = value
    if given and not is_descriptor(encoder):
        raise ValueError(f"encoder: expected {next(iter(given))}= of a shallow descriptor alone, got {text!r}")
    return RowWord(encoder, given.get("normalize", ""), given.get("distance", "").replace("euclidean", ""))


def _is_path(name: str) -> bool:
    return not is_of_library(name) and (name.endswith(".safetensors") or "/" in name)


def parse_word(text: str) -> Word:
    """Understand a word; whether there is such a network or layer is not asked.

    Raises
    ------
    ValueError
        If it cannot be understood, or options do not go together.

    Examples
    --------
    >>> word = parse_word("cnn-m:pool5+fc6,resize=short-side")
    >>> word.name, word.layers, word.resize
    ('cnn-m', ('pool5', 'fc6'), 'short-side')
    >>> parse_word("mobilenet_v2,turn=mean")
    Traceback (most recent call last):
        ...
    ValueError: encoder: expected resize=, turns=, precision=, sizes= or width= after the comma, got 'turn=mean'
    """
    words = parse_visual_words(text)
    if words is not None:
        return Word(name=str(words))
    found = _OPTIONS.fullmatch(text)
    assert found is not None  # an empty name and no options fit anything
    name, options = found["name"], [part.partition("=") for part in found["options"].split(",")[1:]]
    if not _is_path(name) and "," in name:
        raise ValueError(
            "encoder: expected resize=, turns=, precision=, sizes= or width= after the comma, got "
            f"{name.partition(',')[2]!r}"
        )
    keys = [key for key, _, _ in options]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"encoder: expected {twice} once, got it twice in {text!r}")
    given = {key: _value(key, value) for key, _, value in options}
    layers: tuple[str, ...] = ()
    if not _is_path(name):
        library, colon, model = name.partition(":") if is_of_library(name) else ("", "", name)
        model, layered, rest = model.partition(":")
        layers = tuple(rest.split("+")) if layered else ()
        if library and not model:
            raise ValueError(f"encoder: expected the name of a model after {library}:, got {text!r}")
        name = f"{library}{colon}{model}"
    if not name or "" in layers:
        raise ValueError(f"encoder: expected {GRAMMAR}, got {text!r}")
    word = Word.model_validate({"name": name, "layers": layers, **given})
    _check(word, set(given))
    return word


def _value(key: str, text: str) -> object:
    if key in _CHOICES:
        if text not in _CHOICES[key]:
            raise ValueError(f"encoder: expected {key}={' or '.join(_CHOICES[key])}, got {text!r}")
        return text
    try:
        if key == "width":
            width = float(text)
            if not 0 < width <= 1:
                raise ValueError
            return width
        sizes = tuple(int(part) for part in text.split("+"))
    except ValueError:
        expected = "a share above 0 and at most 1" if key == "width" else "whole numbers such as 224+320"
        raise ValueError(f"encoder: expected {key}={expected}, got {text!r}") from None
    if any(size < _SMALLEST for size in sizes) or len(set(sizes)) < len(sizes):
        raise ValueError(f"encoder: expected sizes= different numbers of at least {_SMALLEST}, got {text!r}")
    return sizes


def _check(word: Word, given: set[str]) -> None:
    """Refuse what does not go together."""
    if word.is_descriptor and (given or word.layers):
        raise ValueError(f"encoder: expected {word.name} alone, as it runs no network; leave out what follows it")
    if is_of_library(word.name) and given & {"resize", "width"}:
        wrong = sorted(given & {"resize", "width"})[0]
        raise ValueError(f"encoder: expected no {wrong}= for {word.name}, which is as its library has it; leave it out")
    if word.is_model and given - {"turns", "precision"}:
        wrong = sorted(given - {"turns", "precision"})[0]
        raise ValueError(f"encoder: expected no {wrong}= for a hash model, which brings its own network; leave it out")
    if word.is_model and word.turns == "each":
        raise ValueError("encoder: expected turns=mean for a hash model; turns=each keeps those of a plain network")
    if word.turns == "each" and word.sizes:
        raise ValueError("encoder: expected turns=each or sizes=, got both; training sees one size")
    if len(word.layers) > 1 and (word.turns != "upright" or word.sizes):
        raise ValueError(f"encoder: expected one layer beside turns= or sizes=, got {'+'.join(word.layers)}")

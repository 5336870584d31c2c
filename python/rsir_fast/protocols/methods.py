"""The rows of Ge et al. 2018: networks and layers, shallow descriptors, and what a user adds to them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from rsir_fast.backbones import TURNS, load_backbone
from rsir_fast.backbones.caffenets import NETWORKS, TABLE_LAYERS
from rsir_fast.backbones.catalogue import check_name, default_layer
from rsir_fast.backbones.torchvision_nets import layer_aliases
from rsir_fast.descriptors import load_descriptor
from rsir_fast.encoders.word import RowWord, parse_row
from rsir_fast.protocols.runs import LATER, slug

__all__ = ["BASELINES", "FURTHER", "GROUPS", "PAPER", "Method", "Source", "list_sources"]

PAPER = ("cnn-alex", "cnn-m", "cnn-16", "cnn-19")
"""The paper's networks."""
FURTHER = ("squeezenet1_1", "mobilenet_v2")
"""Networks measured beside them if nothing else is asked for."""
BASELINES = ("bovw-150", "bovw-15000", "morphological-62", "colour-histogram", "hog", "lbp")
"""The paper's shallow descriptors, and further cheap ones."""

GROUPS = ("networks of the paper", "shallow descriptors", "further networks", "beyond the paper")
"""Headings of the rows, in their order."""


@dataclass(frozen=True)
class Method:
    """A row: what makes the features, and how they are compared.

    Parameters
    ----------
    group : str
        Heading it stands under, one of `GROUPS`.
    maker : str
        Network or descriptor.
    layer : str
        Of a network; empty for a descriptor.
    turns : bool
        Mean over the image's eight turns.
    steps, rerank : str
        As `rsir_fast.evaluate_ge2018` takes them.
    normalize, distance : str
        Likewise, of a descriptor; empty: as usual, by row (morphological texture by feature) and Euclidean.
    """

    group: str
    maker: str
    layer: str = ""
    turns: bool = False
    steps: str = ""
    rerank: str = ""
    normalize: str = field(default="", metadata=LATER)
    distance: str = field(default="", metadata=LATER)

    def __str__(self) -> str:
        """Name it, as a user does.

        >>> str(Method("beyond the paper", "mobilenet_v2", "gap", turns=True, steps="l2"))
        'mobilenet_v2:gap, 8 turns, l2'
        """
        return ", ".join([self.plain, *self.options])

    @property
    def plain(self) -> str:
        """Network and layer, or descriptor and how it is compared."""
        return f"{self.maker}:{self.layer}" if self.layer else str(RowWord(self.maker, self.normalize, self.distance))

    @property
    def options(self) -> list[str]:
        """What goes beyond the paper."""
        return [text for text in (f"{TURNS} turns" if self.turns else "", self.steps, self.rerank) if text]

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return slug(str(self))


@dataclass(frozen=True)
class Source:
    """One pass over the images, and the methods that compare what it gives.

    Parameters
    ----------
    maker : str
        Network or descriptor.
    methods : tuple of Method
        All of this maker, with or without turns; one pass gives all layers of a network of the paper.
    """

    maker: str
    methods: tuple[Method, ...]

    def __str__(self) -> str:
        """Name it for a reader who waits."""
        return ", ".join([self.maker, *self.layers, *([f"{TURNS} turns"] if self.turns else [])])

    @property
    def turns(self) -> bool:
        """Whether features are means over turns."""
        return self.methods[0].turns

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers wanted, the first of the network first; none for a descriptor."""
        return tuple(dict.fromkeys(method.layer for method in self.methods if method.layer))


def list_sources(
    backbones: Sequence[str] = FURTHER,
    descriptors: Sequence[str] = BASELINES,
    *,
    turns: bool = False,
    steps: str = "",
    rerank: str = "",
) -> list[Source]:
    """List what makes the rows of the tables, in their order.

    Parameters
    ----------
    backbones : sequence of str
        Networks beside the paper's four: ``NAME`` or ``NAME:LAYER``.
    descriptors : sequence of str
        As `parse_row` takes them: ``bovw-150``, ``bovw-150,norm=root,distance=l1``.
    turns, steps, rerank
        Each adds a row to every one of `backbones`, on top of those before; for these rows `backbones` may name a
        network of the paper, too.

    Raises
    ------
    ValueError
        Unknown network, layer or descriptor, or one twice.

    Examples
    --------
    >>> sources = list_sources(["mobilenet_v2"], ["hog"], steps="l2", rerank="diffuse:50")
    >>> [str(method) for source in sources[3:] for method in source.methods][3:]
    ['hog', 'mobilenet_v2:gap', 'mobilenet_v2:gap, l2', 'mobilenet_v2:gap, l2, diffuse:50']
    """
    described: dict[str, list[Method]] = {}
    for row in map(parse_row, descriptors):
        maker = _as_word(row.encoder)
        method = Method(GROUPS[1], maker, normalize=row.normalize, distance=row.distance)
        described.setdefault(maker, []).append(method)
    beyond = turns or bool(steps) or bool(rerank)
    if beyond and not backbones:
        raise ValueError("turns, steps, rerank: expected networks to add rows to, got none; name one")
    of_paper = {name: [Method(GROUPS[0], name, layer) for layer in TABLE_LAYERS] for name in PAPER}
    others = [Source(name, tuple(methods)) for name, methods in described.items()]
    for given in backbones:
        name, _, asked = given.partition(":")
        check_name(name)
        layer = asked or default_layer(name)
        if layer not in (TABLE_LAYERS if name in NETWORKS else layer_aliases(name)):
            # A node of the graph, or nothing: whoever asks is told before the work.
            load_backbone(name, layer, "random:0")
        if name in PAPER and not beyond:
            raise ValueError(
                f"backbones: expected networks beside the paper's, got {given}, which is a row already; leave it out, "
                "or add turns, steps or rerank"
            )
        upwards = dict.fromkeys([(turns, "", ""), (turns, steps, ""), (turns, steps, rerank)])
        rows = [Method(GROUPS[3], name, layer, *options) for options in upwards if any(options)]
        if name in PAPER:
            of_paper[name] += [row for row in rows if not row.turns]
        else:
            rows.insert(0, Method(GROUPS[2], name, layer))
        for turned in (True,) if name in PAPER else (False, True):
            same_pass = tuple(row for row in rows if row.turns == turned)
            others += [Source(name, same_pass)] if same_pass else []
    found = [*(Source(name, tuple(methods)) for name, methods in of_paper.items()), *others]
    methods = [str(method) for source in found for method in source.methods]
    twice = next((name for name in methods if methods.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected each network and descriptor once, got {twice} twice; leave one out")
    return found


def _as_word(name: str) -> str:
    """Return the one name of a descriptor, whichever is given; as it is where its package is missing."""
    with contextlib.suppress(ImportError):
        return load_descriptor(name).word
    return name


def list_methods(sources: Sequence[Source], reference: str | None = None) -> list[Method]:
    """List the rows of the tables in their order.

    Raises
    ------
    ValueError
        If none of them is called `reference`.
    """
    methods = [method for source in sources for method in source.methods]
    methods.sort(key=lambda method: GROUPS.index(method.group))
    if reference is not None and reference not in map(str, methods):
        raise ValueError(f"reference: expected one of {'; '.join(map(str, methods))}; got {reference!r}")
    return methods

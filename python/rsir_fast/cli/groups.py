"""Options that belong together as one parameter of a command: a frozen data class, whose fields are the options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from rsir_fast.base.engine_names import EngineName
from rsir_fast.cli import options as opt

__all__ = [
    "EngineOptions",
    "ImageOptions",
    "MachineOptions",
    "MeasureOptions",
    "NetworkOptions",
    "PrintOptions",
    "ReaderOptions",
    "RunOptions",
    "SearchOptions",
    "ShownOptions",
    "WorkOptions",
    "with_groups",
]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its groups, each in the place of the group.

    A parameter whose type is a data class stands for the fields of the class: their types, with what Typer knows of
    them, and their defaults. The command is called with an object of the class.

    Parameters
    ----------
    command : callable
        Of a command's parameters, groups among them.

    Returns
    -------
    callable
        The same for Typer, without groups.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     width: int = 3
    ...     height: int = 2
    >>> @with_groups
    ... def area(*, name: str, size: Size) -> None:
    ...     print(name, size.width * size.height)
    >>> list(inspect.signature(area).parameters)
    ['name', 'width', 'height']
    >>> area(name="field", width=5, height=2)
    field 10
    """
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for name, parameter in signature.parameters.items():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[name] = kind
            hints = get_type_hints(kind, include_extras=True)
            parameters += [
                inspect.Parameter(each.name, parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
                for each in fields(kind)
            ]
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        command(**given)

    shown: Any = called
    shown.__signature__ = signature.replace(parameters=parameters)
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


@dataclass(frozen=True)
class ReaderOptions:
    """How image files are read."""

    bands: opt.Bands = None
    scale: opt.Scale = None


@dataclass(frozen=True)
class ImageOptions(ReaderOptions):
    """Which images, and how they are read: as `open_both` takes it."""

    all_items: opt.AllItems = False
    download: opt.Download = True


@dataclass(frozen=True)
class SearchOptions:
    """What searches."""

    threads: opt.Threads = None
    device: opt.Device = None


@dataclass(frozen=True)
class WorkOptions:
    """What makes features, or trains."""

    workers: opt.Workers = None
    device: opt.Device = None


@dataclass(frozen=True)
class EngineOptions(WorkOptions):
    """What makes features."""

    engine: opt.NetworkEngine = None


@dataclass(frozen=True)
class MachineOptions:
    """What makes features and searches."""

    threads: opt.Threads = None
    workers: opt.Workers = None
    device: opt.Device = None
    engine: opt.NetworkEngine = None


@dataclass(frozen=True)
class RunOptions(MachineOptions):
    """How features are made, and searched."""

    decoder: opt.JpegDecoder = None
    force: opt.Force = False


@dataclass(frozen=True)
class NetworkOptions:
    """What makes features."""

    encoder: opt.EncoderWord = "mobilenet_v2"
    weights: opt.Weights = None
    batch_size: opt.BatchSize = None

    def run_as(
        self,
        workers: int | None,
        device: str | None,
        decoder: opt.Decoder | None,
        engine: EngineName | None,
        quiet: bool,
    ) -> opt.EncoderOptions:
        """Return what makes features, and how it is run."""
        return opt.EncoderOptions(self.encoder, self.weights, workers, self.batch_size, device, decoder, engine, quiet)


@dataclass(frozen=True)
class PrintOptions:
    """What is printed."""

    quiet: opt.Quiet = False
    json: opt.Json = False


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured beside the protocol's figures."""

    cutoffs: opt.Cutoffs = None
    map_at: opt.MapAt = None
    divisor: opt.MapDivisor = None

    @property
    def measures(self) -> dict[str, Any]:
        """What the library is told; nothing of what was not given.

        Raises
        ------
        ValueError
            If there is a divisor, but nothing to divide.
        """
        if self.divisor is not None and self.map_at is None:
            raise ValueError(f"--divisor: expected --map-at K to go with it, got {self.divisor.value} alone")
        given = {
            "cutoffs": None if self.cutoffs is None else [int(number) for number in self.cutoffs.split(",")],
            "map_at": self.map_at,
            "divisor": None if self.divisor is None else self.divisor.value,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class ShownOptions:
    """How much a report shows."""

    examples: opt.Examples = 10
    per_class: opt.PerClass = False

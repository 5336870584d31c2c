"""What every result is: frozen values with names, written to ``result.json`` and read back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, ValidationError

from rsir_fast.base.looking import is_folder
from rsir_fast.base.reading import read_record
from rsir_fast.base.result_json import result_json
from rsir_fast.base.shown import Shown
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.metrics import mean_over_queries

__all__ = ["Part", "Result", "Text", "Value", "as_array", "mean", "stated"]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Value = Annotated[float | None, BeforeValidator(_finite)]
"""A figure; None where it is undefined, as JSON has no NaN."""

Text = InstanceOf[str]
"""A name from a folder nobody has checked: it may be no valid Unicode."""

P = TypeVar("P", bound="Part")
R = TypeVar("R", bound="Result")


_SHOWN = 8
"""Values of a part that are shown."""


class _Many(str):
    """Says how many values there are, without quotes."""

    __repr__ = str.__str__


class Part(BaseModel):
    """A part of a result: values by name, which stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def __getitem__(self, key: str) -> NoReturn:
        """Say the way to a value: results were dicts once."""
        raise TypeError(f"{type(self).__name__}: expected .{key}, got [{key!r}]; its values are attributes")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show its values, of many how many there are."""
        for name, value in super().__repr_args__():
            yield name, _Many(f"<{len(value)} values>") if isinstance(value, tuple) and len(value) > _SHOWN else value

    def content(self) -> dict[str, Any]:
        """Return what is written of it: what was never measured, or is for readers only, is left out."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Result(Shown, Part):
    """A result as a whole, which shows itself in one line."""

    def __str__(self) -> str:
        return repr(self)

    def to_json(self) -> str:
        """Return the text of ``result.json``: the same for the same result; what is undefined is null."""
        return result_json(self.content())

    @classmethod
    def load(cls: type[R], path: str | Path) -> R:
        """Read a ``result.json``, or the one in a folder.

        Raises
        ------
        DatasetError
            If it is damaged, or of something else.

        Examples
        --------
        >>> import rsir_fast as rf
        >>> rf.Ge2018Result.load("nowhere/result.json")
        Traceback (most recent call last):
            ...
        rsir_fast.errors.DatasetError: nowhere/result.json: expected a Ge2018Result as rsir writes it, found no such \
file; make it again, or name another
        """
        file = Path(path) / "result.json" if is_folder(Path(path)) else Path(path)
        return read_record(
            cls, file, f"a {cls.__name__} as rsir writes it", "make it again, or name another", DatasetError
        )


def stated(kind: type[P], content: dict[str, Any], of: str) -> P:
    """Return what a file that a user has made states, as a part of a result.

    Raises
    ------
    FeaturesError
        If it states something else under these names.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise FeaturesError(
            f"{of}: expected what rsir states of features, found other things under {where} ({first['msg']}); "
            "make the features again"
        ) from None


def as_array(values: Sequence[float | None] | None) -> NDArray[np.float64]:
    """Return figures as an array, NaN where there is none."""
    return np.array([] if values is None else values, np.float64)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of a figure over queries, those without a value left out, as `rsir_fast.metrics` takes it.

    Examples
    --------
    >>> mean(np.array([1.0, 0.0, np.nan]))
    0.5
    """
    return mean_over_queries(values).value

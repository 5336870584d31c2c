"""What is asked, checked: what is wrong is said in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from rsir_fast.base.text import short
from rsir_fast.encoders.fields import Frozen

__all__ = ["Asked"]


class Asked(Frozen):
    """Values that are checked when they are given."""

    called: ClassVar[str] = "query"
    """What a message begins with."""

    if not TYPE_CHECKING:  # which takes the fields for its signature

        def __init__(self, **content: Any) -> None:
            try:
                super().__init__(**content)
            except ValidationError as error:
                raise ValueError(_one_line(self.called, error)) from None


def _one_line(called: str, error: ValidationError) -> str:
    """Return the first thing that is wrong: messages of pydantic run over many lines."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])  # ours, which names what it is about
    where = ".".join(map(str, first["loc"]))
    return f"{called}: {where}: {first['msg']}, got {short(repr(first['input']), 60)}"

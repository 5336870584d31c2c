"""Conditions on a column as text: what a command line says."""

from __future__ import annotations

import re
from typing import Any

from rsir_fast.retrieval.filtering import Columns, column_of
from rsir_fast.retrieval.where import Column, Value

__all__ = ["parse_condition"]

_CONDITION = re.compile(
    r"\s*(?P<column>.+?)\s*(?:(?P<op><=|>=|!=|==?|<|>)|\s(?P<among>in)\s)\s*(?P<value>.*?)\s*", re.DOTALL
)
_QUOTED = re.compile(r"(?P<mark>['\"])(?P<text>.*)(?P=mark)", re.DOTALL)


def parse_condition(text: str, table: Columns) -> Column:
    """Understand ``COLUMN OP VALUE``, the value as one of the column's type; of ``in`` several, parted by commas.

    Parameters
    ----------
    text : str
    table : Columns

    Raises
    ------
    ValueError
        For anything else, for a column that is not there or a value of another type.
    """
    found = _CONDITION.fullmatch(text)
    if found is None or not found["value"]:
        raise ValueError(
            "where: expected COLUMN OP VALUE with one of = != < <= > >= in, such as 'class = forest' or "
            f"'cloud <= 0.2', got {text!r}"
        )
    column, op = found["column"], "in" if found["among"] else found["op"].replace("==", "=")
    kind = column_of(column, table).type
    words = [word.strip() for word in found["value"].split(",")] if op == "in" else [found["value"]]
    values = tuple(_value(column, word, kind) for word in words)
    return Column(column=column, op=op, value=values if op == "in" else values[0])  # type: ignore[arg-type]


def _value(column: str, word: str, kind: Any) -> Value:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        if word.lower() not in ("true", "false"):
            raise ValueError(f"where: expected true or false for the column {column}, got {word!r}")
        return word.lower() == "true"
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        quoted = _QUOTED.fullmatch(word)
        return word if quoted is None else quoted["text"]
    try:
        return int(word) if re.fullmatch(r"[+-]?\d+", word) else float(word)
    except ValueError:
        raise ValueError(f"where: expected numbers for the column {column}, got {word!r}") from None

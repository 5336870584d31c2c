"""Which columns of a feature matrix are which field: where several lie side by side, they are no one vector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.former import spec_of
from rsir_fast.encoders.spec import TURNS, Spec, parse_spec
from rsir_fast.errors import FeaturesError

__all__ = ["Column", "beside_runs", "columns_of", "field_of", "known_spec", "spec_to_store", "split"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_WHOLE = "vector"
"""Name of a field that no encoder is known to have made."""


class Column(NamedTuple):
    """A field, and where it is in a row."""

    field: FieldSpec
    place: slice


def known_spec(provenance: Mapping[str, Any]) -> Spec | None:
    """Return the encoder that provenance tells of; None if it tells of none."""
    try:
        return spec_of(provenance)
    except ValueError:
        return None


def columns_of(name: str, provenance: Mapping[str, Any], width: int) -> dict[str, Column]:
    """Return the fields that lie side by side in rows, by name.

    Parameters
    ----------
    name
        Of the features, for an error.
    provenance
        What they say of themselves.
    width
        Numbers a row.

    Raises
    ------
    FeaturesError
        If it does not fit the rows.

    Examples
    --------
    >>> [(name, column.place.stop) for name, column in columns_of("demo", {"layer": "gap", "turns": 8}, 16).items()][:2]
    [('gap', 2), ('gap@1', 4)]
    """
    try:
        fields = _hash_fields(provenance["hash"], width) if "hash" in provenance else _vectors(provenance, width)
        found, start = {}, 0
        for field in fields:
            found[field.name] = Column(field, slice(start, start + field.width))
            start += field.width
        if start != width:
            raise ValueError(f"{start} values a row are not {width}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = " ".join(str(error).split())[:200]
        raise FeaturesError(
            f"{name}: expected features that say which fields their rows of {width} values hold, got others "
            f"({type(error).__name__}: {told}); make them again with `rsir features`"
        ) from None
    return found


def split(name: str, provenance: Mapping[str, Any], matrix: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return the fields of rows, [n, width] each; of a hash model its codes, too.

    Raises
    ------
    FeaturesError
        If provenance does not fit the rows.
    """
    columns = columns_of(name, provenance, matrix.shape[1])
    found: dict[str, NDArray[Any]] = {
        field: np.ascontiguousarray(matrix[:, column.place]) for field, column in columns.items()
    }
    if "hash" in provenance:
        from rsir_fast.ops import pack_codes

        found["codes"] = pack_codes(found["u"])
    return found


def field_of(name: str, width: int, provenance: Mapping[str, Any]) -> FieldSpec:
    """Return the field of an encoder that is not known, as far as its name and provenance tell."""
    made = provenance.get("hash")
    if name == "codes" and made is not None:
        return FieldSpec(name=name, kind="code", dtype="uint8", width=width, bits=made["bits"])
    if name == "probabilities" and made is not None:
        return FieldSpec(name=name, kind="scores", dtype="float32", width=width, classes=tuple(made["classes"]))
    return FieldSpec(name=name, kind="vector", dtype="float32", width=width)


def beside_runs(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what provenance tells of an encoder, without how it was run, which is each segment's."""
    return {key: value for key, value in provenance.items() if key not in ("extraction", "runs")}


def spec_to_store(provenance: Mapping[str, Any], fields: Mapping[str, int]) -> Spec:
    """Return what an archive says of an encoder, known or not, that makes these fields of these widths."""
    known = known_spec(provenance)
    if known is not None and {field.name: field.width for field in known.fields} == dict(fields):
        return known
    stored = [field_of(name, width, provenance) for name, width in fields.items()]
    return parse_spec({"kind": "foreign", "stored": stored, "told": beside_runs(provenance)})


def _hash_fields(made: Mapping[str, Any], width: int) -> list[FieldSpec]:
    bits, classes = int(made["bits"]), tuple(made["classes"])
    u = FieldSpec(name="u", kind="vector", dtype="float32", width=bits)
    if width == bits:
        return [u]
    return [u, FieldSpec(name="probabilities", kind="scores", dtype="float32", width=len(classes), classes=classes)]


def _vectors(made: Mapping[str, Any], width: int) -> list[FieldSpec]:
    if not width:
        return []
    turns = TURNS if made.get("turns") is not None else 1
    layers = made.get("layers") or [[_name(made), width // turns]]
    names = [(str(layer), int(values), turn) for turn in range(turns) for layer, values in layers]
    return [
        FieldSpec(name=f"{layer}@{turn}" if turn else layer, kind="vector", dtype="float32", width=values)
        for layer, values, turn in names
    ]


def _name(made: Mapping[str, Any]) -> str:
    stated = made.get("descriptor")
    name = str(stated.get("kind") if isinstance(stated, Mapping) else made.get("layer"))
    return name if _NAME.fullmatch(name) and name != "None" else _WHOLE

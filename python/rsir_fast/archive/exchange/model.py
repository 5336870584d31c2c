"""What made the vectors of a file, as far as it says: our own exports say all, others name a model at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError

from rsir_fast.archive.exchange.dequantize import Rule
from rsir_fast.encoders.fields import Frozen
from rsir_fast.encoders.spec import ForeignSpec, Spec, parse_spec
from rsir_fast.errors import ArchiveError

__all__ = ["METADATA", "Model", "Provenance", "model_of"]

METADATA = "rsir_fast"
"""Key of the metadata of our own exports."""


class Provenance(Frozen):
    """What an export says of itself.

    Attributes
    ----------
    spec : dict
        Meaning of the encoder.
    made : dict
        What else is told of it.
    normalize : {"none", "row"}
    archive : dict
        Version and digest that were exported.
    """

    format: Literal["rsir-export"] = "rsir-export"
    version: Literal[1] = 1
    spec: dict[str, JsonValue]
    made: dict[str, JsonValue] = Field(default_factory=dict)
    normalize: Literal["none", "row"] = "none"
    archive: dict[str, JsonValue] = Field(default_factory=dict)


class Model(Frozen):
    """What is known of whatever made vectors.

    Attributes
    ----------
    spec : Spec or None
        Of an encoder that is known here.
    made, told : dict
        Its provenance; of one that is not known, what the file tells.
    normalize : {"none", "row"}
    rule : Rule or None
        What whole numbers stand for, if that is told.
    """

    spec: Any = None
    made: dict[str, JsonValue] = Field(default_factory=dict)
    told: dict[str, JsonValue] = Field(default_factory=dict)
    normalize: Literal["none", "row"] = "none"
    rule: Rule | None = None

    @property
    def title(self) -> str:
        """A few words that name it."""
        spec = self.spec if isinstance(self.spec, Spec) else ForeignSpec(stored=(), told=self.told)
        return spec.title


def model_of(metadata: Mapping[str, Any]) -> Model:
    """Return what the metadata of a file say.

    Raises
    ------
    ArchiveError
        If the file is an export of another version of rsir_fast.

    Examples
    --------
    >>> model_of({"emb": {"model": {"id": "dinov2_vits14_softcon"}, "embedding": {"dim": 384}}}).title
    'dinov2_vits14_softcon'
    """
    if METADATA in metadata:
        try:
            own = Provenance.model_validate(metadata[METADATA])
            return Model(spec=parse_spec(own.spec), made=own.made, normalize=own.normalize)
        except (ValidationError, ValueError) as error:
            why = " ".join(str(error).split())[:160]
            raise ArchiveError(
                f"expected an export that this version of rsir_fast understands ({why}); use the version that wrote it"
            ) from None
    emb = metadata.get("emb")
    stated_keys = {key.removeprefix("emb:"): value for key, value in metadata.items() if key.startswith("emb:")}
    told: dict[str, Any] = {**(emb if isinstance(emb, Mapping) else {}), **stated_keys}
    inner = told.get("embedding")
    stated = [told.get("quantization"), metadata.get("quantization")]
    stated += [inner.get("quantization")] if isinstance(inner, Mapping) else []
    rules = [Rule.of(each) for each in stated if isinstance(each, Mapping)]
    kept: dict[str, Any] = {key: told[key] for key in ("model", "embedding", "quantization") if key in told}
    return Model(told=kept, rule=next((rule for rule in rules if rule is not None), None))

"""What an encoder means: to be stored beside its vectors, compared, and loaded again. Neither torch nor pyarrow.

What decides what a vector means is in the spec; what only moves its last bits (device, threads, versions) is the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, InstanceOf, JsonValue, TypeAdapter, ValidationError, model_validator

from rsir_fast.base.text import short
from rsir_fast.encoders.fields import FieldSpec, Frozen, Sha256, canonical_digest

__all__ = [
    "DescriptorSpec",
    "EncoderSpec",
    "ForeignSpec",
    "HashModelSpec",
    "LayerSpec",
    "ModuleSpec",
    "NetworkSpec",
    "PreprocessingSpec",
    "ReaderSpec",
    "Spec",
    "ViewSpec",
    "parse_spec",
]

TURNS = 8
"""Turns of an image by right angles, plain and mirrored."""

Weights = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|random:(0|[1-9][0-9]{0,18}))$")]
"""SHA-256 of a weight file, or ``random:SEED``."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=1 << 31)]


class LayerSpec(Frozen):
    """A layer of a network whose output is kept: a field of that name."""

    name: Name
    width: Count


class PreprocessingSpec(Frozen):
    """From samples to the numbers a network was trained on; as `rsir_fast.backbones.Preprocessing`.

    `bands` are names in the order that the image has them; `mean` and `std` go with the order of the network. A full
    mean image is named by its SHA-256, and `mean` is None then.
    """

    input_size: Annotated[int, Field(ge=1, le=1 << 14)]
    resize: Literal["whole", "short-side", "none"] = "whole"
    bands: Annotated[tuple[Name, ...], Field(min_length=1)] = ("red", "green", "blue")
    channel_order: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    divisor: float
    mean: tuple[float, ...] | None
    std: tuple[float, ...]
    mean_image: Sha256 | None = None
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] | None = None
    """Where it does not follow from the way of resizing."""
    crop: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> PreprocessingSpec:
        if (self.mean is None) == (self.mean_image is None):
            raise ValueError("expected a mean or a mean image, got both or neither")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != len(self.bands):
                raise ValueError(f"{name}: expected {len(self.bands)} values, one a band, got {len(values)}")
        return self


class ReaderSpec(Frozen):
    """How the samples of a file become those that an encoder sees; as `rsir_fast.datasets.Reader`."""

    bands: tuple[Count, ...] | None = None
    scale: str | None = None


class ViewSpec(Frozen):
    """What an encoder sees of an image: it as it is, the mean over its turns, or each; sizes to average over."""

    turns: Literal["upright", "mean", "each"] = "upright"
    sizes: tuple[Annotated[int, Field(ge=1)], ...] = ()


class Spec(Frozen, ABC):
    """What all encoders have; frozen, equal where every value is equal.

    Attributes
    ----------
    spec : int
        Version of the spec itself.
    kind : str
        Which encoder.
    reader : ReaderSpec
    dtype : {"float32", "float16"}
        Of vectors as they are kept.
    """

    spec: Literal[1] = 1
    kind: str
    reader: ReaderSpec = ReaderSpec()
    dtype: Literal["float32", "float16"] = "float32"

    @property
    @abstractmethod
    def title(self) -> str:
        """A few words that name it: ``cnn-m:fc6``."""

    @abstractmethod
    def _fields(self) -> list[FieldSpec]:
        """Return the fields, without their encoder."""

    @property
    def reads_text(self) -> bool:
        """Whether texts have vectors among those of images, all of length 1 and compared as they are, by cosine."""
        return False

    def check_text(self) -> None:
        """Raise ValueError if texts have no vectors among those of its images."""
        if not self.reads_text:
            raise ValueError(
                f"text: expected an encoder that reads text as well, such as open_clip:ViT-B-32, got {self.title}, "
                "which does not; ask by images"
            )

    def alone(self, name: str) -> Spec:
        """Return the encoder that makes one field alone, and means the same by it."""
        return self

    @property
    def fields(self) -> tuple[FieldSpec, ...]:
        """What is written of an image, in order."""
        return tuple(field.model_copy(update={"encoder": self.alone(field.name).digest()}) for field in self._fields())

    def field(self, name: str) -> FieldSpec:
        """Return a field by its name.

        Raises
        ------
        ValueError
            If there is none; the message lists them.
        """
        for field in self.fields:
            if field.name == name:
                return field
        names = ", ".join(field.name for field in self._fields())
        raise ValueError(f"{self.title}: expected one of the fields {names}, got {name!r}")

    def searched(self, name: str | None = None, kind: Literal["vector", "code"] = "vector") -> FieldSpec:
        """Return the field that is searched: the only one of its kind, or the one that is named.

        Raises
        ------
        ValueError
            If there are several and none is named, or the one named is not searched by such a distance.
        """
        if name is not None:
            field = self.field(name)
            if field.kind != kind:
                raise ValueError(f"{self.title}: expected a {kind} to search, got {name}, which is a {field.kind}")
            return field
        names = [field.name for field in self._fields() if field.kind == kind and field.is_searched]
        if len(names) != 1:
            raise ValueError(
                f"{self.title}: expected the name of a {kind} to search, one of {', '.join(names)}"
                if names
                else f"{self.title}: expected a {kind} to search, but it makes none"
            )
        return self.field(names[0])

    def meaning(self) -> dict[str, Any]:
        """Return what decides what its vectors mean, JSON-able; values equal to their default are left out."""
        return {"spec": self.spec, "kind": self.kind, **self.model_dump(exclude_defaults=True)}

    def digest(self) -> str:
        """Return the SHA-256 of the meaning as canonical JSON."""
        return canonical_digest(self.meaning())


class _Seeing(Spec):
    """What networks have: preprocessing, a view, a precision."""

    weights: Weights
    preprocessing: PreprocessingSpec
    view: ViewSpec = ViewSpec()
    precision: Literal["float32", "bfloat16"] = "float32"


class _Layered(_Seeing):
    name: Name
    layers: Annotated[tuple[LayerSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _named_once(self) -> _Layered:
        names = [layer.name for layer in self.layers]
        if len(set(names)) < len(names):
            raise ValueError(f"layers: expected each once, got {', '.join(names)}")
        self._fields()  # names that can be those of fields
        return self

    @property
    def title(self) -> str:
        """``cnn-m:fc6``, ``cnn-m:pool5+fc6``."""
        return f"{self.name}:{'+'.join(layer.name for layer in self.layers)}"

    def _fields(self) -> list[FieldSpec]:
        turns = ("", *(f"@{turn}" for turn in range(1, TURNS))) if self.view.turns == "each" else ("",)
        return [
            FieldSpec(name=f"{layer.name}{turn}", kind="vector", dtype=self.dtype, width=layer.width)
            for turn in turns
            for layer in self.layers
        ]

    def alone(self, name: str) -> Spec:
        """Return the network cut at one layer, which sees the image as it is where each turn was kept."""
        layer = next(layer for layer in self.layers if layer.name == name.partition("@")[0])
        view = self.view.model_copy(update={"turns": "upright"}) if self.view.turns == "each" else self.view
        return self.model_copy(update={"layers": (layer,), "view": view})


class NetworkSpec(_Layered):
    """A known network, cut at one layer or several.

    Examples
    --------
    >>> steps = PreprocessingSpec(input_size=224, divisor=1.0, mean=(123.68, 116.779, 103.939), std=(1, 1, 1))
    >>> layers = [LayerSpec(name="fc6", width=4096)]
    >>> cut = NetworkSpec(name="cnn-m", layers=layers, weights="random:0", preprocessing=steps)
    >>> cut.title, [(field.name, field.width) for field in cut.fields]
    ('cnn-m:fc6', [('fc6', 4096)])
    >>> parse_spec(cut.meaning()) == cut
    True
    """

    kind: Literal["network"] = "network"
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the channels and units that the network has of those published."""

    @property
    def reads_text(self) -> bool:
        """Whether it is a CLIP model."""
        return self.name.startswith("open_clip:")

    def check_text(self) -> None:
        """Raise ValueError for another than a CLIP model, and for means of its vectors, which have other lengths."""
        super().check_text()
        if self.view.turns == "mean" or self.view.sizes:
            raise ValueError(
                f"text: expected {self.title} without turns=mean and sizes=, whose means have other lengths"
            )


class ModuleSpec(_Layered):
    """Any torch module, known by a name and the SHA-256 of its tensors; whoever loads it has to bring it again."""

    kind: Literal["module"] = "module"


class DescriptorSpec(Spec):
    """A shallow descriptor, with every choice that decides its values and the digest of what it learnt."""

    kind: Literal["descriptor"] = "descriptor"
    name: Name
    descriptor: Name
    """Which one: ``bovw``, ``hog``; the name of its field, too."""
    width: Count
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    choices: dict[str, JsonValue] = Field(default_factory=dict)
    learnt: Sha256 | None = None

    @property
    def title(self) -> str:
        """``bovw-150``."""
        return self.name

    def _fields(self) -> list[FieldSpec]:
        return [FieldSpec(name=self.descriptor, kind="vector", dtype=self.dtype, width=self.width)]


class HashModelSpec(_Seeing):
    """A trained hash network: values of the hash layer, their signs as a code, probabilities of the labels."""

    kind: Literal["hash"] = "hash"
    network: Name
    layer: Name
    bits: Annotated[int, Field(ge=1, le=1 << 16)]
    classes: tuple[InstanceOf[str], ...]

    @property
    def title(self) -> str:
        """``64 bits of mobilenet_v2:gap``."""
        return f"{self.bits} bits of {self.network}:{self.layer}"

    def _fields(self) -> list[FieldSpec]:
        return [
            FieldSpec(name="u", kind="vector", dtype=self.dtype, width=self.bits),
            FieldSpec(name="codes", kind="code", dtype="uint8", width=-(-self.bits // 8), bits=self.bits),
            FieldSpec(
                name="probabilities", kind="scores", dtype="float32", width=len(self.classes), classes=self.classes
            ),
        ]


class ForeignSpec(Spec):
    """What made vectors that no encoder here is known to have made: its fields, and what is told of it."""

    kind: Literal["foreign"] = "foreign"
    stored: tuple[FieldSpec, ...]
    told: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is told to be, or ``an unknown encoder``."""
        model = self.told.get("model")
        name = model.get("id", model.get("name")) if isinstance(model, dict) else model
        return name if isinstance(name, str) else "an unknown encoder"

    def _fields(self) -> list[FieldSpec]:
        return list(self.stored)


EncoderSpec = Annotated[
    NetworkSpec | ModuleSpec | DescriptorSpec | HashModelSpec | ForeignSpec, Field(discriminator="kind")
]
"""Any encoder, for a field of a pydantic model; `parse_spec` reads one."""

_ANY: TypeAdapter[Spec] = TypeAdapter(EncoderSpec)


def parse_spec(content: Mapping[str, Any]) -> Spec:
    """Return the spec that JSON stands for.

    Raises
    ------
    ValueError
        If it is none, or of a version that is not known here.

    Examples
    --------
    >>> parse_spec({"spec": 2, "kind": "network"})
    Traceback (most recent call last):
        ...
    ValueError: expected an encoder spec of version 1, got version 2; use the version of rsir_fast that wrote it
    """
    if content.get("spec", 1) != 1:
        version = short(repr(content["spec"]), 40)
        raise ValueError(
            f"expected an encoder spec of version 1, got version {version}; use the version of rsir_fast that wrote it"
        )
    try:
        return _ANY.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(
            short(f"expected an encoder spec, got one whose {where} is wrong: {first['msg']}", 300)
        ) from None

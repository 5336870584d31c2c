"""How an encoder was run: what moves only the last bits of a vector, and so is no part of what it means."""

from __future__ import annotations

from pydantic import Field

from rsir_fast.encoders.fields import Frozen, canonical_digest

__all__ = ["EncoderRun"]


class EncoderRun(Frozen):
    """How an encoder was run: what moves only the last bits of a vector.

    Attributes
    ----------
    device : str
        ``cpu``, or the name of a CUDA device.
    engine : str
        What computes: ``torch``, ``onnx``, ``openvino``, ``descriptor``.
    folded : bool
        Whether batch normalisation was made part of the convolutions before it.
    threads, processor
        On the CPU: threads, and the instructions that it has.
    batch_size : int or None
        Images of every forward pass.
    padded : bool
        Whether the last forward pass, too, had that many images.
    decoder : str
        What read the image files; ``cpu`` or what a CUDA device does.
    versions : dict
        Of the libraries, by name.
    """

    device: str = "cpu"
    engine: str = "torch"
    folded: bool = False
    threads: int | None = None
    processor: str | None = None
    batch_size: int | None = None
    padded: bool = True
    decoder: str = "cpu"
    versions: dict[str, str] = Field(default_factory=dict)

    def digest(self) -> str:
        """Return the SHA-256 of all of it, values equal to their default left out."""
        return canonical_digest({"run": 1, **self.model_dump(exclude_defaults=True)})

"""From the provenance that a folder of features records to the encoder that made it, and how it was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsir_fast.encoders.run import EncoderRun
from rsir_fast.encoders.spec import TURNS, DescriptorSpec, HashModelSpec, ModuleSpec, NetworkSpec, Spec, parse_spec

__all__ = ["run_of", "spec_of"]

_KNOWN = {
    "averaged",
    "description",
    "descriptor",
    "dim",
    "extraction",
    "hash",
    "layer",
    "layers",
    "name",
    "preprocessing",
    "reader",
    "runs",
    "turns",
    "weights",
    "width",
}
_INTERPOLATION = {"whole": "bicubic", "short-side": "bilinear", "none": "nearest"}
"""What follows from the way of resizing is not told."""
_MEAN_IMAGE = "mean image, SHA-256 "
_VERSIONS = ("torch", "torchvision", "onnxruntime", "openvino", "pillow", "numpy", "opencv", "higra", "rsir_fast")


def spec_of(provenance: Mapping[str, Any]) -> Spec:
    """Return the encoder that provenance tells of.

    Raises
    ------
    ValueError
        If it does not tell, or says something that no spec holds; the message names it.

    Examples
    --------
    >>> steps = {"input_size": 224, "resize": "whole", "interpolation": "bicubic", "channel_order": "BGR"}
    >>> steps |= {"divisor": 1.0, "mean": [103.9, 116.8, 123.7], "std": [1.0, 1.0, 1.0]}
    >>> weights = {"file": "random:0", "sha256": "ab", "source": "random weights, untrained", "format": "none"}
    >>> made = {"name": "cnn-m", "layer": "fc6", "dim": 32768, "turns": 8, "weights": weights, "preprocessing": steps}
    >>> [(field.name, field.width) for field in spec_of(made).fields][:2]
    [('fc6', 4096), ('fc6@1', 4096)]
    """
    unknown = sorted(provenance.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"expected provenance of one encoder, found the key {unknown[0]!r}, which no encoder has")
    try:
        content = _descriptor(provenance) if "descriptor" in provenance else _network(provenance)
        content["reader"] = provenance.get("reader", {})
        return parse_spec(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected provenance of an encoder, found none ({type(error).__name__}: {error})") from None


def _descriptor(made: Mapping[str, Any]) -> dict[str, Any]:
    stated = made["descriptor"]
    kind = DescriptorSpec.model_fields["kind"].default
    return {
        "kind": kind,
        "name": made["name"],
        "descriptor": stated["kind"],
        "width": made["dim"],
        "parameters": stated["parameters"],
        "choices": stated["choices"],
        "learnt": (stated.get("learnt") or {}).get("sha256"),
    }


def _network(made: Mapping[str, Any]) -> dict[str, Any]:
    steps = dict(made["preprocessing"])
    if steps.get("interpolation") == _INTERPOLATION[steps.get("resize", "whole")]:
        del steps["interpolation"]
    if isinstance(steps["mean"], str):
        steps |= {"mean": None, "mean_image": steps["mean"].removeprefix(_MEAN_IMAGE)}
    means = made.get("averaged") or {}
    sizes = means.get("sizes", [])
    turns = "each" if "turns" in made else "mean" if means.get("turns", 1) > 1 else "upright"
    common = {
        "weights": _weights(made["weights"]),
        "preprocessing": steps,
        # A network run at one other size is that network with another input.
        "view": {"turns": turns, "sizes": [] if sizes == [steps["input_size"]] else sizes},
        "precision": (made.get("extraction") or {}).get("precision", "float32"),
    }
    if "hash" in made:
        bits, classes = made["hash"]["bits"], made["hash"]["classes"]
        layer = made["layer"].removesuffix(f", hash {bits}")
        common |= {"network": made["name"], "layer": layer, "bits": bits, "classes": classes}
        return {"kind": HashModelSpec.model_fields["kind"].default, **common}
    times = TURNS if turns == "each" else 1
    layers = made.get("layers") or [[made["layer"], made["dim"] // times]]
    common |= {"name": made["name"], "layers": [{"name": name, "width": width} for name, width in layers]}
    if made["weights"].get("format") == "module":
        return {"kind": ModuleSpec.model_fields["kind"].default, **common}
    return {"kind": NetworkSpec.model_fields["kind"].default, "width": made.get("width", 1.0), **common}


def _weights(made: Mapping[str, Any]) -> str:
    file = str(made.get("file", ""))
    return f"random:{int(file.removeprefix('random:'))}" if file.startswith("random:") else str(made["sha256"])


def run_of(provenance: Mapping[str, Any]) -> EncoderRun:
    """Return how the encoder was run, as far as provenance tells.

    Examples
    --------
    >>> run_of({"extraction": {"device": "cpu", "cpu_threads": 2, "torch": "2.5.1", "batch_size": 32, "padded": True}})
    EncoderRun(device='cpu', engine='torch', folded=False, threads=2, processor=None, batch_size=32, \
padded=True, decoder='cpu', versions={'torch': '2.5.1'})
    """
    run = provenance.get("extraction") or {}
    network = "descriptor" not in provenance
    decoder = run.get("decoder")
    return EncoderRun(
        device=str(run.get("device", "cpu")),
        engine=str(run.get("engine", "torch")) if network else "descriptor",
        folded=run.get("folded", False) is True,
        threads=run.get("cpu_threads"),
        processor=run.get("cpu_capability"),
        batch_size=run.get("batch_size"),
        padded=run.get("padded", False) is True or not network,  # older versions left the last batch smaller
        decoder="cpu" if decoder is None else f"{decoder['jpeg']}, CUDA {decoder['cuda']}, {decoder['resize']}",
        versions={name: str(run[name]) for name in _VERSIONS if name in run},
    )

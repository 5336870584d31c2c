"""In what two encoders differ: one answer, for all that must not be mixed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rsir_fast.base.text import short
from rsir_fast.encoders.run import EncoderRun
from rsir_fast.encoders.spec import DescriptorSpec, Spec

__all__ = ["differences", "run_differences", "told"]

_WORDS = {
    "name": "network",
    "network": "network",
    "layers": "layer",
    "layer": "layer",
    "width": "share of channels",
    "preprocessing": "preparation of images",
    "reader.bands": "bands",
    "reader.scale": "scale",
    "view.turns": "turns",
    "view.sizes": "input sizes",
    "dtype": "type of stored numbers",
    "bits": "hash length",
    "parameters": "descriptor",
    "choices": "descriptor",
    "learnt": "vocabulary",
    "folded": "folding of batch normalisation",
    "threads": "number of threads",
    "processor": "kind of processor",
    "batch_size": "batch size",
    "padded": "filling of the last batch",
}
"""By key, or the part of it before a dot: what a user calls it."""


def differences(before: Spec, now: Spec, ignoring: Collection[str] = ()) -> dict[str, str]:
    """Say in words in what two encoders differ, so that their vectors must not be compared.

    Parameters
    ----------
    before, now : Spec
    ignoring : collection of str
        Keys of the spec that may differ here, such as ``reader``.

    Returns
    -------
    dict
        By what differs: how; empty where they mean the same.

    Examples
    --------
    >>> from rsir_fast.encoders.spec import NetworkSpec, PreprocessingSpec
    >>> steps = PreprocessingSpec(input_size=224, divisor=255.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    >>> made = dict(name="mobilenet_v2", layers=[{"name": "gap", "width": 1280}], preprocessing=steps)
    >>> differences(NetworkSpec(weights="random:0", **made), NetworkSpec(weights="random:1", **made))
    {'weights': 'random:0, now random:1'}
    """
    if before.kind != now.kind or type(before) is not type(now):
        return {"encoder": f"{before.kind} {before.title}, now {now.kind} {now.title}"}
    found = _changed(before.model_dump(), now.model_dump(), {"spec", "kind", "descriptor", *ignoring})
    if isinstance(now, DescriptorSpec):
        said, found = found, {}
        for words, how in said.items():  # another one before its parameters, which go with it
            found.setdefault("descriptor" if words in ("network", "share of channels") else words, how)
    return found


def run_differences(before: EncoderRun, now: EncoderRun, ignoring: Collection[str] = ()) -> dict[str, str]:
    """Say in words in what two runs differ, so that the last bits may; what the first does not tell is passed over.

    Parameters
    ----------
    before, now : EncoderRun
    ignoring : collection of str
        Keys and names of libraries that may differ.

    Examples
    --------
    >>> run_differences(EncoderRun(threads=2, versions={"torch": "2.5"}), EncoderRun(threads=4, versions={}))
    {'number of threads': '2, now 4', 'version of torch': '2.5, now none'}
    """
    untold = {key for key, value in before if value is None}
    found = _changed(before.model_dump(), now.model_dump(), {"versions", *ignoring, *untold})
    for name in sorted(before.versions.keys() - set(ignoring)):
        old, new = before.versions[name], now.versions.get(name)
        if old != new:
            found[f"version of {name}"] = f"{old}, now {_said(new)}"
    return found


def _changed(before: dict[str, Any], now: dict[str, Any], ignored: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in [key for key in before if key not in ignored and before[key] != now[key]]:
        if not isinstance(before[key], dict):
            found.setdefault(_WORDS.get(key, key), f"{_said(before[key])}, now {_said(now[key])}")
            continue
        for inner in sorted(before[key].keys() | now[key].keys()):
            old, new = before[key].get(inner), now[key].get(inner)
            if old != new:
                words = _WORDS.get(f"{key}.{inner}")
                name = "" if words else f"{inner.replace('_', ' ')} "
                found.setdefault(words or _WORDS.get(key, key), f"{name}{_said(old)}, now {_said(new)}")
    return found


def _said(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        names = [str(part["name"]) if isinstance(part, dict) else str(part) for part in value]
        return short("+".join(names) if value and isinstance(value[0], dict) else ",".join(names), 60) or "none"
    text = str(value)
    return f"{text[:16]}..." if len(text) == 64 and set(text) <= set("0123456789abcdef") else short(text, 60)


def told(found: dict[str, str]) -> str:
    """Return differences as one line.

    Examples
    --------
    >>> told({"weights": "random:0, now random:1", "layer": "gap, now fc6"})
    'weights: random:0, now random:1; layer: gap, now fc6'
    """
    return "; ".join(f"{words}: {how}" for words, how in found.items())

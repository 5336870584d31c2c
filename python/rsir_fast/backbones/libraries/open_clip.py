"""CLIP models of open_clip: images and texts as vectors of length 1, so that the nearest have the largest cosine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor, nn
from torch.nn import functional

from rsir_fast.backbones.libraries.built import Built, fetched_by, refuse_unknown
from rsir_fast.backbones.libraries.hub import cached_on_hub
from rsir_fast.backbones.preprocessing import Preprocessing, ResizeMode
from rsir_fast.backbones.weights import KnownFile
from rsir_fast.base.looking import is_file

__all__ = ["build"]

_RESIZE: dict[str, ResizeMode] = {"shortest": "short-side", "squash": "whole"}
"""Ours, by what open_clip calls it; it pads borders as well, which is refused."""

_STEPS = ("mean", "std", "interpolation", "resize_mode")
_SETTINGS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's files hold beside the tensors."""


class _Images(nn.Module):
    """Images [n, 3, H, W] to vectors [n, dim] of length 1."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        made = self.visual(images)
        # CoCa gives its tokens as well.
        return functional.normalize((made[0] if isinstance(made, tuple) else made).float(), dim=-1)


class _Texts:
    """Texts to vectors of length 1, one by one, so that none depends on another."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name, self.model, self.tokenizer = name, model, tokenizer

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return float32 [n, dim]."""
        room = self.tokenizer.context_length - 2  # beside the marks of start and end
        for text in texts:
            count = len(self.tokenizer.encode(text))
            if not count:
                raise ValueError(f"text: expected words, got {text!r}")
            if count > room:
                raise ValueError(f"text: expected at most {room} tokens for {self.name}, got {count}; shorten it")
        with torch.inference_mode():
            return torch.cat([self.model.encode_text(self.tokenizer([text]), normalize=True) for text in texts])


def build(model: str) -> Built:
    """Build a model, ``ViT-B-32`` or ``ViT-B-32.laion2b_s34b_b79k``: a tag decides preprocessing and published weights.

    Raises
    ------
    ValueError
        If open_clip has no such model, or it cannot be built of what open_clip ships.
    """
    name, _, tag = model.partition(".")
    refuse_unknown("open_clip", name, open_clip.list_models())
    tags = list_pretrained_tags_by_model(name)
    if tag:
        refuse_unknown("open_clip", model, [f"{name}.{each}" for each in tags])
    config: dict[str, Any] = open_clip.get_model_config(name)
    published: dict[str, Any] = get_pretrained_cfg(name, tag) if tag else {}
    if "hf_model_name" in config["text_cfg"]:
        raise ValueError(f"encoder: open_clip:{name} is built of files of Hugging Face's hub, not here; take another")
    if published.get("quick_gelu", False) and not config.get("quick_gelu", False):
        raise ValueError(
            f"encoder: the weights of open_clip:{model} were trained with QuickGELU, which {name} has not; "
            f"take open_clip:{name}-quickgelu.{tag}"
        )
    with _quiet():
        steps = {key: published[key] for key in _STEPS if key in published}
        whole = open_clip.create_model(name, load_weights=False, force_preprocess_cfg=steps)
    whole.output_dict = False
    return Built(
        name=f"open_clip:{model}",
        layer="image",
        whole=whole,
        features=_Images(whole.visual),
        texts=None if config["text_cfg"].get("hf_tokenizer_name") else _Texts(model, whole, _tokenizer(name)),
        preprocessing=_preprocessing(model, whole.visual.preprocess_cfg),
        computed=_SETTINGS,
        files=[KnownFile(f"{model}.safetensors"), KnownFile(f"{model}.pt")],
        cached=lambda: _cached(published),
        remedy=_remedy(name, tag, tags),
    )


def _remedy(name: str, tag: str, tags: Sequence[str]) -> str:
    if tag:
        return fetched_by("open_clip", f"import open_clip; open_clip.create_model('{name}', '{tag}')")
    return f"name weights that open_clip publishes, such as open_clip:{name}.{tags[-1]}" if tags else ""


def _tokenizer(name: str) -> Any:
    with _quiet():
        return open_clip.get_tokenizer(name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from telling the root logger that a model has no weights yet."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _cached(published: dict[str, Any]) -> Path | None:
    repository, _, file = published.get("hf_hub", "").rpartition("/")
    names = (f"{Path(file).stem}.safetensors", file) if file else ("open_clip_model.safetensors", _HUB_FILE)
    plain = Path("~/.cache/clip").expanduser() / published.get("url", "").rpartition("/")[2]
    return cached_on_hub(repository, names) or (plain if is_file(plain) else None)


_HUB_FILE = "open_clip_pytorch_model.bin"


def _preprocessing(model: str, steps: dict[str, Any]) -> Preprocessing:
    size = steps["size"]
    height, width = (size, size) if isinstance(size, int) else size
    mode = steps["resize_mode"]
    if height != width or steps["mode"] != "RGB" or mode not in _RESIZE:
        raise ValueError(
            f"encoder: open_clip:{model} sees images of {steps['mode']}, {height} x {width}, resized by {mode}, "
            "which are not made here; take another"
        )
    return Preprocessing(
        input_size=height,
        resize=_RESIZE[mode],
        divisor=255.0,
        mean=tuple(steps["mean"]),
        std=tuple(steps["std"]),
        resample=steps["interpolation"],
        crop=1.0,
    )

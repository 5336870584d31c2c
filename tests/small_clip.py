"""A CLIP model as small as it can be, trained in seconds on synthetic scenes; open_clip's own code and vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

NAME = "rsir-small-clip"

_CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
_PHRASES = ("a {}", "a satellite image of a {}", "{} from above")


def known(folder: Path) -> None:
    """Make open_clip know the model."""
    path = folder / f"{NAME}.json"
    path.write_text(json.dumps(_CONFIG))
    open_clip.add_model_config(path)


def model(seed: int = 0) -> nn.Module:
    """The model with random weights."""
    torch.manual_seed(seed)
    made: nn.Module = open_clip.create_model(NAME, load_weights=False)
    return made


def trained(images: Tensor, labels: Tensor, names: Sequence[str], steps: int) -> nn.Module:
    """Train a model to tell whose name goes with an image: images [n, 3, 32, 32], prepared; a name a label."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what is so small waits for threads more than it gains
    clip = model().train()
    tokenizer = open_clip.get_tokenizer(NAME)
    phrases = [tokenizer([phrase.format(name) for name in names]) for phrase in _PHRASES]
    optimizer = torch.optim.AdamW(clip.parameters(), lr=2e-3)
    draws = torch.Generator().manual_seed(0)
    for step in range(steps):
        chosen = torch.randint(len(images), (64,), generator=draws)
        seen = clip.encode_image(images[chosen], normalize=True)
        logits = 20 * seen @ clip.encode_text(phrases[step % len(phrases)], normalize=True).T
        loss = functional.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return clip.eval()


def write(clip: nn.Module, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in clip.state_dict().items()}, path)
    return path

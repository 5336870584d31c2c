"""The cache of Hugging Face's hub, where libraries keep the weights that they fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

__all__ = ["cached_on_hub"]


def cached_on_hub(repository: str | None, names: Sequence[str]) -> Path | None:
    """Return the first of some files of a repository that is in the cache on this machine; asks nobody."""
    found = [try_to_load_from_cache(repository, name) for name in names] if repository else []
    return next((Path(path) for path in found if isinstance(path, str)), None)

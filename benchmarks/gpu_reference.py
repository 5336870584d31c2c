"""Right answers for GPU benchmarks at full size, by torch alone, bit for bit, ties included."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["euclidean_answer", "hamming_answer", "rows_to_check"]

LANES = 32
QUIET_NAN = 0x7FC00000
BYTES_AT_A_TIME = 1 << 28


def rows_to_check(q: int) -> list[int]:
    """Queries around the edges of a kernel's tiles: of the first, of its halves (warpgroups), the last."""
    return sorted({row for row in (0, 63, 64, 127, 128, q - 1) if 0 <= row < q})


def euclidean_answer(queries: torch.Tensor, database: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Canonical squared distances [q, k] and ids [q, k], k at most n."""
    found = [_nearest(_euclidean_keys(query, database), k) for query in queries]
    distances = torch.stack([keys >> 32 for keys in found]).to(torch.int32).view(torch.float32)
    return distances, torch.stack([keys & 0xFFFFFFFF for keys in found])


def hamming_answer(queries: torch.Tensor, database: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances [q, k] and ids [q, k] of codes of whole bytes, k at most n."""
    found = [_nearest(_hamming_keys(query, database), k) for query in queries]
    distances = torch.stack([keys >> 32 for keys in found]).to(torch.int32)
    return distances, torch.stack([keys & 0xFFFFFFFF for keys in found])


def _nearest(keys: torch.Tensor, k: int) -> torch.Tensor:
    """The k smallest of keys that all differ."""
    return keys.topk(k, largest=False, sorted=True).values


def _keys(words: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """Distance bits above ids."""
    distances = torch.cat(list(words)).long()
    return (distances << 32) | torch.arange(len(distances), device=device)


def _euclidean_keys(query: torch.Tensor, database: torch.Tensor) -> torch.Tensor:
    size = max(1, BYTES_AT_A_TIME // (8 * LANES))
    return _keys([_euclidean_words(query, part) for part in database.split(size)], database.device)


def _euclidean_words(query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Lane by lane in float64, each operation rounded for itself, then folded by halves."""
    lanes = torch.zeros(len(rows), LANES, dtype=torch.float64, device=rows.device)
    for first in range(0, rows.shape[1], LANES):
        difference = query[first : first + LANES].double() - rows[:, first : first + LANES].double()
        lanes[:, : difference.shape[1]] += difference.square_()
    half = LANES // 2
    while half >= 1:
        lanes = lanes[:, :half] + lanes[:, half : 2 * half]
        half //= 2
    squared = lanes[:, 0].float()
    return torch.where(squared.isnan(), QUIET_NAN, squared.view(torch.int32))


def _hamming_keys(query: torch.Tensor, database: torch.Tensor) -> torch.Tensor:
    ones = torch.tensor([bin(byte).count("1") for byte in range(256)], dtype=torch.uint8, device=database.device)
    parts = database.split(max(1, BYTES_AT_A_TIME // (4 * database.shape[1])))
    return _keys(
        [ones[(part ^ query).int()].sum(1, dtype=torch.int32) for part in parts],
        database.device,
    )

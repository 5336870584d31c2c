"""The engine of one CUDA device: dense tensors there, on the caller's stream."""

from rsir_fast.ops.engines.device_euclidean import euclidean
from rsir_fast.ops.engines.device_hamming import hamming, pack
from rsir_fast.ops.engines.device_normalize import normalize, statistics
from rsir_fast.ops.engines.device_prepared import prepare

__all__ = ["euclidean", "hamming", "normalize", "pack", "prepare", "statistics"]

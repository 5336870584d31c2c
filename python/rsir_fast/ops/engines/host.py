"""The engine of the host's cores: arrays of every kind, read in host memory."""

from rsir_fast.ops.engines.host_blocks import euclidean, prepare_blocks
from rsir_fast.ops.engines.host_euclidean import prepare
from rsir_fast.ops.engines.host_hamming import hamming, pack, prepare_codes
from rsir_fast.ops.engines.host_normalize import normalize, statistics

__all__ = ["euclidean", "hamming", "normalize", "pack", "prepare", "prepare_blocks", "prepare_codes", "statistics"]

"""The ops as operators of torch: ``import rsir_fast.torch_ops`` before a program that torch.export has saved is loaded.

Elsewhere nothing need be imported: the first call of an op with a tensor, traced or not, registers them.
"""

from rsir_fast.ops.torch_ops import euclidean_topk, gaussian_normalize, hamming_topk, pack_codes

__all__ = ["euclidean_topk", "gaussian_normalize", "hamming_topk", "pack_codes"]

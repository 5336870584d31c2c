"""The kernels' Python face: normalisation, exact search, binary codes. Any array kind in, the same kind out."""

from rsir_fast.ops._plan import SearchPlan
from rsir_fast.ops.database import Database
from rsir_fast.ops.euclidean_topk import euclidean_topk
from rsir_fast.ops.gaussian_normalize import GaussianStatistics, gaussian_normalize, gaussian_statistics
from rsir_fast.ops.hamming_topk import hamming_topk
from rsir_fast.ops.pack_codes import pack_codes
from rsir_fast.ops.prepare import prepare
from rsir_fast.ops.rank_database import RankedBlock, rank_database
from rsir_fast.ops.relevant_ranks import RelevantRanks, relevant_ranks
from rsir_fast.ops.sidecar import Sidecar

__all__ = [
    "Database",
    "GaussianStatistics",
    "RankedBlock",
    "RelevantRanks",
    "SearchPlan",
    "Sidecar",
    "euclidean_topk",
    "gaussian_normalize",
    "gaussian_statistics",
    "hamming_topk",
    "pack_codes",
    "prepare",
    "rank_database",
    "relevant_ranks",
]

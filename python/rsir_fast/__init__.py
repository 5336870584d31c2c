"""Exact, reproducible content-based retrieval of remote sensing images.

Names load on first use, so that ``import rsir_fast`` costs milliseconds and never loads torch by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsir_fast.base.progress import Progress as Progress
    from rsir_fast.datasets import Dataset as Dataset
    from rsir_fast.datasets import generate_scenes as generate_scenes
    from rsir_fast.datasets import open_dataset as open_dataset
    from rsir_fast.datasets import stratified_split as stratified_split
    from rsir_fast.encoders.encoder import Encoder as Encoder
    from rsir_fast.encoders.hash_model import HashModel as HashModel
    from rsir_fast.encoders.load import load_encoder as load_encoder
    from rsir_fast.errors import RsirError as RsirError
    from rsir_fast.extraction import Features as Features
    from rsir_fast.extraction import encode as encode
    from rsir_fast.hashing import search_codes as search_codes
    from rsir_fast.hashing import train_dhcnn as train_dhcnn
    from rsir_fast.ops import SearchPlan as SearchPlan
    from rsir_fast.ops.database import Database as Database
    from rsir_fast.ops.euclidean_topk import euclidean_topk as euclidean_topk
    from rsir_fast.ops.gaussian_normalize import gaussian_normalize as gaussian_normalize
    from rsir_fast.ops.gaussian_normalize import gaussian_statistics as gaussian_statistics
    from rsir_fast.ops.hamming_topk import hamming_topk as hamming_topk
    from rsir_fast.ops.nearest import EuclideanTopK as EuclideanTopK
    from rsir_fast.ops.nearest import HammingTopK as HammingTopK
    from rsir_fast.ops.pack_codes import pack_codes as pack_codes
    from rsir_fast.ops.prepare import prepare as prepare
    from rsir_fast.ops.rank_database import rank_database as rank_database
    from rsir_fast.ops.relevant_ranks import relevant_ranks as relevant_ranks
    from rsir_fast.ops.sidecar import Sidecar as Sidecar
    from rsir_fast.pretraining import Pretrained as Pretrained
    from rsir_fast.pretraining import PretrainingRecipe as PretrainingRecipe
    from rsir_fast.pretraining import pretrain as pretrain
    from rsir_fast.protocols import evaluate_dhcnn2021 as evaluate_dhcnn2021
    from rsir_fast.protocols import evaluate_ge2018 as evaluate_ge2018
    from rsir_fast.protocols.reproduce_dhcnn2021 import reproduce_dhcnn2021 as reproduce_dhcnn2021

# Public name -> the module that defines it.
_HOME = {
    "Database": "ops.database",
    "Dataset": "datasets",
    "Features": "extraction",
    "Encoder": "encoders.encoder",
    "HashModel": "encoders.hash_model",
    "RsirError": "errors",
    "Sidecar": "ops.sidecar",
    "EuclideanTopK": "ops.nearest",
    "HammingTopK": "ops.nearest",
    "euclidean_topk": "ops.euclidean_topk",
    "evaluate_dhcnn2021": "protocols",
    "evaluate_ge2018": "protocols",
    "encode": "extraction",
    "load_encoder": "encoders.load",
    "gaussian_normalize": "ops.gaussian_normalize",
    "gaussian_statistics": "ops.gaussian_normalize",
    "generate_scenes": "datasets",
    "hamming_topk": "ops.hamming_topk",
    "open_dataset": "datasets",
    "pack_codes": "ops.pack_codes",
    "SearchPlan": "ops",
    "Pretrained": "pretraining",
    "PretrainingRecipe": "pretraining",
    "Progress": "base.progress",
    "prepare": "ops.prepare",
    "pretrain": "pretraining",
    "rank_database": "ops.rank_database",
    "relevant_ranks": "ops.relevant_ranks",
    "reproduce_dhcnn2021": "protocols.reproduce_dhcnn2021",
    "search_codes": "hashing",
    "stratified_split": "datasets",
    "train_dhcnn": "hashing",
}
# Names that there were -> what does it now.
_GONE = {
    "Backbone": "Encoder",
    "describe_dataset": "encode(dataset, encoder)",
    "extract": "encode(dataset, encoder)",
    "load_backbone": "load_encoder('NAME:LAYER', weights=...)",
    "load_descriptor": "load_encoder('NAME')",
    "PreparedCodes": "Database",
    "PreparedDatabase": "Database",
    "PreparedTensor": "Database",
    "ShardedCodes": "Database",
    "ShardedDatabase": "Database",
    "prepare_codes": "prepare(codes, metric='hamming', bits=...)",
}
_ROOMS = (
    "backbones",
    "datasets",
    "descriptors",
    "encoders",
    "errors",
    "extraction",
    "hashing",
    "metrics",
    "ops",
    "pretraining",
    "protocols",
    "report",
    "retrieval",
    "testing",
)

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rsir-fast")
    if name in _ROOMS:
        return importlib.import_module(f"rsir_fast.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"rsir_fast.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _GONE:
        raise AttributeError(f"rsir_fast.{name} is now rsir_fast.{_GONE[name]}")
    raise AttributeError(f"module 'rsir_fast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_HOME, *_ROOMS, "__version__"])

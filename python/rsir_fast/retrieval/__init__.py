"""Queries and what is found; post-processing and re-ranking, without labels, as small composable parts."""

from __future__ import annotations

from rsir_fast.retrieval.archive import Archive
from rsir_fast.retrieval.concatenate import concatenated
from rsir_fast.retrieval.diffusion import Diffusion
from rsir_fast.retrieval.duplicates import Pairs, near_duplicates
from rsir_fast.retrieval.expansion import Expansion
from rsir_fast.retrieval.hits import Answer, Found, Hits
from rsir_fast.retrieval.leaks import Leak, Leaks, leaks
from rsir_fast.retrieval.query import Query, Search
from rsir_fast.retrieval.ranking import Ranking, rank_all
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.search import find, search
from rsir_fast.retrieval.steps import L2, PCA, Center, FittedSteps, Power, Step, fit_steps, parse_steps
from rsir_fast.retrieval.where import AllOf, AnyOf, Box, Column, Ids, NoneOf, Polygon, Time

__all__ = [
    "L2",
    "PCA",
    "AllOf",
    "Answer",
    "AnyOf",
    "Archive",
    "Box",
    "Center",
    "Column",
    "Diffusion",
    "Expansion",
    "FittedSteps",
    "Found",
    "Hits",
    "Ids",
    "Leak",
    "Leaks",
    "NoneOf",
    "Pairs",
    "Polygon",
    "Power",
    "Query",
    "Ranking",
    "Search",
    "Step",
    "Time",
    "concatenated",
    "find",
    "fit_steps",
    "leaks",
    "near_duplicates",
    "parse_rerank",
    "parse_steps",
    "rank_all",
    "search",
]

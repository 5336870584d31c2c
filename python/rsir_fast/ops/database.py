"""A database made ready for many searches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from numpy.typing import ArrayLike

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops._plan import Method, SearchPlan, check_memory, check_method
from rsir_fast.ops._relevant import RelevantRanks, ranked
from rsir_fast.ops._tracing import operators_if_traced
from rsir_fast.ops.engines.host_euclidean import HostMatrix
from rsir_fast.ops.engines.search import answer
from rsir_fast.ops.nearest import EuclideanTopK, HammingTopK
from rsir_fast.ops.sidecar import Sidecar

__all__ = ["Database", "Metric", "unwrapped"]

Metric = Literal["euclidean", "hamming"]


class Database:
    """What `prepare` makes of a matrix or of binary codes, in host memory or on CUDA devices: ready for many searches.

    It is also what `euclidean_topk`, `hamming_topk`, `rank_database` and `relevant_ranks` take as their database.
    Answers have the same bits as those of the matrix or the codes it was made of.

    Attributes
    ----------
    metric : {"euclidean", "hamming"}
    held : object
        What the engine keeps of it; for tests and measurements, not part of the interface.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = rf.prepare(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], dtype=np.float32))
    >>> database
    Database(3 x 2 float32, normalize='none', precision='int8', 0.0 MiB)
    >>> squared, ids = database.topk(np.array([[3.0, 4.0]], dtype=np.float32), 2)
    >>> squared.tolist(), ids.tolist()
    ([[0.0, 25.0]], [[1, 0]])
    """

    def __init__(self, held: Any, metric: Metric) -> None:
        self.held = held
        self.metric: Metric = metric

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; of codes, their number and the bytes of each."""
        n, columns = self.held.shape
        return n, columns

    @property
    def normalize(self) -> str:
        """With what the vectors were normalised, as all queries are: ``"none"`` or ``"row"``."""
        return getattr(self.held, "normalize", "none")

    @property
    def bits(self) -> int | None:
        """Length of a code; None with the Euclidean metric."""
        return getattr(self.held, "bits", None)

    @property
    def nbytes(self) -> int:
        """Bytes held, on all devices together."""
        return int(self.held.nbytes)

    @property
    def sidecar(self) -> Sidecar | None:
        """The integer copy, to be kept in a file; None where there is none in host memory."""
        compiled = getattr(self.held, "sidecar", None)
        return None if compiled is None else Sidecar(compiled)

    @property
    def instead_of_array(self) -> str:
        """What to do with it where an array is wanted."""
        if self.metric == "hamming":
            return "it is a database of hamming_topk and rank_database(metric='hamming'); elsewhere pass its codes"
        return "it is a database of euclidean_topk, rank_database and relevant_ranks; elsewhere pass its matrix"

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Database({self.held})"

    def topk(
        self,
        queries: Any,
        k: int,
        *,
        where: Any = None,
        memory: int | None = None,
        out: tuple[Any, Any] | None = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> EuclideanTopK | HammingTopK:
        """Return the k nearest items of every query, as `euclidean_topk` or `hamming_topk` does.

        Parameters
        ----------
        queries : array, shape [q, d] or [q, bytes]
            Or, of vectors in one array of host memory, the database itself: every row a query. Then each pair of long
            rows (1,024 values and more; for few neighbours some 512) is multiplied once for both, on AVX-512 and AVX2.
        k : int
        memory : int, optional
            Bytes for the candidates and codes of rows that are queries at a time, where the queries are the database
            itself; default 256 MiB. Rows beyond it are searched by super-blocks: each with itself, then with the rows
            that follow, some at a time. Where super-blocks would be too small to gain by that (256 rows and 16 for each
            neighbour), each row is searched as other queries are. It never changes a bit, and means nothing on
            devices.
        where, out, threads, isa : optional
            As there.

        Returns
        -------
        EuclideanTopK or HammingTopK
            A pair of arrays, shape [q, k].

        Raises
        ------
        TypeError, ValueError
            As there; `memory` of less than the lists of a hundred rows, or for codes.
        """
        operators_if_traced(queries, self)
        if memory is not None:
            self._check_euclidean("memory")
            check_memory(memory, k)
        search = self._search(queries, where, memory=memory, threads=threads, isa=isa)
        found = answer(search, k, out, (queries, self))
        return EuclideanTopK(*found) if self.metric == "euclidean" else HammingTopK(*found)

    def ranks(
        self,
        queries: Any,
        query_labels: ArrayLike,
        item_labels: ArrayLike,
        *,
        self_ids: ArrayLike | None = None,
        where: Any = None,
        block: int | None = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> Iterator[RelevantRanks]:
        """Tell where the items that share each query's label stand, as `relevant_ranks` does.

        Parameters
        ----------
        queries : array, shape [q, d]
        query_labels, item_labels, self_ids, where, block, threads, isa
            As there.

        Returns
        -------
        iterator of RelevantRanks

        Raises
        ------
        TypeError, ValueError
            As there, or the metric is not the Euclidean one.
        """
        self._check_euclidean("ranks")
        engine = engine_for(queries, self.held)
        search = engine.euclidean(queries, self.held, None, where=where, threads=threads, isa=isa)
        return ranked(search, query_labels, item_labels, self_ids, block)

    def plan(
        self,
        queries: Any,
        k: int,
        *,
        where: Any = None,
        method: Method = "auto",
        memory: int | None = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> SearchPlan:
        """Search, and tell how it was done: the pass taken and why, and how many candidates it had to decide.

        Parameters
        ----------
        queries, k, where, method, memory, threads, isa
            As in `euclidean_topk`.

        Raises
        ------
        TypeError, ValueError
            As there, or the database is not one of vectors in host memory.

        Examples
        --------
        >>> import numpy as np
        >>> import rsir_fast as rf
        >>> vectors = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
        >>> plan = rf.prepare(vectors).plan(vectors[:8], 10)
        >>> plan.method, plan.reason
        ('certified', 'excludes most rows at a quarter of the cost')
        """
        self._check_euclidean("plan")
        check_method(method)
        check_memory(memory, k)
        queries = self._own_rows(queries)
        engine = engine_for(queries, self.held, on_host=True)
        search: Any = engine.euclidean(
            queries, self.held, None, where=where, method=method, memory=memory, threads=threads, isa=isa
        )
        answer(search, k, None, (queries, self))
        found: SearchPlan = search.plan()
        return found

    def _search(self, queries: Any, where: Any, *, memory: int | None, threads: int | None, isa: str | None) -> Any:
        if self.metric == "euclidean":
            queries = self._own_rows(queries)
            engine = engine_for(queries, self.held)
            return engine.euclidean(queries, self.held, None, where=where, memory=memory, threads=threads, isa=isa)
        engine = engine_for(queries, self.held, elements="uint8")
        return engine.hamming(queries, self.held, None, where=where, threads=threads, isa=isa)

    def _own_rows(self, queries: Any) -> Any:
        """Return the queries; of the database itself, in host memory, its rows."""
        return self.held if queries is self and isinstance(self.held, HostMatrix) else queries

    def _check_euclidean(self, what: str) -> None:
        if self.metric != "euclidean":
            raise ValueError(
                f"{what}: expected a database of vectors, got one of codes; use topk or rank_database(metric='hamming')"
            )


def unwrapped(database: Any, metric: Metric) -> Any:
    """Return what the engine keeps of a database of this metric; what is no such database, as it is."""
    return database.held if isinstance(database, Database) and database.metric == metric else database

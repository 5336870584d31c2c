"""Work by several threads, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

R = TypeVar("R")


def in_order(work: Callable[[int], R], numbers: Iterable[int], workers: int) -> Generator[R, None, None]:
    """Yield ``work(number)`` for each number, in order, computed by threads a little ahead.

    Parameters
    ----------
    work
        Called by `workers` threads at once.
    numbers
        Its arguments.
    workers
        Threads; 0 works in the caller's.

    Yields
    ------
    object
        At most four results a thread wait to be taken.

    Examples
    --------
    >>> list(in_order(lambda number: number * number, range(4), workers=2))
    [0, 1, 4, 9]
    """
    if workers == 0:
        yield from map(work, numbers)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rsir-descriptor")
    try:
        under_way: deque[Future[R]] = deque()
        for number in numbers:
            under_way.append(pool.submit(work, number))
            if len(under_way) > 4 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

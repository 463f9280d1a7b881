"""Rows shared out among threads, each of which computes alone.

Threads inside one small product wait for each other after every operation; threads that take a share of the rows
through a whole computation meet once. Operations of PyTorch release the interpreter lock while they compute.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import torch

Task = Callable[[int, slice], None]
"""(number of the worker, its rows) -> nothing; results are written in place."""

MIN_ROWS = 64
"""Rows below which a share is not worth a thread."""


_lent = 0
"""Threads that PyTorch has lent to `share_out`; 0 while it has not."""


@contextmanager
def threads_for_shares() -> Iterator[None]:
    """Within, PyTorch's operations take one thread each, and `share_out` has all those that they had before.

    Small operations on many threads cost more than they gain: an optimiser's step on two takes five times as long.
    """
    global _lent
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    _lent = threads
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _lent = 0
        torch.set_num_threads(threads)


def workers(rows: int) -> int:
    """Threads among which so many rows are shared: those that PyTorch may use, or has lent, if each gets enough."""
    return max(1, min(_lent or torch.get_num_threads(), rows // MIN_ROWS))


def share_out(task: Task, rows: int) -> None:
    """Call `task` for consecutive shares of `rows`, one per worker, without gradients; return when all are done."""
    count = workers(rows)
    edges = [rows * index // count for index in range(count + 1)]
    shares = [slice(*edge) for edge in pairwise(edges)]
    if count == 1:
        return _alone(task, 0, shares[0])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pending = [_pool(count - 1).submit(_alone, task, index, shares[index]) for index in range(1, count)]
    try:
        _alone(task, 0, shares[0])
    finally:
        wait(pending)
        torch.set_num_threads(threads)
    for one in pending:
        one.result()


@torch.no_grad()
def _alone(task: Task, worker: int, rows: slice) -> None:
    task(worker, rows)


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "rows", initializer=torch.set_num_threads, initargs=(1,))

"""The protocol of the workers of throughput.py, with the standard library alone: peers' environments import it too.

A worker says `{"ready": {...}}` once it is warm. From then on a request is a line with seconds, its answer a line of
JSON: `seconds` that were measured, `counts` of what was done in them, `means` of what was seen.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

Answer = Mapping[str, Any]


def claim_stdout() -> TextIO:
    """Return standard output for answers; what libraries print goes to standard error from here on."""
    own = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return own


def serve(out: TextIO, measure: Callable[[float], Answer], **about: Any) -> None:
    """Say that the worker is ready, with what is known `about` it; answer requests until standard input ends."""
    print(json.dumps({"ready": about}), file=out)
    for line in sys.stdin:
        print(json.dumps(measure(float(line)), allow_nan=False), file=out)


def timed(step: Callable[[], int], seconds: float) -> tuple[int, float]:
    """Call `step`, which returns how much it did, until `seconds` are over; return the sum and the exact seconds."""
    count, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        count += step()
    return count, elapsed


def answer(counts: Mapping[str, float], seconds: float, means: Mapping[str, float] | None = None) -> Answer:
    """Return what a worker answers."""
    return {"seconds": seconds, "counts": dict(counts), "means": dict(means or {})}

"""A writer in a process of its own: `python -m tests.spreeze.transport.writer WHAT FD SIZE SEED [KILLS]`.

It writes without a pause. With KILLS it is a row of writers, each killed at a random moment and followed by the next;
what is on standard output then is how often each of them was heard to begin.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable

import numpy as np

from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreMemory
from spreeze.transport.memory import SharedMemory
from spreeze.transport.weights import Version, WeightChannel, WeightLayout
from tests.spreeze.transport.rows import block, ring

RING = ring(steps=512, streams=4)
WEIGHTS = WeightLayout((("a", "float64", (300, 200)), ("b", "float32", (1000,)), ("c", "int64", ())))
LIFE_S = (0.005, 0.1)
"""Between the start of a writer and its end by SIGKILL, drawn evenly."""


def write_lane(memory: SharedMemory, incarnation: int, rng: random.Random) -> None:
    """Append self-naming blocks for ever; the first follows a break, as after every restart."""
    writer, continues = LaneWriter(StoreMemory(RING, memory), 0), False
    while True:
        begin = writer.committed + (not continues and writer.committed > 0)
        writer.write(block(begin, rng.randint(1, 12), RING.streams, continues))
        continues = rng.random() < 0.9


def write_weights(memory: SharedMemory, incarnation: int, rng: random.Random) -> None:
    """Publish for ever; every number of a publication is its sequence number."""
    channel = WeightChannel(memory, WEIGHTS)
    while True:
        number = channel.sequence + 1
        tensors = {name: np.full(shape, number, dtype) for name, dtype, shape in WEIGHTS.entries}
        channel.publish(tensors, Version(incarnation, number, 2 * number))


Write = Callable[[SharedMemory, int, random.Random], None]
WRITERS: dict[str, Write] = {"lane": write_lane, "weights": write_weights}


def storm(write: Write, memory: SharedMemory, seed: int, kills: int) -> None:
    """Start and kill one writer after the other."""
    rng = random.Random(seed)
    for incarnation in range(1, kills + 1):
        child = os.fork()
        if child == 0:
            write(memory, incarnation, random.Random(seed + incarnation))
        time.sleep(rng.uniform(*LIFE_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main() -> None:
    """Write as the command line asks."""
    what, fd, size, seed = sys.argv[1], *(int(word) for word in sys.argv[2:5])
    memory = SharedMemory(fd, size)
    if len(sys.argv) > 5:
        storm(WRITERS[what], memory, seed, int(sys.argv[5]))
    else:
        WRITERS[what](memory, 1, random.Random(seed))


if __name__ == "__main__":
    main()

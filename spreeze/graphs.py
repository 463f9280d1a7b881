"""CUDA graphs: work that the host queues once, to be replayed by the device without it."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import torch

from spreeze.contract import Part

Result = TypeVar("Result")

WARM_CALLS = 3
"""Calls that are computed eagerly before one is captured: what is made lazily must exist by then."""
MAX_AHEAD = 2
"""Calls that the host may queue before the first of them is done."""


class Recorder(Protocol):
    """How work is captured on one kind of device."""

    def warm(self, compute: Callable[[], Result]) -> Result:
        """Compute eagerly, under the conditions of a capture."""

    def record(self, compute: Callable[[], Result], generators: Sequence[torch.Generator]) -> Callable[[], Result]:
        """Capture `compute` without having it computed; return what replays it, each time into the same result.

        `generators` are those that it draws from; a replay goes on with their state and moves it.

        Raises:
            RuntimeError: it cannot be captured.
        """


class CudaRecorder:
    """CUDA graphs as torch's notes on them ask: warmed up and captured on one side stream, replayed on any."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    def warm(self, compute: Callable[[], Result]) -> Result:
        """Compute on the side stream; what is queued on the present stream comes before and after."""
        present = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            result = compute()
        present.wait_stream(self._stream)
        return result

    def record(self, compute: Callable[[], Result], generators: Sequence[torch.Generator]) -> Callable[[], Result]:
        """Capture `compute` as one graph."""
        graph, kept = torch.cuda.CUDAGraph(), [generator.clone_state() for generator in generators]
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            # A capture that fails leaves its stream current; the outer context puts the present one back.
            present = torch.cuda.current_stream(self._stream.device)
            with torch.cuda.stream(present), torch.cuda.graph(graph, stream=self._stream):
                result = compute()
        except RuntimeError:
            # It also leaves generators that refuse to draw outside of a capture.
            for generator, state in zip(generators, kept, strict=True):
                generator.graphsafe_set_state(state)
            raise
        return Replay(graph, result)


class Replay(Generic[Result]):
    """A captured graph, with the result that it writes."""

    def __init__(self, graph: torch.cuda.CUDAGraph, result: Result) -> None:
        self._graph, self._result = graph, result

    def __call__(self) -> Result:
        """Queue the graph on the present stream."""
        self._graph.replay()
        return self._result


class Graphed(Generic[Result]):
    """A computation that is made eagerly `WARM_CALLS` times, then captured, and replayed from then on.

    1. All of it counts: the calls that warm up compute what is asked for, and a capture computes nothing.
    2. Where the addresses differ from those of the capture, it begins anew.
    3. If it cannot be captured, it is computed eagerly for good, and `say` is told why, once.
    """

    def __init__(
        self,
        compute: Callable[[], Result],
        generators: Callable[[], Sequence[torch.Generator]],
        recorder: Recorder,
        say: Callable[[str], None],
    ) -> None:
        self._compute, self._generators, self._recorder, self._say = compute, generators, recorder, say
        self._calls = 0
        self._replay: Callable[[], Result] | None = None
        self._addresses: Hashable = None
        self.failed = False

    def __call__(self, addresses: Hashable) -> Result:
        """Compute once; `addresses` tells where everything lies that the computation uses."""
        if self.failed:
            return self._compute()
        if addresses != self._addresses:
            self._calls, self._replay, self._addresses = 0, None, addresses
        self._calls += 1
        if self._calls <= WARM_CALLS:
            return self._recorder.warm(self._compute)
        self._replay = self._replay or self._record()
        return self._replay()

    def _record(self) -> Callable[[], Result]:
        try:
            return self._recorder.record(self._compute, self._generators())
        except RuntimeError as error:
            self.failed = True
            reason = str(error).partition("\n")[0]
            self._say(f"updates are not captured in a CUDA graph but made one by one, which is slower: {reason}")
            return self._compute


def addresses_of(parts: Mapping[str, Part]) -> Hashable:
    """Where the parameters and buffers lie that these parts own and read."""
    modules = [module for part in parts.values() for module in (*part.owns.values(), *part.reads.values())]
    return tuple(tensor.data_ptr() for m in modules for tensor in (*m.parameters(), *m.buffers()))


class Ahead:
    """Keeps the host at most `MAX_AHEAD` calls ahead of the device, so that counters say what has been done."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events = deque[torch.cuda.Event]()

    def queued(self) -> None:
        """Note that a call was queued; wait while there are too many."""
        if self._device.type != "cuda":
            return
        event = torch.cuda.Event(blocking=True)
        event.record(torch.cuda.current_stream(self._device))
        self._events.append(event)
        if len(self._events) > MAX_AHEAD:
            self._events.popleft().synchronize()

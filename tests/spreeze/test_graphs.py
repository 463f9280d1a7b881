"""Calls that are captured: warmed up by work that counts, replayed, captured again, or given up with one sentence."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from spreeze.graphs import WARM_CALLS, Graphed, addresses_of
from tests.spreeze.regression import Regression
from tests.spreeze.tape import Tape

Result = TypeVar("Result")


class Sum:
    """Adds random numbers to a total, and counts how often its code runs."""

    def __init__(self) -> None:
        self.total, self.generator, self.runs = torch.zeros(3), torch.Generator().manual_seed(0), 0

    def __call__(self) -> Tensor:
        self.runs += 1
        self.total += torch.rand(3, generator=self.generator)
        return 2 * self.total


class Clumsy(Tape):
    """Fails in the middle of what it records."""

    def record(self, compute: Callable[[], Result], generators: Sequence[torch.Generator]) -> Callable[[], Result]:
        self.recorded += 1
        raise RuntimeError("operation not permitted when stream is capturing\nmore that nobody reads")


def graphed(work: Sum, recorder: Tape, said: list[str] | None = None) -> Graphed[Tensor]:
    heard = list[str]() if said is None else said
    return Graphed(work, lambda: [work.generator], recorder, heard.append)


def test_replays_go_on_with_memory_and_generators_as_if_the_code_had_run() -> None:
    one, other, tape = Sum(), Sum(), Tape()
    call = graphed(one, tape)
    for _ in range(WARM_CALLS + 4):
        assert torch.equal(call("here"), other())
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_CALLS, 1, 4)
    assert one.runs == WARM_CALLS + 1
    assert torch.equal(one.generator.get_state(), other.generator.get_state())


def test_other_addresses_are_warmed_up_and_captured_anew() -> None:
    work, tape = Sum(), Tape()
    call = graphed(work, tape)
    for _ in range(WARM_CALLS + 2):
        call("here")
    kept, work.total = work.total, torch.zeros(3)
    before = kept.clone()
    for _ in range(WARM_CALLS + 2):
        call("there")
    assert (tape.warmed, tape.recorded, tape.replayed) == (2 * WARM_CALLS, 2, 4)
    assert torch.equal(kept, before)
    assert (work.total > 0).all()


def test_what_cannot_be_captured_is_computed_eagerly_and_said_once() -> None:
    work, other, tape, said = Sum(), Sum(), Clumsy(), list[str]()
    call = graphed(work, tape, said)
    for _ in range(WARM_CALLS + 5):
        assert torch.equal(call("here"), other())
    assert call.failed and tape.recorded == 1
    assert len(said) == 1 and "operation not permitted" in said[0] and "nobody reads" not in said[0]


def test_a_fault_of_the_computation_itself_is_not_swallowed() -> None:
    def broken() -> Tensor:
        raise KeyError("batch")

    with pytest.raises(KeyError, match="batch"):
        Graphed(broken, list, Tape(), print)("here")


def test_the_stand_in_refuses_what_a_captured_stream_refuses() -> None:
    values, generator = torch.ones(3), torch.Generator().manual_seed(0)
    with pytest.raises(RuntimeError, match="a tensor is read"):
        Tape().record(lambda: float(values.sum()), [])
    with pytest.raises(RuntimeError, match="not registered"):
        Tape().record(lambda: torch.rand(3, generator=generator), [])
    Tape().record(lambda: torch.rand(3, generator=generator), [generator])


def test_addresses_tell_tensors_that_were_replaced_from_tensors_that_were_written() -> None:
    part = Regression()
    before = addresses_of({"net": part})
    part.load_state(part.state())
    assert addresses_of({"net": part}) == before
    part.net.weight.data = part.net.weight.data.clone()
    assert addresses_of({"net": part}) != before

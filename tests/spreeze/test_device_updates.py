"""Updates with batches drawn on a device: K in one call equal K calls, and replayed calls equal eager ones."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from spreeze.contract import Capturable, Draw, Metrics
from spreeze.device_updates import DeviceBatches, DeviceUpdates, draw_seed, store_device
from spreeze.errors import UsageError
from spreeze.graphs import WARM_CALLS, Recorder
from spreeze.learning import Batches
from spreeze.means import MetricMeans
from spreeze.transport.store import StoreReader
from tests.spreeze.regression import BATCH, CPU, STORES, Experience, Regression, assert_equal
from tests.spreeze.tape import Tape

SEED, PER_CALL = 5, 4


class Learning:
    """A part with updates on the device, and what it learns from."""

    def __init__(
        self,
        recorder: Recorder | None = None,
        part: Regression | None = None,
        update: int = 0,
        device: torch.device = CPU,
    ) -> None:
        self.experience, self.part, self.said = Experience(), part or Regression(), list[str]()
        self.experience.write()
        readers = {name: StoreReader(memory) for name, memory in self.experience.memories.items()}
        drawn = DeviceBatches(self.part.draws, self.experience.memories, device, SEED, update)
        self.updates = DeviceUpdates(
            {"net": self.part}, Batches(readers, STORES, SEED), drawn, PER_CALL, update, recorder, self.said.append
        )
        self.means = MetricMeans()

    def learn(self, *counts: int, write: bool = True) -> "Learning":
        """Make these numbers of updates in a call each, after some more rows have come."""
        for count in counts:
            if write:
                self.experience.write()
            assert self.updates.ready()
            self.updates.advance(count, self.means)
        return self


def test_calls_of_several_updates_equal_calls_of_one() -> None:
    one, other = Learning().learn(4, 4, 4, write=False), Learning().learn(*[1] * 12, write=False)
    assert one.updates.update == other.updates.update == 12
    assert_equal(one.part, other.part)
    left, right = one.means.report(), other.means.report()
    assert left == pytest.approx(right)


def test_replayed_calls_equal_eager_ones_to_the_bit_while_the_store_grows_and_wraps() -> None:
    tape = Tape()
    one, other = Learning(tape).learn(*[4] * 20), Learning().learn(*[4] * 20)
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_CALLS, 1, 20 - WARM_CALLS)
    assert one.said == []
    assert_equal(one.part, other.part)
    assert one.means.report() == other.means.report()


def test_a_call_of_another_number_of_updates_is_made_eagerly_between_replays() -> None:
    counts = [*[4] * 6, 3, 4, 1, 4]
    one, other = Learning(Tape()).learn(*counts), Learning().learn(*counts)
    assert one.updates.update == sum(counts)
    assert_equal(one.part, other.part)


def test_a_state_that_is_loaded_where_the_old_one_lay_is_what_replays_go_on_from() -> None:
    tape, source = Tape(), Regression(seed=9)
    one, other = Learning(tape).learn(*[4] * 6), Learning().learn(*[4] * 6)
    for learning in (one, other):
        for name, module in learning.part.owns.items():
            module.load_state_dict(source.owns[name].state_dict())
        learning.part.generator.set_state(source.generator.get_state())
        learning.learn(4, 4)
    assert tape.recorded == 1
    assert_equal(one.part, other.part)


def test_tensors_that_are_replaced_are_captured_anew() -> None:
    tape = Tape()
    one, other = Learning(tape).learn(*[4] * 6), Learning().learn(*[4] * 6)
    for learning in (one, other):
        learning.part.net.weight.data = torch.zeros(1, 3)
        learning.learn(*[4] * 6)
    assert tape.recorded == 2
    assert_equal(one.part, other.part)


class Reading(Regression):
    """Looks at its loss, which a captured stream does not permit."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        metrics = super().update(batches)
        return {"loss": float(metrics["loss"])}


def test_a_part_that_waits_for_the_device_is_updated_eagerly_and_that_is_said_once() -> None:
    learning = Learning(Tape(), Reading()).learn(*[4] * 8)
    assert len(learning.said) == 1 and "CUDA graph" in learning.said[0]
    assert learning.updates.update == 32


class Plain(Regression):
    """Promises nothing."""

    def __init__(self) -> None:
        super().__init__()
        del self.graph_generators


def test_a_part_that_promises_nothing_is_never_captured() -> None:
    assert isinstance(Regression(), Capturable) and not isinstance(Plain(), Capturable)
    tape = Tape()
    one, other = Learning(tape, Plain()).learn(*[4] * 6), Learning().learn(*[4] * 6)
    assert (tape.warmed, tape.recorded) == (0, 0)
    assert_equal(one.part, other.part)


class Ending(Regression):
    """Has nothing more to learn after six updates."""

    made = 0

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        self.made += 1
        self.finished = self.made == 6
        return super().update(batches)


def test_no_update_is_made_after_a_part_is_finished() -> None:
    part = Ending()
    learning = Learning(part=part).learn(4, 4)
    assert (learning.updates.update, part.made, learning.updates.finished) == (6, 6, True)


def test_draws_go_on_from_a_saved_state_and_are_others_for_another_update() -> None:
    learning = Learning().learn(4, 4)
    saved, part = learning.updates.draw_state(), learning.part.state()
    kept = {name: tensor.clone() for name, tensor in part.items()}
    resumed, astray = Learning(update=8), Learning(update=9)
    resumed.updates.load_draw_state(saved)
    for other in (resumed, astray):
        other.part.load_state({name: tensor.clone() for name, tensor in kept.items()})
        other.experience.write()
        other.experience.write()
        other.learn(4)
    learning.learn(4)
    assert_equal(resumed.part, learning.part)
    assert not torch.equal(astray.part.net.weight, learning.part.net.weight)


@pytest.mark.parametrize("words", [(1, "a", 0), (0, "b", 0), (0, "a", 1)])
def test_the_seed_of_a_draw_depends_on_seed_name_and_update(words: tuple[int, str, int]) -> None:
    assert draw_seed(*words) == draw_seed(*words) != draw_seed(0, "a", 0)
    assert 0 <= draw_seed(*words) < 2**63


def test_a_store_without_a_transition_is_not_ready() -> None:
    experience = Experience()
    drawn = DeviceBatches({"rows": Draw("replay", BATCH)}, experience.memories, CPU, SEED, 0)
    assert not drawn.ready()
    experience.write()
    assert drawn.ready()


def place(asked: str, part: Regression, said: list[str]) -> torch.device | None:
    memories = Experience().memories
    return store_device(asked, {"net": part}, {"net": CPU}, STORES, memories, said.append)


def test_stores_are_mirrored_on_a_cpu_only_where_that_is_asked_for() -> None:
    said: list[str] = []
    assert place("device", Regression(), said) == CPU
    assert place("auto", Regression(), said) is None
    assert place("host", Regression(), said) is None
    assert said == []


def test_stores_that_are_drawn_by_segments_stay_on_the_host_and_that_is_said() -> None:
    part, said = Regression(), list[str]()
    part.draws = {"rows": Draw("replay", segments=3)}
    assert place("device", part, said) is None
    assert said == ["stores stay on the host: draw 'rows' takes segments"]


def test_stores_that_do_not_fit_are_refused_where_they_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spreeze.device_updates.free_bytes", lambda device: 1000)
    with pytest.raises(UsageError, match="lower the capacity"):
        place("device", Regression(), [])

"""A learner split over two processes against a joint learner, and against a serial reference with the same delay."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from spreeze.contract import Block, Draw, EnvironmentSpec, LearnerSetup, Part
from spreeze.learning import Batches, Exchange, JointUpdates, SplitUpdates, exchange_layout
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader, Window, generator
from spreeze.transport.weights import WeightChannel
from tests.contract.environments import Line
from tests.contract.split import SplitConfig, stages

SEED, UPDATES, BATCH = 11, 40, 8
CPU = torch.device("cpu")
LEADER, FOLLOWER = "left", "right"
WRITE = "write"
STAGE = stages(EnvironmentSpec(Line.observation_space, Line.action_space), SplitConfig(), BATCH)[0]

Weights = dict[str, Tensor]
"""What one or both parts own after an update."""


def new_parts() -> Mapping[str, Part]:
    return STAGE.make_learner(LearnerSetup({"*": CPU}, SEED, {}))


def owned(part: Part) -> Weights:
    return {name: module.get_parameter("weight").detach().clone() for name, module in part.owns.items()}


def joined(histories: Mapping[str, Sequence[Weights]]) -> list[Weights]:
    return [left | right for left, right in zip(histories[LEADER], histories[FOLLOWER], strict=True)]


def assert_equal(one: Sequence[Weights], other: Sequence[Weights]) -> None:
    assert len(one) == len(other) == UPDATES
    for update, (left, right) in enumerate(zip(one, other, strict=True), start=1):
        for name, tensor in left.items():
            difference = float((tensor - right[name]).abs().max())
            assert difference <= 1e-6, f"{name} after update {update}"


class Experience:
    """A store that is filled block by block, with the same blocks in every test."""

    def __init__(self) -> None:
        memory = StoreMemory.create("replay", StoreLayout.of(STAGE.stores["replay"], 1, 2))
        self.reader, self._writer, self.blocks = StoreReader(memory), LaneWriter(memory, 0), 0
        self.batches = Batches({"replay": self.reader}, STAGE.stores, SEED)
        self._last = np.zeros((2, 2))
        self.write()

    def write(self) -> None:
        random = np.random.default_rng([SEED, self.blocks])
        fields = {n: random.normal(size=(4, 2, *f.shape)) for n, f in STAGE.stores["replay"].fields.items()}
        continues, last = self.blocks % 3 > 0, random.normal(size=(2, 2))
        if continues:
            fields["observation"][0] = self._last
        self._writer.write(Block("replay", fields, np.ones((4, 2)), last, continues))
        self.blocks, self._last = self.blocks + 1, last


def joint() -> list[Weights]:
    """A joint learner, before each of whose updates a block is written."""
    experience, parts, trajectory = Experience(), new_parts(), []
    updates = JointUpdates(parts, experience.batches, {LEADER: CPU, FOLLOWER: CPU})
    for _ in range(UPDATES):
        experience.write()
        updates.step()
        trajectory.append(owned(parts[LEADER]) | owned(parts[FOLLOWER]))
    return trajectory


class Split:
    """Both parts, each with a learner of its own as in processes, advanced in turns."""

    def __init__(self, delay: int) -> None:
        self.delay, self.experience = delay, Experience()
        readers, slots, parts = {"replay": self.experience.reader}, delay + 2, {n: new_parts() for n in STAGE.bundles}
        channels = {n: WeightChannel.create(n, exchange_layout(parts[n][n], readers), slots) for n in parts}
        self.updates = {n: self._updates(parts[n], n, channels) for n in parts}
        self.histories: dict[str, list[Weights]] = {n: [] for n in parts}
        self.seen: dict[int, Window] = {}
        """What the leader could draw when it performed an update; at 0: when it began."""

    def _updates(self, parts: Mapping[str, Part], name: str, channels: Mapping[str, WeightChannel]) -> SplitUpdates:
        exchange = Exchange(parts, name, channels, self.delay, 0)
        return SplitUpdates(parts, name, self.experience.batches, CPU, exchange, self.delay, 1, 0)

    def take(self, turns: Iterable[str]) -> None:
        for turn in turns:
            if turn == WRITE:
                self.experience.write()
            else:
                self._advance(turn)

    def _advance(self, name: str) -> None:
        updates, window = self.updates[name], self.experience.reader.window()
        if name == LEADER:
            self.seen.setdefault(0, window)
        if updates.update < UPDATES and updates.ready():
            updates.step()
            self.histories[name].append(owned(updates.parts[name]))
            if name == LEADER:
                self.seen[updates.update] = window

    @property
    def over(self) -> bool:
        return all(len(history) == UPDATES for history in self.histories.values())


def reference(split: Split) -> list[Weights]:
    """The same updates one after the other, each part seeing the other's weights as late as the delay says."""
    delay, parts = split.delay, {LEADER: new_parts()[LEADER], FOLLOWER: new_parts()[FOLLOWER]}
    histories = {name: [owned(part)] for name, part in parts.items()}
    for update in range(1, UPDATES + 1):
        random = generator(SEED, update, zlib.crc32(b"batch"))
        arrays = split.experience.reader.draw(Draw("replay", BATCH), random, split.seen[max(update - delay, 0)])
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for name, partner, late in ((LEADER, FOLLOWER, delay + 1), (FOLLOWER, LEADER, delay)):
            read = histories[partner][max(update - late, 0)]
            parts[name].reads[partner].load_state_dict({"weight": read[partner]})
            parts[name].update({"batch": batch})
            histories[name].append(owned(parts[name]))
    return joined({name: history[1:] for name, history in histories.items()})


def test_delay_0_equals_the_joint_update_though_rows_come_between_the_parts() -> None:
    split = Split(delay=0)
    split.take([LEADER, FOLLOWER, WRITE])
    for _ in range(UPDATES):
        split.take([LEADER, WRITE, FOLLOWER])
    assert split.over
    assert_equal(joined(split.histories), joint())


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("delay", [0, 1, 2])
def test_a_split_learner_equals_a_serial_one_with_the_same_delay_in_whatever_order_they_run(
    delay: int, order: int
) -> None:
    split, random = Split(delay), np.random.default_rng(order)
    for _ in range(20 * UPDATES):
        if not split.over:
            split.take([str(random.choice([LEADER, FOLLOWER, WRITE], p=[0.4, 0.4, 0.2]))])
    assert split.over
    assert split.experience.reader.window().low == 0, "nothing was overwritten, so that rows can be drawn again"
    assert_equal(joined(split.histories), reference(split))


def test_a_delay_shows() -> None:
    """Otherwise the tests above would say nothing."""
    first, second = Split(0), Split(1)
    for split in (first, second):
        for _ in range(2 * UPDATES):
            split.take([LEADER, FOLLOWER])
    apart = [
        float((one["left"] - other["left"]).abs().max())
        for one, other in zip(joined(first.histories), joined(second.histories), strict=True)
    ]
    assert max(apart) > 1e-4

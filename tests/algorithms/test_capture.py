"""What is computed on a GPU can be captured: replayed from the same memory it gives what the code gives.

On a CPU, where parts compute by other means, they are made to compute as on a GPU.
"""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from spreeze.algorithms import sac
from spreeze.algorithms._gradients import ActorGradients, CriticGradients
from spreeze.algorithms._inference import SampledValues
from spreeze.algorithms._networks import squashed_log_density
from spreeze.contract import Block, Capturable, EnvironmentSpec, LearnerSetup
from spreeze.device_updates import DeviceBatches, DeviceUpdates
from spreeze.graphs import WARM_CALLS, Recorder
from spreeze.learning import Batches, draws_of
from spreeze.means import MetricMeans
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader
from tests.spreeze.tape import Tape

CPU, STREAMS, PER_CALL, CALLS = torch.device("cpu"), 4, 4, WARM_CALLS + 6
SPEC = EnvironmentSpec(Box(-1.0, 1.0, (5,), np.float32), Box(-1.0, 1.0, (2,), np.float32))
STAGE = sac.stages(SPEC, sac.SACConfig(hidden=(16, 16), capacity=200), 32)[0]


@torch.no_grad()
def by_modules(self: SampledValues, states: Tensor, noise: Tensor, density: bool = True) -> tuple[Tensor, Tensor]:
    mean, log_std = self.actor(states)
    pre_action = mean + log_std.exp() * noise
    return self.critic(states, torch.tanh(pre_action)).amin(0), squashed_log_density(noise, log_std, pre_action)


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CriticGradients, "__call__", CriticGradients._by_autograd)
    monkeypatch.setattr(ActorGradients, "__call__", ActorGradients._by_autograd)
    monkeypatch.setattr(SampledValues, "__call__", by_modules)


def write(memory: StoreMemory, number: int) -> None:
    """Append ten steps that are a function of `number`."""
    random = np.random.default_rng(number)
    fields = {
        name: random.uniform(-1, 1, (10, STREAMS, *field.shape)).astype(field.dtype)
        for name, field in STAGE.stores["replay"].fields.items()
    }
    last = random.uniform(-1, 1, (STREAMS, 5)).astype(np.float32)
    LaneWriter(memory, 0).write(Block("replay", fields, np.ones((10, STREAMS), np.uint8), last))


def learned(recorder: Recorder | None) -> tuple[Mapping[str, Tensor], Mapping[str, float]]:
    """Everything that the parts hold after some calls, between which the store grows and wraps; and the metrics."""
    parts = STAGE.make_learner(LearnerSetup({"*": CPU}, 3, {}))
    assert all(isinstance(part, Capturable) for part in parts.values())
    memory = StoreMemory.create("replay", StoreLayout.of(STAGE.stores["replay"], 1, STREAMS))
    drawn = DeviceBatches(draws_of(parts), {"replay": memory}, CPU, 0, 0)
    batches, means = Batches({"replay": StoreReader(memory)}, STAGE.stores, 0), MetricMeans()
    updates = DeviceUpdates(parts, batches, drawn, PER_CALL, 0, recorder)
    for number in range(CALLS):
        write(memory, number)
        updates.advance(PER_CALL, means)
    state = {f"{name}/{key}": tensor for name, part in parts.items() for key, tensor in part.state().items()}
    return state, means.report()


def test_replayed_updates_of_sac_equal_eager_ones_to_the_bit() -> None:
    tape = Tape()
    replayed, eager = learned(tape), learned(None)
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_CALLS, 1, CALLS - WARM_CALLS)
    assert replayed[0].keys() == eager[0].keys()
    assert [name for name, tensor in replayed[0].items() if not torch.equal(tensor, eager[0][name])] == []
    assert replayed[1] == eager[1]

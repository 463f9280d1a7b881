"""What the contract asks of an algorithm, asked of every algorithm of spreeze on a toy space."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from spreeze import registry
from spreeze.bundles import module_layout
from spreeze.contract import (
    Algorithm,
    Block,
    Dataset,
    EnvironmentSpec,
    Episode,
    LearnerSetup,
    Part,
    Stage,
    Step,
    Store,
    Tasks,
)
from spreeze.errors import UnsupportedSpace
from spreeze.learning import Batches, draws_of, to_tensors
from spreeze.roles.learner import load_part, save_part
from spreeze.spaces import action_field, in_one_array, observation_field
from spreeze.stages import build_modules, build_policy
from spreeze.transport.lane import LaneWriter, fill
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader
from spreeze.transport.weights import WeightLayout

CPU = torch.device("cpu")
BATCH, STREAMS = 8, 3
OBSERVATION = Box(-1.0, 1.0, (5,), np.float32)


def logged_episodes() -> Iterator[Episode]:
    """Three episodes of random numbers."""
    random = np.random.default_rng(0)
    for steps in (5, 40, 20):
        seen, done = random.uniform(-1, 1, (steps + 1, 5)).astype(np.float32), np.arange(steps) == steps - 1
        yield Episode(seen, seen[1:, :2].copy(), seen[1:, 2].copy(), done)


LOGGED = Dataset("toy/random-v0", "Toy-v0", "random", "0" * 64, 65, None, logged_episodes)
FAMILY = Tasks(train=3, test=2, episode_steps=4)
SPECS = (
    EnvironmentSpec(OBSERVATION, Box(-1.0, 1.0, (2,), np.float32), lambda seen: seen[..., 0] > 0.9, LOGGED, FAMILY),
    EnvironmentSpec(OBSERVATION, Discrete(3)),
)
"""An algorithm must serve at least one of them, unless it is made for environments of one kind."""
PARTICULAR = {"alip_walker": "alip/test_walker.py", "heightmap": "heightmap/test_contract.py"}
"""Those that are, and where they are tested."""

Arrays = Mapping[str, np.ndarray]


def served(algorithm: Algorithm) -> Iterator[tuple[EnvironmentSpec, Sequence[Stage]]]:
    """Those toy environments that the algorithm serves, with its stages for them."""
    for spec in SPECS:
        try:
            yield spec, algorithm.stages(spec, algorithm.config(), BATCH)
        except UnsupportedSpace:
            continue


CASES = [
    pytest.param(spec, stages, index, id=f"{name}-{type(spec.action).__name__.lower()}-{stages[index].name}")
    for name in registry.builtin_algorithms()
    for spec, stages in served(registry.algorithm(name))
    for index in range(len(stages))
]
every_stage = pytest.mark.parametrize(("spec", "stages", "index"), CASES)
ACTING = [case for case in CASES if case.values[1][case.values[2]].make_policy is not None]  # type: ignore[index]
every_acting_stage = pytest.mark.parametrize(("spec", "stages", "index"), ACTING)


def random_arrays(fields: Mapping[str, Any], shape: tuple[int, ...], random: np.random.Generator) -> Arrays:
    """Numbers in [-1, 1), or 0 and 1 where the dtype has no fractions."""
    drawn = {name: random.uniform(-1, 1, (*shape, *field.shape)) for name, field in fields.items()}
    return {
        n: (a if np.dtype(fields[n].dtype).kind == "f" else a > 0).astype(fields[n].dtype) for n, a in drawn.items()
    }


def filled(name: str, store: Store) -> StoreMemory:
    """A store with some blocks of random steps, or with its dataset."""
    if store.load is not None:
        memory = StoreMemory.create(name, StoreLayout.of(dataclasses.replace(store, capacity=1000), 1, 1))
        fill(memory, [dict(episode) for episode in store.load()])
        return memory
    capacity = min(store.capacity, 60 * (store.streams or STREAMS))
    layout = StoreLayout.of(dataclasses.replace(store, capacity=capacity), 1, STREAMS)
    memory = StoreMemory.create(name, layout)
    writer, random, steps, streams = (
        LaneWriter(memory, 0),
        np.random.default_rng(0),
        layout.segment or 10,
        layout.streams,
    )
    for _ in range(4):
        if writer.has_room():
            head, last = random_arrays(store.head, (streams,), random), random_arrays(store.fields, (streams,), random)
            fields, valid = random_arrays(store.fields, (steps, streams), random), np.ones((steps, streams))
            writer.write(Block(name, fields, valid, last["observation"], head=head))
    return memory


def inherited(stages: Sequence[Stage]) -> dict[str, dict[str, torch.Tensor]]:
    """What these stages would leave to the next one, untrained."""
    return {name: dict(m.state_dict()) for stage in stages for name, m in build_modules(stage).items()}


class Learning:
    """The parts of one stage with data to learn from."""

    def __init__(self, stages: Sequence[Stage], index: int, seed: int) -> None:
        stage = stages[index]
        self.parts: Mapping[str, Part] = stage.make_learner(LearnerSetup({"*": CPU}, seed, inherited(stages[:index])))
        self._readers = {name: StoreReader(filled(name, store)) for name, store in stage.stores.items()}
        self._batches = Batches(self._readers, stage.stores, 0)

    def update(self, number: int) -> dict[str, float]:
        """Update every part once with the batches of that number; return the metrics."""
        arrays = self._batches.draw(draws_of(self.parts), number, self._batches.windows())
        metrics: dict[str, torch.Tensor | float] = {}
        for part in self.parts.values():
            metrics |= part.update({name: to_tensors(arrays[name], CPU) for name in part.draws})
        return {name: float(value) for name, value in metrics.items()}

    def state(self) -> dict[str, torch.Tensor]:
        states = {name: part.state() for name, part in self.parts.items()}
        return {f"{name}/{key}": tensor.clone() for name, state in states.items() for key, tensor in state.items()}


def first_step(spec: EnvironmentSpec) -> Step:
    field = action_field(spec.action)
    action = np.zeros((STREAMS, *field.shape), field.dtype)
    sampled = [in_one_array(spec.observation, spec.observation.sample()) for _ in range(STREAMS)]
    observation = np.stack([np.asarray(one, observation_field(spec.observation).dtype) for one in sampled])
    return Step(*map(torch.from_numpy, (observation, action, np.zeros(STREAMS, np.float32), np.ones(STREAMS, bool))))


@pytest.mark.parametrize("name", registry.builtin_algorithms())
def test_an_algorithm_serves_a_toy_space_with_its_default_options(name: str) -> None:
    algorithm = registry.algorithm(name)
    assert list(served(algorithm)) or (Path(__file__).parent / PARTICULAR[name]).is_file()
    assert algorithm.summary
    assert algorithm.source
    assert algorithm.batch_size.minimum <= algorithm.batch_size.default <= algorithm.batch_size.maximum


@every_acting_stage
def test_a_policy_acts_within_its_space_in_every_mode(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int
) -> None:
    spec.observation.seed(0)
    stage, step, field = stages[index], first_step(spec), action_field(spec.action)
    for mode in dataclasses.astuple(stage.modes):
        policy, _ = build_policy(stage, build_modules(stage), seed=0)
        state = policy.initial_state(STREAMS)
        for _ in range(3):
            action, state, extras = policy.act(step, state, mode)
            assert action.shape == (STREAMS, *field.shape)
            assert action.numpy().dtype == field.dtype
            within = Box(-1, 1, field.shape) if isinstance(spec.action, Box) else spec.action
            assert all(row in within for row in action.numpy())
            assert all(len(extra) == STREAMS for extra in [*extras.values(), *state])
            step = Step(step.observation, action, step.previous_reward, torch.zeros(STREAMS, dtype=torch.bool))


@every_acting_stage
def test_a_policy_draws_from_its_generator_alone(spec: EnvironmentSpec, stages: Sequence[Stage], index: int) -> None:
    spec.observation.seed(0)
    step = first_step(spec)
    for mode in dataclasses.astuple(stages[index].modes):
        modules = build_modules(stages[index])
        policies = [build_policy(stages[index], modules, seed=0)[0] for _ in range(2)]
        first, second = (policy.act(step, policy.initial_state(STREAMS), mode)[0] for policy in policies)
        assert torch.equal(first, second)


@every_stage
def test_an_update_changes_the_parts_and_its_metrics_are_finite(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int
) -> None:
    learning = Learning(stages, index, seed=0)
    before = learning.state()
    metrics = learning.update(1)
    after = learning.state()
    assert metrics
    assert np.isfinite(list(metrics.values())).all()
    assert any(name not in before or not torch.equal(before[name], tensor) for name, tensor in after.items())


@every_stage
def test_what_is_published_fits_the_bundles_and_all_of_them_are(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int
) -> None:
    published = {
        bundle: WeightLayout.of(tensors)
        for part in Learning(stages, index, seed=0).parts.values()
        for bundle, tensors in part.publish().items()
    }
    assert published == {name: module_layout(module) for name, module in build_modules(stages[index]).items()}


@every_stage
def test_every_module_that_a_part_reads_is_owned_by_another(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int
) -> None:
    parts = Learning(stages, index, seed=0).parts
    for name, part in parts.items():
        others = {module for other, owner in parts.items() if other != name for module in owner.owns}
        assert part.reads.keys() <= others


@every_stage
def test_a_saved_learner_goes_on_as_the_original_to_the_bit(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int, tmp_path: Path
) -> None:
    original, restored = Learning(stages, index, seed=1), Learning(stages, index, seed=2)
    for learning in (original, restored):
        learning.update(1)  # Of a queue, both take the first segments.
    for name, part in original.parts.items():
        save_part(tmp_path, name, part, 1)
    assert [load_part(tmp_path, name, part) for name, part in restored.parts.items()] == [1] * len(restored.parts)
    for learning in (original, restored):
        learning.update(2)
    one, other = original.state(), restored.state()
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []

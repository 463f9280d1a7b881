"""Policies as ONNX: every algorithm's, recurrent ones, discrete ones; and what cannot be exported."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, Space
from torch import Tensor, nn

from spreeze import registry
from spreeze.contract import EnvironmentSpec, Policy, Recurrent, Stage, Step
from spreeze.errors import UsageError
from spreeze.export import TOLERANCE, Exported, differences, export
from spreeze.stages import build_modules, build_policy
from tests.algorithms.test_every_algorithm import every_acting_stage
from tests.contract import on_policy

PLANE = Box(-np.inf, np.inf, (2,), np.float32)


def exported(stage: Stage, spec: EnvironmentSpec, mode: str = "") -> tuple[Exported, Policy]:
    """The policy of a stage, its weights and normalisations moved from where they begin."""
    modules = build_modules(stage)
    generator = torch.Generator().manual_seed(1)
    for tensor in (tensor for module in modules.values() for tensor in module.state_dict().values()):
        if tensor.is_floating_point():
            tensor += 0.1 * torch.rand(tensor.shape, generator=generator)
    policies = [build_policy(stage, modules, seed)[0] for seed in (0, 1)]
    made = export(lambda seed: policies[seed], modules, spec, mode or stage.modes.evaluate, {"run": "here"})
    return made, policies[0]


def nothing_for(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """Zeros for every input, of one row."""
    dtypes = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}
    return {
        one.name: np.zeros([size if isinstance(size, int) else 1 for size in one.shape], dtypes[one.type])
        for one in session.get_inputs()
    }


@every_acting_stage
def test_the_policy_of_every_algorithm_is_the_same_in_onnxruntime(
    spec: EnvironmentSpec, stages: Sequence[Stage], index: int
) -> None:
    made, policy = exported(stages[index], spec)
    assert made.inputs[0] == "observation" and made.outputs[0] == "action"
    found = differences(made, policy, spec, seed=0)
    assert max(found.values()) <= TOLERANCE
    session = onnxruntime.InferenceSession(made.model)
    (alone,) = session.run(["action"], nothing_for(session))
    assert spec.action.contains(alone[0])


@pytest.mark.parametrize(
    ("observation", "action", "inputs", "outputs"),
    [
        (PLANE, Box(-3.0, 1.0, (2,), np.float32), ["is_first", "state0"], ["state0_out"]),
        (
            Dict({"seen": PLANE, "action_mask": MultiBinary(3)}),
            Discrete(3),
            ["is_first", "state0"],
            ["state0_out", "logits"],
        ),
    ],
    ids=["continuous", "masked"],
)
def test_a_recurrent_policy_of_the_framework_is_the_same_in_onnxruntime(
    observation: Space[Any], action: Space[Any], inputs: list[str], outputs: list[str]
) -> None:
    algorithm, spec = registry.algorithm("ppo"), EnvironmentSpec(observation, action)
    (stage,) = algorithm.stages(spec, algorithm.config(memory=8, hidden=(16,)), 8)
    made, policy = exported(stage, spec)
    assert (list(made.inputs), list(made.outputs)) == (["observation", *inputs], ["action", *outputs])
    assert max(differences(made, policy, spec, seed=0).values()) <= TOLERANCE


def on_policy_stage() -> tuple[Stage, EnvironmentSpec]:
    spec = EnvironmentSpec(PLANE, Box(np.array([-1.0], np.float32), np.array([3.0], np.float32)))
    return on_policy.stages(spec, on_policy.OnPolicyConfig(), 4)[0], spec


def test_memory_goes_in_and_comes_out() -> None:
    stage, spec = on_policy_stage()
    made, policy = exported(stage, spec)
    assert (list(made.inputs), list(made.outputs)) == (["observation", "state0"], ["action", "state0_out"])
    assert max(differences(made, policy, spec, seed=0).values()) <= TOLERANCE
    session = onnxruntime.InferenceSession(made.model)
    seen, memory = np.array([[0.3, -0.2]], np.float32), np.array([[0.5]], np.float32)
    action, after = session.run(["action", "state0_out"], {"observation": seen, "state0": memory})
    mean, (expected,), _ = policy.act(
        Step(torch.from_numpy(seen), *[torch.zeros(1)] * 3), (torch.tensor([[0.5]]),), "mean"
    )
    np.testing.assert_allclose(after, expected, rtol=1e-6)
    np.testing.assert_allclose(action, np.clip(1 + 2 * mean.numpy(), -1, 3), rtol=1e-6)


class Chooser:
    """A GRU that looks at its previous choice and reward, and counts its steps; discrete, with logits."""

    def __init__(self, modules: Mapping[str, Any]) -> None:
        self.modules = modules

    def initial_state(self, batch: int) -> Recurrent:
        return torch.full((batch, 8), 0.5), torch.zeros(batch, 1)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        choice = nn.functional.one_hot(step.previous_action, 3).float()
        memory = self.modules["cell"](
            torch.cat((step.observation, choice, step.previous_reward[:, None]), -1), state[0]
        )
        logits = self.modules["head"](memory)
        return logits.argmax(-1), (memory, state[1] + 1), {"logits": logits}


def chooser() -> tuple[Exported, Policy, EnvironmentSpec]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        modules: dict[str, nn.Module] = {"cell": nn.GRUCell(6, 8), "head": nn.Linear(8, 3)}
    for module in modules.values():
        module.requires_grad_(False)
    spec = EnvironmentSpec(Box(-1, 1, (2,), np.float32), Discrete(3, start=5))
    return export(lambda seed: Chooser(modules), modules, spec, "exploit", {}), Chooser(modules), spec


def test_a_discrete_policy_gives_values_of_its_space_and_its_logits() -> None:
    made, policy, spec = chooser()
    assert list(made.inputs) == ["observation", "previous_action", "previous_reward", "state0", "state1"]
    assert list(made.outputs) == ["action", "chosen", "state0_out", "state1_out", "logits"]
    found = differences(made, policy, spec, seed=0)
    assert found["action"] == found["chosen"] == 0 and found["logits"] <= TOLERANCE
    session = onnxruntime.InferenceSession(made.model)
    fed = {
        "observation": np.zeros((4, 2), np.float32), "previous_action": np.arange(4) % 3,
        "previous_reward": np.ones(4, np.float32),
        "state0": np.full((4, 8), 0.5, np.float32), "state1": np.zeros((4, 1), np.float32),
    }  # fmt: skip
    action, chosen, _, count, logits = session.run(None, fed)
    np.testing.assert_array_equal(action, 5 + logits.argmax(-1))
    np.testing.assert_array_equal(chosen, logits.argmax(-1))
    assert (count == 1).all()


def test_the_file_says_what_it_is_and_how_episodes_begin() -> None:
    made, _, _ = chooser()
    model = onnx.load_from_string(made.model)
    onnx.checker.check_model(model)
    about = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert about["state0"] == [0.5] * 8 and about["state1"] == [0.0]
    assert about["action_space"] == {"kind": "discrete", "n": 3, "start": 5, "dtype": "int64"}
    batches = {dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim[:1]}
    assert batches == {"batch"}


def test_a_policy_that_draws_at_random_is_refused() -> None:
    stage, spec = on_policy_stage()
    with pytest.raises(UsageError, match="draws at random in its mode 'sample'"):
        exported(stage, spec, "sample")


class Undecided(Chooser):
    """Decides by the values of a batch, which a graph cannot."""

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        if bool((step.observation.sum() > 0).item()):
            return step.previous_action, state, {}
        return 1 - step.previous_action, state, {}


def test_a_policy_that_is_no_graph_is_refused_with_the_reason() -> None:
    spec = EnvironmentSpec(PLANE, Discrete(2))
    with pytest.raises(UsageError, match="cannot be written as a graph"):
        export(lambda seed: Undecided({}), {}, spec, "exploit", {})


def test_a_model_of_other_weights_is_seen() -> None:
    stage, spec = on_policy_stage()
    made, policy = exported(stage, spec)
    for parameter in made.deployed.parameters():
        parameter.add_(0.01)
    found = differences(made, policy, spec, seed=0)
    assert min(found.values()) > TOLERANCE

"""A policy as ONNX: what `Policy.act` computes while evaluating, in the units of the environment, without spreeze.

Inputs, of a batch of B: `observation`; where the policy looks at them, `previous_action` (as the output `chosen` gave
it), `previous_reward` and `is_first`; `state0`, `state1`, ... of one that remembers. Outputs: `action`, in the units of
the environment; `chosen`, if it is an input of the next step; `state0_out`, ...; and the policy's extras, as `logits`.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from spreeze.contract import EnvironmentSpec, Policy, Step
from spreeze.deploy import Deployed
from spreeze.errors import UsageError
from spreeze.spaces import action_field, encode, in_one_array, observation_field

EXAMPLES = 3
"""Rows of the batch that a policy is traced with; a single one would be taken for a constant."""
STREAMS, STEPS = 100, 10
"""Of the comparison with torch: 1,000 observations, in which memory is carried from step to step."""
TOLERANCE = 1e-5
"""Largest difference from torch, as a share of the range of an action; of what else comes out, of its size."""

Side = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Inputs by name -> outputs by name."""
MakePolicy = Callable[[int], Policy]
"""Builds a policy that draws from a generator of this seed."""


@dataclass(frozen=True)
class Exported:
    """A model, the function that it was made of, and the names of its inputs and outputs."""

    model: bytes
    deployed: Deployed
    inputs: Sequence[str]
    outputs: Sequence[str]


def export(
    make_policy: MakePolicy,
    modules: Mapping[str, nn.Module],
    spec: EnvironmentSpec,
    mode: str,
    about: Mapping[str, str],
) -> Exported:
    """Write the policy over `modules` as ONNX; `about`, spaces and the initial memory are its metadata.

    Raises:
        UsageError: it draws at random in this mode, or does what cannot be traced.
    """
    import onnx

    policy, other = make_policy(0), make_policy(1)
    observation = np.stack(list(observations(spec, EXAMPLES, seed=0)))
    told = told_at_first(spec, torch.from_numpy(observation))
    whole, again = (Deployed(one, modules, spec, mode, Step._fields) for one in (policy, other))
    examples = [*told, *policy.initial_state(EXAMPLES)]
    check_deterministic(whole, again, examples)
    needed = used(traced(whole, examples))
    deployed = Deployed(policy, modules, spec, mode, needed)
    kept = [tensor for name, tensor in told._asdict().items() if name in needed] + examples[len(told) :]
    inputs, outputs = deployed.names(kept)
    model = translated(traced(deployed, kept), inputs, outputs)
    onnx.helper.set_model_props(model, {**about, **interface(spec, policy)})
    return Exported(model.SerializeToString(), deployed, inputs, outputs)


def told_at_first(spec: EnvironmentSpec, observation: Tensor) -> Step:
    """What a policy is told at the first step of episodes that begin with these observations."""
    count, field = len(observation), action_field(spec.action)
    action = torch.from_numpy(np.zeros((count, *field.shape), field.dtype))
    return Step(observation, action, torch.zeros(count), torch.ones(count, dtype=torch.bool))


def observations(spec: EnvironmentSpec, count: int, seed: int) -> Iterator[np.ndarray]:
    """Samples of the observation space: uniform within bounds, else standard normal or exponential."""
    space, field = copy.deepcopy(spec.observation), observation_field(spec.observation)
    space.seed(seed)
    return (np.asarray(in_one_array(space, space.sample()), field.dtype) for _ in range(count))


@torch.inference_mode()
def check_deterministic(one: Deployed, other: Deployed, inputs: Sequence[Tensor]) -> None:
    """Raise UsageError if two generators lead to different outputs."""
    if not all(map(torch.equal, one(*inputs), other(*inputs))):
        raise UsageError(f"the policy draws at random in its mode '{one.mode}', which a file cannot: nothing to export")


def traced(deployed: Deployed, inputs: Sequence[Tensor]) -> ExportedProgram:
    """The graph of `deployed` for any batch; raises UsageError for what has none."""
    batch = Dim("batch")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Recurrent networks of torch list their weights a second time, and get that list back after the trace.
            warnings.filterwarnings("ignore", "The tensor attributes", UserWarning)
            return torch.export.export(deployed, tuple(inputs), dynamic_shapes={"inputs": ({0: batch},) * len(inputs)})
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"the policy cannot be written as a graph ({type(error).__name__}: {reason})") from error


def translated(program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """The ONNX model of a graph; raises UsageError for an operation that ONNX does not know."""
    named = {"inputs": ({0: Dim("batch")}, *({} for _ in inputs[1:]))}  # the others have the same
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells of packages that are not needed
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # from within torch
            found = torch.onnx.export(
                program, input_names=inputs, output_names=outputs, dynamic_shapes=named, verbose=False
            )
    except torch.onnx.OnnxExporterError as error:
        raise UsageError(f"the policy computes what ONNX cannot express: {str(error).strip()}") from error
    finally:
        logger.setLevel(level)
    assert found is not None
    return found.model_proto


def used(program: ExportedProgram) -> list[str]:
    """The fields of a step that a traced policy looks at; the observation always."""
    program.graph.eliminate_dead_code()
    looked_at = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    inputs = zip(Step._fields, program.graph_signature.user_inputs, strict=False)
    return [name for name, placeholder in inputs if name == "observation" or placeholder in looked_at]


def interface(spec: EnvironmentSpec, policy: Policy) -> dict[str, str]:
    """Spaces and the initial memory of one stream, as JSON."""
    memory = {f"state{index}": tensor[0].tolist() for index, tensor in enumerate(policy.initial_state(1))}
    spaces = {"observation_space": encode(spec.observation), "action_space": encode(spec.action)}
    return {name: json.dumps(value) for name, value in (spaces | memory).items()}


def differences(exported: Exported, policy: Policy, spec: EnvironmentSpec, seed: int) -> dict[str, float]:
    """Return the largest difference between onnxruntime and torch in each output, in the units of `TOLERANCE`.

    Each side carries its own memory over `STEPS` steps of `STREAMS` episodes.
    """
    random = np.random.default_rng(seed)
    rows = np.stack(list(observations(spec, STREAMS * STEPS, seed)))  # (steps x streams, ...)
    told = told_at_first(spec, torch.from_numpy(rows[:STREAMS]))._asdict()
    memory = {f"state{index}": tensor for index, tensor in enumerate(policy.initial_state(STREAMS))}
    fed = [{name: tensor.numpy() for name, tensor in {**told, **memory}.items()}] * 2
    sides, found = (in_onnxruntime(exported), in_torch(exported)), dict.fromkeys(exported.outputs, 0.0)
    for observation in rows.reshape(STEPS, STREAMS, *rows.shape[1:]):
        fed = [{**feed, "observation": observation} for feed in fed]
        theirs, ours = (side(feed) for side, feed in zip(sides, fed, strict=True))
        for name, difference in compared(exported.deployed, theirs, ours).items():
            found[name] = max(found[name], difference)
        news = {"previous_reward": random.standard_normal(STREAMS, np.float32), "is_first": np.zeros(STREAMS, bool)}
        fed = [{**feed, **news, **carried(outputs)} for feed, outputs in zip(fed, (theirs, ours), strict=True)]
    return found


def in_onnxruntime(exported: Exported) -> Side:
    """The model as onnxruntime computes it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    return lambda fed: dict(
        zip(exported.outputs, session.run(None, {name: fed[name] for name in exported.inputs}), strict=True)
    )


def in_torch(exported: Exported) -> Side:
    """What the model was made of."""

    def side(fed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            results = exported.deployed(*(torch.from_numpy(fed[name]) for name in exported.inputs))
        return dict(zip(exported.outputs, (result.numpy() for result in results), strict=True))

    return side


def compared(deployed: Deployed, theirs: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The largest difference in each output: of actions as a share of their range, else of the size of the values."""
    found = {}
    for name, right in ours.items():
        absolute = np.abs(theirs[name].astype(np.float64) - right)
        relative = (
            deployed.units.share_of_range(absolute, right)
            if name == "action"
            else absolute / np.maximum(np.abs(right), 1)
        )
        found[name] = float(relative.max(initial=0.0)) if np.isfinite(relative).all() else np.inf
    return found


def carried(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the next step is fed of these outputs."""
    memory = {name.removesuffix("_out"): value for name, value in outputs.items() if name.endswith("_out")}
    return memory | ({"previous_action": outputs["chosen"]} if "chosen" in outputs else {})

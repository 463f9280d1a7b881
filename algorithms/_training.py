"""Pieces of learning that several algorithms share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.contract import Dataset, EnvironmentSpec, Episode
from spreeze.errors import CheckpointError, UsageError


@torch.no_grad()
def polyak(target: nn.Module, source: nn.Module, rate: float) -> None:
    """target <- (1 - rate) target + rate source, parameter by parameter."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)


def td_target(reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float) -> Tensor:
    """r + discount (1 - terminated) V(s'), all (B,): a truncated episode keeps its future."""
    return reward + discount * (1 - terminated) * next_value


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """Adam as one fused computation, which a CUDA graph can capture."""
    own = list(parameters)
    return torch.optim.Adam(own, lr=learning_rate, fused=True, capturable=own[0].device.type == "cuda")


def pack(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` under names that begin with `prefix`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def unpack(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `pack`."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as tensors named by parameter index and key; {} before its first step."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` returned, as copies: optimisers keep and change the tensors they are given.

    Raises:
        CheckpointError: they are not those of this optimiser, whose arithmetic believes the sizes it is given.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        if not index.isdecimal() or int(index) >= len(parameters):
            raise CheckpointError(f"the optimiser has no parameter '{index}', to which saved '{name}' belongs")
        shape = torch.Size() if key == "step" else parameters[int(index)].shape
        if tensor.shape != shape:
            raise CheckpointError(f"saved '{name}' of the optimiser is {tuple(tensor.shape)}, expected {tuple(shape)}")
        state.setdefault(int(index), {})[key] = tensor.clone()
    if len({tuple(sorted(entry)) for entry in state.values()}) > 1:
        raise CheckpointError("the saved state of the optimiser is not that of its parameters alike")
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def part_state(
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """What a resumed part needs of these: modules and optimisers under their names, the generator as `generator`."""
    state = {} if generator is None else {"generator": generator.get_state()}
    for name, module in modules.items():
        state |= pack(name, module.state_dict())
    for name, optimizer in optimizers.items():
        state |= pack(name, optimizer_tensors(optimizer))
    return state


def load_part_state(
    state: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    generator: torch.Generator | None = None,
) -> None:
    """Restore what `part_state` returned."""
    for name, module in modules.items():
        module.load_state_dict(unpack(name, state))
    for name, optimizer in optimizers.items():
        load_optimizer_tensors(optimizer, unpack(name, state))
    if generator is not None:
        generator.set_state(state["generator"])


def logged_data(spec: EnvironmentSpec, name: str) -> Dataset:
    """The dataset that algorithm `name` learns from.

    Raises:
        UsageError: there is none.
    """
    if spec.dataset is None:
        raise UsageError(
            f"{name} learns from logged data, and this environment offers none: "
            "give --dataset with a name of `spreeze dataset list`, a Minari id or folder, or a D4RL HDF5 file"
        )
    return spec.dataset


def episode_fields(episodes: Iterable[Episode]) -> Iterator[Mapping[str, np.ndarray]]:
    """Episodes as `Store.load` gives them, with the fields observation, action, reward, terminated."""
    for episode in episodes:
        yield episode._asdict()


def best_episodes(episodes: Iterable[Episode], fraction: float) -> list[Episode]:
    """The share `fraction` of the episodes with the largest undiscounted returns, at least one, in logged order.

    Of equal returns, the earlier episode is kept.
    """
    everything = list(episodes)
    returns = [-float(episode.reward.sum(dtype=np.float64)) for episode in everything]
    count = max(round(fraction * len(everything)), 1)
    return [everything[index] for index in sorted(np.argsort(returns, kind="stable")[:count])]


def observation_spread(episodes: Sequence[Episode]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (O,) of the observations in which an action was taken."""
    rows = np.concatenate([episode.observation[:-1] for episode in episodes])
    return rows.mean(0, dtype=np.float64), rows.std(0, dtype=np.float64)

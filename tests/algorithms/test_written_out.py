"""Passes that are written out give what autograd gives, also where the outputs go through a graph."""

import copy

import pytest
import torch
from torch import Tensor, nn

from spreeze.algorithms._networks import mlp
from spreeze.algorithms._passes import block_rows, linear_layers
from spreeze.algorithms._written_out import WrittenOut


def nets(dtype: torch.dtype) -> tuple[nn.Sequential, nn.Sequential, WrittenOut]:
    """A network, its copy, and the copy's passes."""
    torch.manual_seed(0)
    net = mlp((5, 64, 64, 3))
    same = copy.deepcopy(net)
    return net, same, WrittenOut([one for one in same if isinstance(one, nn.Linear)], dtype)


def loss(outputs: Tensor) -> Tensor:
    """A loss that is no plain sum."""
    return outputs.log_softmax(-1)[..., 0].mean() + outputs.square().mean()


@pytest.mark.parametrize("rows", [1, 7, 256, block_rows() + 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2)])
def test_gradients_are_those_of_autograd(rows: int, dtype: torch.dtype, tolerance: float) -> None:
    net, same, written = nets(dtype)
    inputs = torch.randn(2, rows, 5)
    for _ in range(2):  # The second overwrites what the first has left.
        net.zero_grad()
        loss(net(inputs)).backward()
        loss(written(inputs)).backward()
    for one, other in zip(net.parameters(), same.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert float((one.grad - other.grad).norm() / one.grad.norm()) < tolerance


@torch.no_grad()
def test_outputs_follow_the_weights() -> None:
    net, same, written = nets(torch.float32)
    inputs = torch.randn(3 * block_rows(), 5)
    torch.testing.assert_close(written(inputs), net(inputs))
    for weight, _ in linear_layers(same):
        weight.mul_(2)
    torch.testing.assert_close(written(inputs), same(inputs))

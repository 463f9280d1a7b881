"""Networks over rows and columns: which cells they look at, and that shapes of robots' maps and pictures reach them."""

import pytest
import torch
from torch import Tensor

from spreeze import registry
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.algorithms.heightmap.tables import Eye, Refiner, eye
from spreeze.contract import EnvironmentSpec
from spreeze.spaces import probe

TABLES = [(1, 30), (20, 30), (30, 1), (5, 7)]
every_table = pytest.mark.parametrize("table", TABLES)


def refiner_of(table: tuple[int, int]) -> Refiner:
    """One that has begun to refine."""
    torch.manual_seed(0)
    refiner = Refiner(table).requires_grad_(False)
    torch.nn.init.constant_(refiner.last.weight, 0.5)
    return refiner


def maps(table: tuple[int, int], *shape: int) -> Tensor:
    return torch.randn(*shape, table[0] * table[1], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("walker2d-terrain", {"map": (1, 30), "depth": (64, 1)}),
        ("cassie-terrain", {"map": (20, 30), "depth": (64, 64)}),
    ],
)
def test_robots_tell_the_shapes_of_their_maps_and_pictures(name: str, sizes: dict[str, tuple[int, int]]) -> None:
    environment = registry.environment(name)
    senses = Senses.of(EnvironmentSpec(*probe(environment, environment.options())), "auto")
    assert {entry: senses.table(entry) for entry in sizes} == sizes
    assert senses.table("clean_map") == sizes["map"]
    assert senses.table("collision") == (1, 1)


@every_table
def test_a_fresh_refiner_changes_nothing(table: tuple[int, int]) -> None:
    coarse = maps(table, 2, 3)
    assert torch.equal(Refiner(table)(coarse), coarse)


@every_table
def test_a_map_is_refined_alone(table: tuple[int, int]) -> None:
    coarse, refiner = maps(table, 2, 3), refiner_of(table)
    found = refiner(coarse)
    assert found.shape == coarse.shape and not torch.allclose(found, coarse)
    torch.testing.assert_close(refiner(coarse[1, 2]), found[1, 2])


@every_table
def test_a_cell_is_refined_by_its_neighbours_of_every_side(table: tuple[int, int]) -> None:
    rows, columns = table
    place, refiner = (rows // 2) * columns + columns // 2, refiner_of(table)
    coarse = maps(table).requires_grad_()
    refiner(coarse)[place].backward()
    assert coarse.grad is not None
    used = coarse.grad.reshape(table) != 0
    row, column = rows // 2, columns // 2
    near = used[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    assert near.all()


def test_a_picture_of_rows_and_columns_is_looked_at_by_convolutions() -> None:
    torch.manual_seed(0)
    looks = eye((64, 64), 16)
    assert isinstance(looks, Eye)
    pictures = torch.rand(2, 3, 64 * 64)
    found = looks(pictures)
    assert found.shape == (2, 3, 16)
    torch.testing.assert_close(looks(pictures[1, 2]), found[1, 2])
    assert not isinstance(eye((64, 1), 16), Eye)
    assert eye((64, 1), 16)(torch.rand(2, 3, 64)).shape == (2, 3, 16)

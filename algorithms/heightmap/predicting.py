"""How the predictor learns, and how wrong it is."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spreeze.algorithms._training import adam, load_part_state, part_state
from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.predictors import Predictor
from spreeze.algorithms.ppo.learner import Batch
from spreeze.contract import Draw, Metrics, Recurrent

EDGE_M = 0.05
"""Neighbouring cells whose heights differ by more lie at an edge."""
CM = 100.0


class PredictorPart:
    """Fits the predictor to true maps of histories; publishes the policies as they are."""

    def __init__(
        self,
        predictor: Predictor,
        config: HeightmapConfig,
        stores: tuple[str, ...],
        frozen: Mapping[str, nn.Module],
    ) -> None:
        """Learn from `stores`, in equal parts."""
        each = max(config.segments // len(stores), 1)
        self.draws = {name: Draw(name, segments=each) for name in stores}
        self.owns: Mapping[str, nn.Module] = {"predictor": predictor}
        self.reads: Mapping[str, nn.Module] = {}
        self.predictor, self.frozen, self.burn_in = predictor, frozen, config.burn_in
        self.optimizer = adam(predictor.parameters(), config.predictor_rate)
        self.finished = False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step on the squared error of coarse maps and the absolute error of refined ones."""
        observation, is_first, valid = (
            torch.cat([batch[name] for batch in batches.values()], 1) for name in ("observation", "is_first", "valid")
        )
        rows = teaching(is_first, valid.bool(), self.burn_in)
        self.predictor.see(observation[rows])
        empty: Recurrent = self.predictor.initial_state(is_first.shape[1])
        coarse, found, _ = self.predictor(observation, is_first, tuple(memory.to(rows.device) for memory in empty))
        senses = self.predictor.senses
        true, table = senses.take(observation, "clean_map")[rows], senses.table("clean_map")
        loss, told = map_loss(coarse[rows], found[rows], true, table)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.predictor.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        return told

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The predictor, and the policies as they were."""
        frozen = {name: module.state_dict() for name, module in self.frozen.items()}
        return {"predictor": self.predictor.state_dict()} | frozen

    def state(self) -> Mapping[str, Tensor]:
        """Predictor and optimiser; nothing is drawn at random."""
        return part_state(self.owns, {"optimizer": self.optimizer})

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, {"optimizer": self.optimizer})


class FrozenPart:
    """Learns nothing; publishes the policies as they are."""

    def __init__(self, frozen: Mapping[str, nn.Module]) -> None:
        self.draws: Mapping[str, Draw] = {}
        self.owns: Mapping[str, nn.Module] = {}
        self.reads: Mapping[str, nn.Module] = {}
        self.frozen, self.finished = frozen, False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """Nothing."""
        return {}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The policies."""
        return {name: module.state_dict() for name, module in self.frozen.items()}

    def state(self) -> Mapping[str, Tensor]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Nothing is restored."""


def teaching(is_first: Tensor, valid: Tensor, burn_in: int) -> Tensor:
    """Which rows (L, B) count: valid ones of which the episode's begin, or `burn_in` steps before, are in sight."""
    begun = is_first.cumsum(0) > 0
    begun[burn_in:] = True
    return begun & valid


def map_loss(coarse: Tensor, found: Tensor, true: Tensor, table: tuple[int, int]) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared error of coarse maps and absolute error of refined ones, (R, X) [m] as in `table`; and errors in cm."""
    loss = (coarse - true).square().mean() + (found - true).abs().mean()
    errors = {"map/coarse_error_cm": CM * (coarse - true).detach().abs().mean()}
    errors |= {f"map/{name}": value for name, value in map_errors(found.detach(), true, table).items()}
    return loss, {"loss/predictor": loss.detach(), **errors}


def edges(true: Tensor, table: tuple[int, int]) -> Tensor:
    """Which cells (..., X) of a map of `table` rows and columns have a neighbour more than `EDGE_M` higher or lower."""
    cells = true.unflatten(-1, table)
    return (_steep(cells) | _steep(cells.mT).mT).flatten(-2)


def _steep(cells: Tensor) -> Tensor:
    steep = cells.diff(dim=-1).abs() > EDGE_M
    never = torch.zeros_like(cells[..., :1], dtype=torch.bool)
    return torch.cat((never, steep), -1) | torch.cat((steep, never), -1)


def map_errors(found: Tensor, true: Tensor, table: tuple[int, int]) -> dict[str, Tensor]:
    """Mean absolute error of all cells and of those at edges [cm], and the share of the latter; maps (..., X) [m]."""
    error, at_edge = CM * (found - true).abs(), edges(true, table).float()
    at_edges = (error * at_edge).sum() / at_edge.sum().clamp_min(1)
    return {"error_cm": error.mean(), "edge_error_cm": at_edges, "edge_share": at_edge.mean()}

"""Stage 1: the ensemble is fitted to the dataset, with bootstrap, held-out rows, early stopping and a cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.algorithms._training import adam, load_optimizer_tensors, optimizer_tensors, pack, unpack
from spreeze.algorithms.micro.ensemble import DynamicsEnsemble, negative_log_likelihood
from spreeze.cache import keep, kept
from spreeze.contract import Dataset, Draw, Metrics

WEIGHT_DECAYS = (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)
"""Of the layers in order (published); the last serves all further ones."""
BOUND_WEIGHT = 0.01
"""Of the width between the bounds of the log variance, in the loss (published)."""
IMPROVEMENT = 0.01
"""Relative decrease of the held-out error that counts (published)."""
MAX_HELD_OUT = 1000
MIN_STD = 1e-12
"""Inputs that vary less than this are not scaled."""
KIND = "dynamics"
"""The folder of the cache."""


class Transitions(NamedTuple):
    """All rows of a dataset: inputs (R, O + A) and targets (R, O + 1), which are change of observation and reward."""

    inputs: Tensor
    targets: Tensor

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Read every episode."""
        inputs, targets = [], []
        for episode in dataset.episodes():
            seen = episode.observation
            inputs.append(np.concatenate((seen[:-1], episode.action), 1))
            targets.append(np.concatenate((np.diff(seen, axis=0), episode.reward[:, None]), 1))
        return cls(torch.from_numpy(np.concatenate(inputs)), torch.from_numpy(np.concatenate(targets)))

    def take(self, rows: Tensor) -> "Transitions":
        """Rows by index of any shape."""
        return Transitions(self.inputs[rows], self.targets[rows])


@dataclass(frozen=True)
class FitOptions:
    """How an ensemble is fitted."""

    learning_rate: float
    batch: int
    patience: int
    epochs: int
    seed: int


class DynamicsPart:
    """Fits every member to a bootstrap sample of its own, until no member improves on the held-out rows.

    `key` names the result in the cache; None: it is not kept. The published snapshot leaves the bounds of the log
    variance out, as here: they are shared by members that stop at different times.
    """

    def __init__(
        self,
        ensemble: DynamicsEnsemble,
        load: Callable[[], Transitions],
        options: FitOptions,
        key: str | None,
        device: torch.device,
    ) -> None:
        self.draws: Mapping[str, Draw] = {}
        self.owns: Mapping[str, nn.Module] = {"dynamics": ensemble}
        self.reads: Mapping[str, nn.Module] = {}
        self.ensemble, self.options, self.key, self.device = ensemble.to(device), options, key, device
        self.optimizer = adam(ensemble.parameters(), options.learning_rate)
        self.finished, self._published = False, False
        self._load, self.seed = load, options.seed
        self.order: Tensor | None = None
        self.epoch, self.step, self.stale = 0, 0, 0
        self.best = torch.full((len(ensemble.weights[0]),), float("inf"))
        self.snapshot = {name: tensor.detach().clone() for name, tensor in self._members().items()}
        cached = kept(KIND, key) if key else None
        if cached is not None and fits(cached, ensemble):
            self.ensemble.load_state_dict(cached)
            self.finished = True

    def _members(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.ensemble.named_parameters() if not name.endswith("log_variance")}

    def _split(self) -> None:
        """Read the data when they are needed: a learner is also built to see what its parts own."""
        rows, random = self._load(), np.random.default_rng([self.seed, 0])
        order = torch.from_numpy(random.permutation(len(rows.inputs)))
        held_out = min(len(order) // 5, MAX_HELD_OUT)
        train = rows.take(order[held_out:])
        mean, std = train.inputs.mean(0), train.inputs.std(0, correction=0)
        std = torch.where(std < MIN_STD, torch.ones_like(std), std)
        self.ensemble.input_mean.copy_(mean)
        self.ensemble.input_std.copy_(std)
        scaled = Transitions((rows.inputs - mean) / std, rows.targets)
        self.held_out = Transitions(*(x.to(self.device) for x in scaled.take(order[:held_out])))
        self.train = Transitions(*(x.to(self.device) for x in scaled.take(order[held_out:])))
        shape = (len(self.best), len(self.train.inputs))
        self.bootstrap = random.integers(len(self.train.inputs), size=shape, dtype=np.int32)
        self._shuffle()

    def _shuffle(self) -> None:
        random = np.random.default_rng([self.seed, 1 + self.epoch])
        self.order = torch.from_numpy(random.permuted(self.bootstrap, axis=1))

    def loss(self, rows: Transitions) -> Tensor:
        """The likelihood of rows (M, B, ...), the decay of weights and the pull on the bounds of the log variance."""
        net = self.ensemble
        mean, log_variance = net(rows.inputs)
        likelihood = negative_log_likelihood(mean, log_variance, rows.targets)
        rates = [WEIGHT_DECAYS[min(i, len(WEIGHT_DECAYS) - 1)] for i in range(len(net.weights))]
        decay = sum(0.5 * rate * w.square().sum() for rate, w in zip(rates, net.weights, strict=True))
        loss: Tensor = likelihood + decay + BOUND_WEIGHT * (net.max_log_variance.sum() - net.min_log_variance.sum())
        return loss

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        """One step of all members; at the end of an epoch, the error on the held-out rows."""
        if self.order is None:
            self._split()
        assert self.order is not None
        begin = self.step * self.options.batch
        rows = self.order[:, begin : begin + self.options.batch].long().to(self.device)
        loss = self.loss(self.train.take(rows))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        if self.step * self.options.batch >= self.order.shape[1]:
            self.end_epoch()
        metrics: dict[str, Tensor | float] = {"dynamics/loss": loss.detach(), "dynamics/epoch": float(self.epoch)}
        if self.epoch:
            metrics["dynamics/held-out error"] = self.best.mean()
        return metrics

    @torch.no_grad()
    def errors(self) -> Tensor:
        """Mean squared error of each member on the held-out rows (M,)."""
        mean, _ = self.ensemble(self.held_out.inputs)
        error: Tensor = (mean - self.held_out.targets).square().mean((1, 2))
        return error.cpu()

    def end_epoch(self) -> None:
        """Keep the members that have improved; finish when none has for `patience` epochs."""
        errors = self.errors()
        better = (self.best - errors) / self.best > IMPROVEMENT
        better |= torch.isinf(self.best)
        for name, tensor in self._members().items():
            self.snapshot[name][better] = tensor.detach()[better]
        self.best = torch.where(better, errors, self.best)
        self.stale = 0 if better.any() else self.stale + 1
        self.epoch, self.step = self.epoch + 1, 0
        if self.stale >= self.options.patience or self.epoch >= self.options.epochs:
            self.finish()
        else:
            self._shuffle()

    def finish(self) -> None:
        """Put every member back to its best state, choose the elites and keep the result."""
        self.ensemble.load_state_dict(self.ensemble.state_dict() | self.snapshot)
        count = len(self.ensemble.elites)
        self.ensemble.elites.copy_(self.best.argsort()[:count].sort().values)
        self.finished, self._published = True, False
        if self.key:
            keep(KIND, self.key, self.ensemble.state_dict())

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The ensemble at the beginning and when it is finished: nobody needs it in between."""
        due, self._published = not self._published, True
        return {"dynamics": self.ensemble.state_dict()} if due else {}

    def state(self) -> Mapping[str, Tensor]:
        """Members, snapshots, optimiser and where the epoch stands."""
        counters = torch.tensor([self.epoch, self.step, self.stale, int(self.finished), self.seed])
        own = pack("dynamics", self.ensemble.state_dict()) | pack("snapshot", self.snapshot)
        return own | pack("optimizer", optimizer_tensors(self.optimizer)) | {"best": self.best, "counters": counters}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, unless the result is known from the cache."""
        if self.finished:
            return
        self.ensemble.load_state_dict(unpack("dynamics", state))
        self.snapshot = {n: t.to(self.device, copy=True) for n, t in unpack("snapshot", state).items()}
        load_optimizer_tensors(self.optimizer, unpack("optimizer", state))
        self.best = state["best"].clone()
        self.epoch, self.step, self.stale, finished, self.seed = (int(n) for n in state["counters"])
        self._published = False
        self.finished, self.order = bool(finished), None


def fits(tensors: Mapping[str, Tensor], ensemble: DynamicsEnsemble) -> bool:
    """Whether these are the state of such an ensemble, and finite: a file of the cache may be anything."""
    shapes = {name: tensor.shape for name, tensor in ensemble.state_dict().items()}
    same = shapes == {name: tensor.shape for name, tensor in tensors.items()}
    finite = same and all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    return finite and int(tensors["elites"].min()) >= 0 and int(tensors["elites"].max()) < len(ensemble.weights[0])

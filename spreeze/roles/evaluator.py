"""The evaluator: measures the newest policy on environments of its own and keeps the best."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from spreeze.bundles import FreshModules
from spreeze.checkpoint import Checkpoints
from spreeze.contract import Evaluation, EvaluationSetup
from spreeze.environment import VectorEnv
from spreeze.pacing import Every
from spreeze.roles.context import RoleContext
from spreeze.stages import build_policy
from spreeze.transport.counters import VERSION, VERSION_INCARNATION
from spreeze.transport.weights import Version

LOOK_EVERY_S = 0.05
EVALUATION_STREAM = 3


class Evaluator:
    """Evaluates whatever is newest when the time has come; never more than one evaluation is due."""

    def __init__(self, context: RoleContext, fresh: FreshModules) -> None:
        self.context, self.fresh = context, fresh
        self.policy, self.generator = build_policy(context.stage, fresh.modules, context.seed(1))
        self._envs: dict[int, VectorEnv] = {}
        self.best = Checkpoints(context.folder / "checkpoints", "best", keep=1)
        self.best_return = self._previous_best()
        self.evaluated: Version | None = None

    def _previous_best(self) -> float:
        newest = self.best.newest_intact()
        same_stage = newest is not None and newest.manifest["stage"] == self.context.spec.stage
        return float(newest.manifest["mean_return"]) if newest is not None and same_stage else -np.inf

    def make_envs(self, count: int, seed: int) -> VectorEnv:
        """Environments kept from one evaluation to the next."""
        if count not in self._envs:
            self._envs[count] = self.context.make_envs(count, seed)
        return self._envs[count]

    def evaluate(self) -> None:
        """Measure the policy as it is, report, and keep it if it is the best so far."""
        stage, begun = self.context.stage, time.monotonic_ns()
        assert stage.evaluate is not None, "evaluators are started for stages with an evaluation only"
        setup = EvaluationSetup(
            self.policy, self.fresh.modules, self.make_envs, stage.modes.evaluate,
            self.context.settings.run.evaluation_episodes, self.context.seed(EVALUATION_STREAM),
        )  # fmt: skip
        result = stage.evaluate(setup)
        self.evaluated = version = self.fresh.version
        row = self.context.row
        row[VERSION_INCARNATION], row[VERSION] = version.incarnation, version.update
        mean = float(np.mean(result.returns))
        if mean > self.best_return and self._keep(mean):
            self.best_return = mean
        self.report(result, version, begun)

    def _keep(self, mean: float) -> bool:
        """Keep the policy as the best; a disk that does not take it is told, and costs nothing else."""
        try:
            keep_best(self.best, self.fresh, mean, self.context.spec.stage)
        except (OSError, SafetensorError) as error:
            self.context.line.send("log", text=f"could not keep the best policy: {error}")
            return False
        return True

    def state(self) -> dict[str, np.ndarray]:
        """What `load_state` needs to go on with the next episodes and draws."""
        envs = {f"{count}/{name}": array for count, e in self._envs.items() for name, array in e.state().items()}
        return envs | {"generator": self.generator.get_state().numpy()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where the evaluator that gave `state` stood."""
        self.generator.set_state(torch.from_numpy(state["generator"]))
        envs: dict[int, dict[str, np.ndarray]] = {}
        for key, array in state.items():
            count, _, name = key.partition("/")
            if name:
                envs.setdefault(int(count), {})[name] = array
        for number, arrays in envs.items():
            self.make_envs(number, self.context.seed(EVALUATION_STREAM)).load_state(arrays)

    def report(self, result: Evaluation, version: Version, begun: int) -> None:
        """Tell the orchestrator, with the version that was measured and the moment it was taken."""
        self.context.line.send(
            "evaluation",
            begun_ns=begun,
            env_steps=version.env_steps,
            updates=version.update,
            weight_version=[version.incarnation, version.update],
            returns=[float(value) for value in result.returns],
            lengths=[int(value) for value in result.lengths],
            metrics={name: float(value) for name, value in result.metrics.items()},
            best=max(self.best_return, float(np.mean(result.returns))),
        )


def keep_best(best: Checkpoints, fresh: FreshModules, mean_return: float, stage: int) -> Path:
    """Write every bundle as the best checkpoint."""
    staging = best.begin()
    for name, module in fresh.modules.items():
        save_file(
            {k: v.clone().contiguous() for k, v in module.state_dict().items()}, staging / f"bundle-{name}.safetensors"
        )
    version = {"weight_version": list(fresh.version), "mean_return": mean_return, "stage": stage}
    return best.commit(staging, version)


def run(context: RoleContext) -> None:
    """Evaluate at the chosen interval until told to stop, and the final weights at a regular end."""
    fresh = context.fresh_modules()
    evaluator, due = Evaluator(context, fresh), Every(context.settings.run.evaluate_every)
    context.ready()
    while context.alive():
        if fresh.ready and due() and fresh.refresh() and fresh.version != evaluator.evaluated:
            evaluator.evaluate()
        elif not fresh.ready:
            fresh.refresh()
        time.sleep(LOOK_EVERY_S)
    fresh.refresh()
    if context.final and fresh.ready and fresh.version != evaluator.evaluated:
        evaluator.evaluate()

"""Meta-episodes: one task in every environment, episodes that explore, then episodes that exploit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from spreeze.algorithms._meta.policy import MODES, MetaPolicy
from spreeze.contract import (
    Block,
    Evaluation,
    EvaluationSetup,
    Recurrent,
    Sketch,
    Sketched,
    SourceSetup,
    TaskFamily,
    Tasks,
)
from spreeze.spaces import ActionScale

FIELDS = ("observation", "action", "reward")


@dataclass(frozen=True)
class Plan:
    """Lengths of a meta-episode in a store: every episode has a row more, which holds its final observation."""

    explore: int
    exploit: int
    tasks: Tasks

    @property
    def segment(self) -> int:
        """L, rows of a segment. The last final observation is the one that follows it."""
        return (self.explore + self.exploit) * (self.tasks.episode_steps + 1) - 1

    def rows(self, episodes: int) -> Tensor:
        """Numbers (R,) of the rows of the first `episodes` that carry a transition."""
        steps = self.tasks.episode_steps
        return (torch.arange(episodes)[:, None] * (steps + 1) + torch.arange(steps)).flatten()


class Told(NamedTuple):
    """One episode in N environments: its rows, the final observation's included, and memory and beliefs after it."""

    fields: Mapping[str, np.ndarray]
    """(T + 1, N, ...); the last row has no action and no reward."""
    state: Recurrent
    belief: Tensor

    @property
    def returns(self) -> np.ndarray:
        """(N,)."""
        total: np.ndarray = self.fields["reward"].sum(0)
        return total


class Player:
    """N environments, each with a task, and a policy that plays episodes of it."""

    def __init__(self, envs: TaskFamily, policy: MetaPolicy, steps: int) -> None:
        self.envs, self.policy, self.steps = envs, policy, steps
        self._scale, self._task = ActionScale(envs.action_space), np.zeros(envs.count, np.int64)
        self.state: Recurrent = policy.initial_state(envs.count)

    def enter(self, task: np.ndarray) -> None:
        """Take up tasks (N,) of which nothing is known."""
        self._task, self.state = task, self.policy.initial_state(self.envs.count)

    @torch.inference_mode()
    def play(self, mode: str, learning: bool = True) -> Told:
        """One episode; the belief follows it if `learning`."""
        policy, observation = self.policy, torch.from_numpy(self.envs.begin(self._task).copy())
        state = policy.settled((*self.state[:-2], observation, self.state[-1]), mode)
        seen, actions, rewards = [observation], list[Tensor](), list[Tensor]()
        for _ in range(self.steps):
            action = policy.choice(observation, state, mode)
            after, reward, _, _ = self.envs.step(self._scale.to_env(action.numpy()))
            observation, gained = torch.from_numpy(after.copy()), torch.from_numpy(reward.copy())
            if learning:
                state = policy.told(state, action, gained, observation)
            seen.append(observation)
            actions.append(action)
            rewards.append(gained)
        self.state = state
        ended = (seen, [*actions, torch.zeros_like(action)], [*rewards, torch.zeros_like(gained)])
        fields = {name: torch.stack(column).numpy() for name, column in zip(FIELDS, ended, strict=True)}
        return Told(fields, state, policy.belief(state))


class MetaEpisodes:
    """A source of whole meta-episodes of random training tasks; between two of them nothing is open."""

    def __init__(self, setup: SourceSetup, plan: Plan, prior_share: float) -> None:
        envs = cast(TaskFamily, setup.make_envs(setup.streams, setup.seed))
        self.player = Player(envs, cast(MetaPolicy, setup.policy), plan.tasks.episode_steps)
        self.plan, self.prior_share = plan, prior_share
        self._seed, self._number = setup.seed, 0

    def collect(self, mode: str) -> Iterable[Block]:
        """One meta-episode in every environment."""
        random, explore = np.random.default_rng([self._seed, self._number]), self.plan.explore
        self._number += 1
        task = random.integers(self.plan.tasks.train, size=self.player.envs.count)
        self.player.enter(task)
        modes = [mode] * explore + [self._exploiting(mode, random) for _ in range(self.plan.exploit)]
        played = [self.player.play(named, index < explore) for index, named in enumerate(modes)]
        fields = {name: np.concatenate([one.fields[name] for one in played]) for name in FIELDS}
        valid = np.ones((self.plan.segment + 1, self.player.envs.count), np.uint8)
        valid[self.player.steps :: self.player.steps + 1] = 0
        last, cut = fields["observation"][-1], {name: column[:-1] for name, column in fields.items()}
        exploiting = np.concatenate([one.returns for one in played[explore:]])
        episodes = [(float(value), self.player.steps) for value in exploiting]
        return [Block("episodes", cut, valid[:-1], last, head={"task": task}, episodes=episodes)]

    def state(self) -> Mapping[str, np.ndarray]:
        """From which seed, the number of the next meta-episode, and what the environments need."""
        own = {"seed": np.array([self._seed], np.uint64), "number": np.array([self._number])}
        return own | {f"env/{name}": array for name, array in self.player.envs.state().items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on with the next meta-episode."""
        self._seed, self._number = int(state["seed"][0]), int(state["number"][0])
        self.player.envs.load_state({n.removeprefix("env/"): a for n, a in state.items() if n.startswith("env/")})

    def _exploiting(self, mode: str, random: np.random.Generator) -> str:
        if mode == MODES.warmup:
            return mode
        return "prior" if random.random() < self.prior_share else "sample"


def sketch_of(envs: TaskFamily) -> Sketch | None:
    """How a family is drawn, if it says so."""
    return envs.sketch if isinstance(envs, Sketched) else None


def adapting(setup: EvaluationSetup, plan: Plan, task: np.ndarray) -> Player:
    """A player about to adapt to tasks (N,)."""
    envs = cast(TaskFamily, setup.make_envs(len(task), setup.seed))
    player = Player(envs, cast(MetaPolicy, setup.policy), plan.tasks.episode_steps)
    player.enter(task)
    return player


def adapt(player: Player, plan: Plan, mode: str) -> list[Told]:
    """The episodes of adaptation: those that explore, then one that exploits; no gradient."""
    return [*(player.play("probe") for _ in range(plan.explore)), player.play(mode, learning=False)]


def evaluate(setup: EvaluationSetup, plan: Plan) -> Evaluation:
    """Adapt to every task that is held out, at least twice; the returns are those of the last episode."""
    tasks, steps = plan.tasks.held_out, plan.tasks.episode_steps
    repeats = max(2, -(-setup.episodes // len(tasks)))
    player = adapting(setup, plan, np.tile(np.array(tasks), repeats))
    played = adapt(player, plan, setup.mode)
    metrics = {f"explored/return_{index + 1}": float(one.returns.mean()) for index, one in enumerate(played[:-1])}
    metrics |= stays(player.envs, played[:-1])
    metrics["adapted/rewarded"] = float((played[-1].fields["reward"] > 0).any(0).mean())
    beliefs = [one.belief for one in played[: plan.explore]]
    for index, belief in enumerate(beliefs):
        metrics[f"belief/identified_{index + 1}"] = identified(belief, len(tasks))
        metrics[f"belief/deviation_{index + 1}"] = float(belief.chunk(2, -1)[1].sqrt().mean())
    returns: Sequence[float] = played[-1].returns.tolist()
    return Evaluation(returns, [steps] * len(returns), metrics)


def stays(envs: TaskFamily, played: Sequence[Told]) -> dict[str, float]:
    """Share of steps after which an environment was at a place that its family names, over all episodes."""
    sketch = sketch_of(envs)
    if sketch is None:
        return {}
    seen = np.stack([one.fields["observation"][1:] for one in played])
    return {f"explored/at_{name}": float(sketch.near(seen, name).mean()) for name in sketch.places}


def identified(belief: Tensor, tasks: int) -> float:
    """Share of the first `tasks` beliefs whose nearest among the next `tasks`, by their means, is of the same task."""
    mean = belief.chunk(2, -1)[0]
    nearest = torch.cdist(mean[:tasks], mean[tasks : 2 * tasks]).argmin(1)
    return float((nearest == torch.arange(tasks)).float().mean())

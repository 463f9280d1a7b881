"""`spreeze dataset record`: datasets of the known kinds, made with this framework's own algorithm."""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from spreeze import registry
from spreeze.contract import Episode, EvaluationSetup, Policy, Reference, environment_source
from spreeze.episodes import UniformPolicy, played, replayed
from spreeze.errors import UsageError
from spreeze.journal import versions
from spreeze.recorded_run import RecordedRun, one_environment, recorded_id, train
from spreeze.sources import evaluate_episodes
from spreeze.spaces import probe
from spreeze.stages import make_envs

Kind = Literal["random", "medium", "medium-replay", "expert", "medium-expert"]
Say = Callable[[str], None]
Batches = Iterator[Sequence[Episode]]

ENVS = 10
"""Environments that are played side by side."""
PLAYED_STEPS = 100_000
"""Steps of a dataset that is played, without --steps."""
RANDOM_EPISODES = 100
"""Episodes whose mean return counts as 0."""
MEDIUM = 1 / 3
"""Share of the way from the reference minimum to the maximum from which on a policy is medium."""
BATCH = 32
"""Episodes of a replay store that are written at once."""
SAY_EVERY_S = 3.0


@dataclass(frozen=True)
class Request:
    """What is to be recorded."""

    kind: Kind
    env: str | None
    run: str | None
    """Of the policy, or of the replay store; of a medium-expert set, of its medium half."""
    expert_run: str | None
    steps: int | None
    replay_until: int | None
    train_steps: int | None
    seed: int
    out: Path | None
    minimum: float | None
    maximum: float | None


class Progress:
    """Says how far something is, every few seconds."""

    def __init__(self, say: Say) -> None:
        self._say, self._next_s = say, time.monotonic() + SAY_EVERY_S

    def __call__(self, text: str) -> None:
        """Say `text` if it is time."""
        if time.monotonic() >= self._next_s:
            self._say(text)
            self._next_s = time.monotonic() + SAY_EVERY_S


class Recorder:
    """Records one dataset."""

    def __init__(self, request: Request, say: Say) -> None:
        self.request, self.say = request, say
        self.tell = Progress(say)
        check(request)
        given = (request.run, request.expert_run)
        self.given, self.given_expert = (RecordedRun.find(run) if run else None for run in given)
        self.settings = one_environment(request.env, [run for run in (self.given, self.given_expert) if run])
        self.name = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', self.settings.env)}/{request.kind}-v0"
        self.folder = request.out or Path("datasets") / self.name
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(f"{self.folder} holds something; remove it or choose another --out")
        self.spaces = probe(registry.environment(self.settings.env), self.settings.environment)
        self.seeds = np.random.SeedSequence(request.seed).generate_state(4).tolist()
        self.runs: dict[str, RecordedRun] = {}
        self.maximum, self.maximum_source = request.maximum, "given"

    def record(self) -> Path:
        """Train what is missing, measure the references, and write the episodes; return the folder."""
        self._find_expert()
        reference = self._reference()
        self._find_medium(reference)
        limit = getattr(self.settings.environment, "max_episode_steps", None)
        about = {"reference": reference, "about": self._about(reference)}
        writer = registry.dataset_writer(
            self.folder, self.name, recorded_id(self.settings.env), limit, self.spaces, **about
        )
        goal = f" of {self.request.steps:,}" if self.request.steps else ""
        for episodes in self._batches():
            writer.add(episodes)
            self.tell(f"recorded {writer.steps:,}{goal} steps, {writer.episodes:,} episodes")
        digest = writer.finish(self._card(reference))
        self.say(f"{self.name}: {writer.steps:,} steps, {writer.episodes:,} episodes, digest {digest}")
        return self.folder

    def _find_expert(self) -> None:
        """Open or train the expert if there is one; the best evaluation there is counts as 100."""
        kind = self.request.kind
        expert = self.given if kind == "expert" else self.given_expert
        if expert is None and kind in ("expert", "medium-expert"):
            expert = self._train("expert", None)
        if expert is not None:
            self.runs["expert"] = expert
        best = expert or (self.given if kind == "medium-replay" else None)
        if self.maximum is None and best is not None:
            self.maximum = best.best
            self.maximum_source = f"best evaluation of a run of {best.settings.algo}, seed {best.settings.run.seed}"

    def _find_medium(self, reference: Reference | None) -> None:
        """Open or train the medium run if this kind needs one; a replay that is given is taken as it is."""
        kind = self.request.kind
        if kind == "medium-replay" and self.given is not None:
            self.runs["medium"] = self.given
        elif kind.startswith("medium"):
            if reference is None:
                raise UsageError(
                    f"--kind {kind}: a policy is medium from a third of the reference maximum on; give that by "
                    "--reference-maximum, or a run that reached it by --expert-from"
                )
            least = reference.minimum + MEDIUM * (reference.maximum - reference.minimum)
            self.runs["medium"] = self.given or self._train("medium", least)
            check_medium(self.runs["medium"], least)
        if kind == "medium-replay":
            check_replay(self.runs["medium"])

    def _train(self, role: str, until: float | None) -> RecordedRun:
        folder = self.folder.with_name(f"{self.folder.name}-{role}-run")
        self.say(f"training the {role} policy in {folder}; `--from` takes it as it is later")
        return train(self.settings.replace(seed=self.request.seed), folder, self.request.train_steps, until)

    def _reference(self) -> Reference | None:
        """What counts as 0 and as 100, None where nothing says what counts as 100."""
        if self.maximum is None:
            if self.request.kind == "random":
                self.say("nothing says what counts as 100, so no scores: --reference-maximum or --expert-from does")
            return None
        minimum, source = self.request.minimum, "given"
        if minimum is None:
            minimum, source = self._random_return(), f"mean return of {RANDOM_EPISODES} random episodes"
        if minimum >= self.maximum:
            raise UsageError(f"the reference minimum {minimum:.1f} ({source}) is above the maximum {self.maximum:.1f}")
        return Reference(minimum, self.maximum, f"minimum: {source}; maximum: {self.maximum_source}")

    def _random_return(self) -> float:
        """Mean return of uniformly random actions."""
        returns: list[float] = []
        policy = self._uniform(self.seeds[0])
        for seed in np.random.SeedSequence(self.seeds[1]).generate_state(RANDOM_EPISODES // ENVS).tolist():
            setup = EvaluationSetup(policy, {}, lambda n, s: make_envs(self.settings, n, s), "random", ENVS, seed)
            returns += evaluate_episodes(setup).returns
            self.tell(f"random episodes for the reference: {len(returns)} of {RANDOM_EPISODES}")
        return float(np.mean(returns))

    def _uniform(self, seed: int) -> Policy:
        return UniformPolicy(self.spaces[1], torch.Generator().manual_seed(seed))

    def _batches(self) -> Batches:
        kind, steps = self.request.kind, self.request.steps or PLAYED_STEPS
        if kind == "random":
            return self._played(self._uniform(self.seeds[2]), "random", steps, self.seeds[3])
        if kind == "medium-replay":
            return self._replayed()
        return self._played_by(kind.split("-"), steps)

    def _played_by(self, roles: Sequence[str], steps: int) -> Batches:
        for index, role in enumerate(roles):
            run = self.runs[role]
            self.say(f"playing the {role} policy: {run.trained.run}, best evaluation {run.best:.1f}")
            share = steps * (index + 1) // len(roles) - steps * index // len(roles)
            mode = run.trained.stage.modes.collect
            yield from self._played(run.trained.policy(self.seeds[2] + index), mode, share, self.seeds[3] + index)

    def _played(self, policy: Policy, mode: str, steps: int, seed: int) -> Batches:
        with closing(make_envs(self.settings, ENVS, seed)) as envs:
            yield from played(envs, policy, mode, steps)

    def _replayed(self) -> Batches:
        trained = self.runs["medium"].newest()
        episodes = replayed(trained.checkpoint, trained.stage.stores, self.request.replay_until)
        kept = thinned(episodes, self.request.steps, np.random.default_rng(self.seeds[2]))
        found = sum(len(episode.reward) for episode in episodes)
        self.say(f"the replay store holds {len(episodes):,} whole episodes of {found:,} steps; {len(kept):,} are taken")
        for begin in range(0, len(kept), BATCH):
            yield kept[begin : begin + BATCH]

    def _about(self, reference: Reference | None) -> dict[str, str]:
        scores = f" Reference scores: {reference.source}." if reference else ""
        return {
            "algorithm_name": next((run.settings.algo for run in self.runs.values()), "uniform"),
            "description": f"{self.request.kind} data, recorded by spreeze {versions()['spreeze']}.{scores}",
        }

    def _card(self, reference: Reference | None) -> dict[str, Any]:
        request = self.request
        asked = {name: getattr(request, name) for name in ("kind", "steps", "replay_until", "seed")}
        return {
            "name": self.name,
            "environment": recorded_id(self.settings.env),
            "kind": request.kind,
            "reference": vars(reference) if reference else None,
            "versions": versions(),
            "recorded": {
                "command": "spreeze dataset record",
                "options": asked | {"env": self.settings.env},
                "environment_options": self.settings.to_data()["environment"],
                "runs": {role: run.provenance() for role, run in self.runs.items() if role in request.kind},
            },
        }


def check(request: Request) -> None:
    """Raise UsageError for numbers and combinations that make no sense."""
    for name in ("steps", "replay_until", "train_steps"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} {value}: give at least 1")
    if request.replay_until is not None and request.kind != "medium-replay":
        raise UsageError(f"--replay-until: --kind {request.kind} takes nothing from a replay")
    if request.seed < 0:
        raise UsageError(f"--seed {request.seed}: give at least 0")
    for name, bound in (("minimum", request.minimum), ("maximum", request.maximum)):
        if bound is not None and not math.isfinite(bound):
            raise UsageError(f"--reference-{name} {bound}: give a finite return")
    if request.kind == "random" and request.run is not None:
        raise UsageError(
            "--kind random plays no policy of a run: leave --from out; --expert-from gives what counts as 100"
        )


def check_medium(run: RecordedRun, least: float) -> None:
    """Raise UsageError if the policy of the run is not medium yet."""
    if run.best < least:
        raise UsageError(
            f"{run.trained.run} reached {run.best:.1f}, medium begins at {least:.1f}; train longer "
            "with --train-steps, or give another run by --from"
        )


def check_replay(run: RecordedRun) -> None:
    """Raise UsageError if something else than the environment may have filled the replay of the run."""
    if run.trained.stage.make_source is not environment_source:
        raise UsageError(
            f"{run.trained.run} filled its replay by a source of {run.settings.algo}'s own, which may have imagined "
            "it; give a run by --from whose samplers step the environment"
        )


def thinned(episodes: Sequence[Episode], steps: int | None, random: np.random.Generator) -> list[Episode]:
    """Whole episodes drawn uniformly without replacement until they hold `steps` steps, in their old order."""
    if steps is None:
        return list(episodes)
    kept, taken = [], 0
    for index in random.permutation(len(episodes)).tolist():
        if taken >= steps:
            break
        kept.append(index)
        taken += len(episodes[index].reward)
    return [episodes[index] for index in sorted(kept)]

"""The stages of walking by a heightmap, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.evaluating import source, walked, walked_and_predicted
from spreeze.algorithms.heightmap.networks import BlindActor, Modulator, PrivilegedCritic, WalkingActor
from spreeze.algorithms.heightmap.policy import MEAN, SAMPLE, WalkingPolicy
from spreeze.algorithms.heightmap.predicting import FrozenPart, PredictorPart
from spreeze.algorithms.heightmap.predictors import Predictor
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.algorithms.heightmap.walking import WalkingPart
from spreeze.algorithms.ppo.learner import annealing_steps
from spreeze.algorithms.ppo.networks import orthogonal
from spreeze.algorithms.ppo.plugin import QUEUED
from spreeze.contract import (
    Algorithm,
    EnvironmentSpec,
    Field,
    LearnerSetup,
    Modes,
    Pace,
    Part,
    Range,
    Stage,
    Store,
    Until,
)

MODES = Modes(SAMPLE, SAMPLE, MEAN)
HISTORIES, OWN = "histories", "own"
Inherited = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Plan:
    """Everything that the factories of all stages need."""

    senses: Senses
    config: HeightmapConfig
    batch_size: int

    def bundles(self, *names: str) -> dict[str, Any]:
        """Factories of modules by name."""
        every = {"blind": BlindActor, "modulator": Modulator, "predictor": Predictor}
        return {name: partial(every[name], self.senses, self.config) for name in names}

    def modules(self, setup: LearnerSetup, *names: str) -> dict[str, nn.Module]:
        """Modules by name, as earlier stages left them; else initialised from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            found: dict[str, nn.Module] = {name: make() for name, make in self.bundles(*names).items()}
        for name, module in found.items():
            if name in setup.inherited:
                module.load_state_dict(dict(setup.inherited[name]))
        return found

    def frozen(self, setup: LearnerSetup, *names: str) -> dict[str, nn.Module]:
        """The same, without gradients."""
        return {name: module.requires_grad_(False) for name, module in self.modules(setup, *names).items()}

    def policy(
        self, modules: Mapping[str, nn.Module], generator: torch.Generator, by_prediction: bool = False
    ) -> WalkingPolicy:
        """The policy over the modules that a stage has."""
        every: Mapping[str, Any] = modules
        return WalkingPolicy(
            generator, every["blind"], every.get("modulator"), every.get("predictor"), by_prediction=by_prediction
        )

    def walking(self, setup: LearnerSetup) -> HeightmapConfig:
        """The options of a stage in which a policy learns; they know how long that is."""
        return replace(self.config, anneal=annealing_steps(self.config.anneal, setup.env_steps))

    def critic(self, actor: WalkingActor, seed: int) -> PrivilegedCritic:
        """A critic; it and the actor's last layers are initialised from the seed."""
        critic = PrivilegedCritic(self.senses, self.config)
        orthogonal(actor, critic, seed)  # type: ignore[arg-type]
        return critic


def walking_stage(plan: Plan, name: str, bundles: tuple[str, ...], steps: int, make_part: Any) -> Stage:
    """A stage in which a policy learns to walk: lanes queue segments, the learner takes one of each stream."""
    config, senses = plan.config, plan.senses
    modulates = "modulator" in bundles
    choice = senses.actions if modulates and config.learned_clock else senses.motors
    step = {"observation": Field((senses.observations,)), "reward": Field(), "choice": Field((choice,))}
    step |= {"log_probability": Field(), "version": Field()} | ({"blind": Field((senses.motors,))} if modulates else {})
    step |= {flag: Field((), "bool") for flag in ("terminated", "truncated", "is_first")}
    head = {f"state{index}": Field((config.memory,)) for index in range(len(bundles))}
    queue = Store("queue", step, QUEUED, config.horizon, head, streams=config.environments)
    return Stage(
        name=name,
        stores={"queue": queue},
        bundles=plan.bundles(*bundles),
        make_policy=plan.policy,
        make_learner=lambda setup: {"walk": make_part(plan, setup)},
        make_source=partial(source, stage=name, environments=config.environments),
        evaluate=partial(walked, stage=name),
        pace=Pace(max_lag=1),
        modes=MODES,
        until=Until(env_steps=steps),
    )


def blind_part(plan: Plan, setup: LearnerSetup) -> Part:
    """Learns to walk blindly."""
    actor, device = plan.modules(setup, "blind")["blind"], setup.device("walk")
    assert isinstance(actor, BlindActor), "made so"
    critic = plan.critic(actor, setup.seed)
    return WalkingPart(actor.to(device), critic.to(device), plan.walking(setup), plan.batch_size, setup.seed, {})


def modulator_part(plan: Plan, setup: LearnerSetup) -> Part:
    """Learns what to add to the blind action: nothing, at first."""
    actor, frozen = plan.modules(setup, "modulator")["modulator"], plan.frozen(setup, "blind")
    device, blind = setup.device("walk"), frozen["blind"]
    assert isinstance(actor, Modulator) and isinstance(blind, BlindActor), "made so"
    critic = plan.critic(actor, setup.seed)
    nn.init.zeros_(actor.head.linear.weight)
    actor.normaliser.load_state_dict(blind.normaliser.state_dict())
    return WalkingPart(actor.to(device), critic.to(device), plan.walking(setup), plan.batch_size, setup.seed, frozen)


def histories(plan: Plan, kind: Any, capacity: int) -> Store:
    """A store of whole segments that a predictor learns from."""
    step = {"observation": Field((plan.senses.observations,)), "is_first": Field((), "bool")}
    return Store(kind, step, capacity, plan.config.segment, streams=plan.config.environments)


def dataset_stage(plan: Plan) -> Stage:
    """Histories of the map policy, with noise in its actions; nothing is learned."""
    steps = plan.config.dataset_steps
    return Stage(
        name="dataset",
        stores={HISTORIES: histories(plan, "replay", steps)},
        bundles=plan.bundles("blind", "modulator"),
        make_policy=plan.policy,
        make_learner=lambda setup: {"frozen": FrozenPart(plan.frozen(setup, "blind", "modulator"))},
        make_source=partial(source, stage="predictor", environments=plan.config.environments),
        evaluate=None,
        modes=MODES,
        until=Until(env_steps=steps),
    )


def predictor_stage(plan: Plan) -> Stage:
    """The predictor of the kept histories; evaluated while the map policy walks by the map that it is told."""
    return Stage(
        name="predictor",
        stores={HISTORIES: histories(plan, "kept", plan.config.dataset_steps)},
        bundles=plan.bundles("blind", "modulator", "predictor"),
        make_policy=plan.policy,
        make_learner=lambda setup: {"predictor": predictor_part(plan, setup, (HISTORIES,))},
        make_source=None,
        evaluate=partial(walked_and_predicted, stage="predictor"),
        modes=MODES,
        until=Until(updates=plan.config.predictor_updates),
    )


def closed_stage(plan: Plan) -> Stage:
    """The same predictor, of the kept histories and of those that it leads to itself."""
    config, steps = plan.config, plan.config.closed_steps
    block = config.segment * config.environments
    return Stage(
        name="closed",
        stores={
            HISTORIES: histories(plan, "kept", config.dataset_steps),
            OWN: histories(plan, "replay", steps),
        },
        bundles=plan.bundles("blind", "modulator", "predictor"),
        make_policy=partial(plan.policy, by_prediction=True),
        make_learner=lambda setup: {"predictor": predictor_part(plan, setup, (HISTORIES, OWN))},
        make_source=partial(source, stage="closed", environments=config.environments),
        evaluate=partial(walked_and_predicted, stage="closed"),
        block_rows=block,
        pace=Pace(ratio=Range(3, 0.1, 64)),
        warmup=min(block, steps),
        modes=MODES,
        until=Until(env_steps=steps),
    )


def predictor_part(plan: Plan, setup: LearnerSetup, stores: tuple[str, ...]) -> Part:
    """Learns to predict maps."""
    predictor = plan.modules(setup, "predictor")["predictor"]
    assert isinstance(predictor, Predictor), "made so"
    frozen = plan.frozen(setup, "blind", "modulator")
    return PredictorPart(predictor.to(setup.device("predictor")), plan.config, stores, frozen)


def stages(spec: EnvironmentSpec, config: HeightmapConfig, batch_size: int) -> Sequence[Stage]:
    """Blind, modulator, dataset, predictor, closed; without vision the first two.

    Raises:
        UnsupportedSpace: the environment is no robot that sees terrain.
    """
    config.check()
    plan = Plan(Senses.of(spec, config.motors), config, batch_size)
    walking = [
        walking_stage(plan, "blind", ("blind",), config.blind_steps, blind_part),
        walking_stage(plan, "modulator", ("blind", "modulator"), config.modulator_steps, modulator_part),
    ]
    return walking + ([dataset_stage(plan), predictor_stage(plan), closed_stage(plan)] if config.vision else [])


ALGORITHM = Algorithm(
    summary="Vision-based bipedal locomotion: a blind walker, modulated by a heightmap that is predicted from pictures",
    source="Duan et al. 2024, arXiv 2309.14594",
    config=HeightmapConfig,
    stages=stages,
    batch_size=Range(1024, 64, 65536),
)

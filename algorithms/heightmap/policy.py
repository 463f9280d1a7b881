"""The policy of every stage: the blind one, with the modulator if there is one, on predicted maps if that is wanted."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spreeze.algorithms.heightmap.networks import BlindActor, Modulator, WalkingActor
from spreeze.algorithms.heightmap.predictors import Predictor
from spreeze.contract import Recurrent, Step

SAMPLE, MEAN = "sample", "mean"


class WalkingPolicy:
    """Samples, or takes the mean. Its memory is that of the blind policy, of the modulator, of the predictor."""

    def __init__(
        self,
        generator: torch.Generator,
        blind: BlindActor,
        modulator: Modulator | None = None,
        predictor: Predictor | None = None,
        by_prediction: bool = False,
    ) -> None:
        """`by_prediction`: the modulator sees the predicted map; otherwise that is told beside the action."""
        self.generator, self.senses = generator, blind.senses
        self.blind, self.modulator, self.predictor = blind, modulator, predictor
        self.by_prediction = by_prediction

    def initial_state(self, batch: int) -> Recurrent:
        """The memory before a first step."""
        parts: list[Any] = [self.blind.memory, self.modulator and self.modulator.memory, self.predictor]
        return tuple(memory for part in parts if part is not None for memory in part.initial_state(batch))

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Actions (N, A), the memory after them, and extras.

        Sampling: `choice`, `log_probability`, `version`, and with a modulator `blind`. With a predictor: `map`, and
        `coarse`, the map before it is refined.
        """
        given, first, parts, extras = step.observation, step.is_first, self._parts(state), dict[str, Tensor]()
        if self.predictor is not None:
            coarse, found, parts[2] = self.predictor(given[None], first[None], parts[2])
            extras = {"map": found[0], "coarse": coarse[0]}
            given = self.senses.put(given, "map", found[0]) if self.by_prediction else given
        means, parts[0] = self._means(self.blind, given, first, parts[0])
        actor: BlindActor | Modulator = self.blind
        if self.modulator is not None:
            blind, actor = means.clamp(-1, 1), self.modulator
            extras |= {"blind": blind} if mode == SAMPLE else {}
            means, parts[1] = self._means(actor, torch.cat((blind, given), -1), first, parts[1])
        choice, chosen = self._choice(actor, means, mode)
        memory = tuple(kept for part in parts for kept in part)
        return self.senses.padded(choice.clamp(-1, 1)), memory, {**extras, **chosen}

    def _parts(self, state: Recurrent) -> list[Recurrent]:
        modulated = 1 + (self.modulator is not None)
        return [state[:1], state[1:modulated], state[modulated:]]

    @staticmethod
    def _means(
        actor: BlindActor | Modulator, given: Tensor, first: Tensor, state: Recurrent
    ) -> tuple[Tensor, Recurrent]:
        features, after = actor.features(actor.given(given)[None], first[None], state)
        return actor.raw(features[0]), after

    def _choice(self, actor: WalkingActor, means: Tensor, mode: str) -> tuple[Tensor, Mapping[str, Tensor]]:
        if mode != SAMPLE:
            return means, {}
        choice = actor.head.sample(means, self.generator)
        told = {"choice": choice, "log_probability": actor.head.log_probability(means, choice)}
        return choice, told | {"version": actor.version.expand(len(choice))}

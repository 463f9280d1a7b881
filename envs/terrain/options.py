"""Options of environments over terrain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spreeze.envs.terrain.ranges import Stage

Interval = tuple[float, float]
"""Least and greatest value; each episode draws one from between, uniformly."""


@dataclass(frozen=True)
class TerrainOptions:
    """What can be chosen about a robot that walks over terrain."""

    terrain: Literal["mixed", "flat", "hills", "ridges", "stairs", "blocks"] = "mixed"
    """What stands in the way; mixed: one of the others, drawn for every episode."""
    heights: Stage = "train"
    """Whose heights count: those to train on, or those of the easy or the hard evaluation."""
    difficulty: Interval = (0.0, 1.0)
    """Of terrains to train on, from 0 to 1."""
    curriculum: Literal["auto", "on", "off"] = "auto"
    """Whether difficulty begins at the least one and follows success, in each environment by itself. auto: in that
    stage of heightmap in which walking over terrain is learned."""
    speed: Interval = (0.3, 1.0)
    """Commanded forward speed [m/s]; it is drawn anew once, between decisions 200 and 250."""
    foot_collision_penalty: float = 5.0
    """What a decision in which a toe strikes a riser costs; others give at most 1."""
    clock: Literal["learned", "fixed"] = "learned"
    """Whether three more actions speed the clock up and shift its feet."""
    senses: Literal["blind", "map", "all"] = "all"
    """What an observation holds: `state`; also `map`; also everything else that docs/terrain.md lists."""
    depth: Literal["asked", "always"] = "asked"
    """When the camera is computed, which is dear: in the stages of an algorithm that asks for it, or always; else 0."""
    noise: bool = True
    """Whether what is sensed is wrong and late; `clean_map` and `privileged` never are."""
    randomise: bool = True
    """Whether masses, damping, friction and motors differ from episode to episode."""
    max_episode_steps: int = 500
    """Decisions after which an episode is truncated: 500 are 10 s."""

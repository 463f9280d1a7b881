"""The visualizer: now and then a short MP4 of the newest policy, at the lowest priority."""

import time
from pathlib import Path
from typing import Any

import gymnasium
import imageio.v2 as imageio
import numpy as np
import torch

from spreeze import registry
from spreeze.contract import Policy, Step
from spreeze.pacing import Every
from spreeze.roles.context import RoleContext
from spreeze.spaces import ActionScale, action_field, observation_field
from spreeze.stages import build_policy
from spreeze.transport.counters import VERSION, VERSION_INCARNATION

FIRST_VIDEO_S, LAST_INTERVAL_S = 20.0, 300.0
"""Intervals between videos double from the first to the last."""
MAX_FRAMES = 250
FPS = 25
LOOK_EVERY_S = 0.2


class Camera:
    """Renders single episodes of one environment under a policy."""

    def __init__(self, env: gymnasium.Env[Any, Any], policy: Policy, mode: str) -> None:
        self.env, self.policy, self.mode = env, policy, mode
        self._scale, self._field = ActionScale(env.action_space), action_field(env.action_space)
        self._seen = observation_field(env.observation_space)
        fps = float(env.metadata.get("render_fps") or FPS)
        self.stride, self.fps = max(round(fps / FPS), 1), min(fps, FPS)

    @torch.inference_mode()
    def film(self, path: Path, seed: int, alive: Any) -> int:
        """Write one episode, of at most MAX_FRAMES frames; return the frames written."""
        observation, _ = self.env.reset(seed=seed)
        action, reward, first = np.zeros((1, *self._field.shape), self._field.dtype), 0.0, True
        state, frames, step, done = self.policy.initial_state(1), 0, 0, False
        with imageio.get_writer(path, fps=self.fps, macro_block_size=2) as writer:
            while not done and frames < MAX_FRAMES and alive():
                if step % self.stride == 0:
                    writer.append_data(np.asarray(self.env.render()))  # type: ignore[attr-defined]
                    frames += 1
                seen = np.asarray(observation, self._seen.dtype)[None]
                told = (seen, action, np.array([reward], np.float32), np.array([first]))
                chosen, state, _ = self.policy.act(Step(*map(torch.from_numpy, told)), state, self.mode)
                action, first, step = chosen.numpy(), False, step + 1
                observation, earned, terminated, truncated, _ = self.env.step(self._scale.to_env(action)[0])
                reward, done = float(earned), terminated or truncated
        return frames


def run(context: RoleContext) -> None:
    """Film whenever the interval has passed and the weights have changed."""
    fresh = context.fresh_modules()
    policy, _ = build_policy(context.stage, fresh.modules, context.seed(1))
    camera = open_camera(context, policy)
    if camera is None:
        return
    interval = FIRST_VIDEO_S
    due = Every(interval)
    context.ready()
    while context.alive():
        if fresh.refresh() | fresh.ready and due():
            film(context, camera, fresh.version)
            interval = min(2 * interval, LAST_INTERVAL_S)
            due = Every(interval)
        time.sleep(LOOK_EVERY_S)


def open_camera(context: RoleContext, policy: Policy) -> Camera | None:
    """A camera that has rendered once; None, having said why, if videos were not asked for by name."""
    try:
        environment = registry.environment(context.settings.env)
        env = environment.make_rendered(context.settings.environment)
        env.reset(seed=context.settings.run.seed)
        env.render()
    except Exception as error:  # whatever a graphics library raises
        if context.settings.run.visualize == "video":
            raise
        context.line.send("log", text=f"no videos: {error}")
        return None
    return Camera(env, policy, context.stage.modes.evaluate)


def film(context: RoleContext, camera: Camera, version: Any) -> None:
    """Write the video of one version under its final name only when it is whole."""
    folder = context.folder / "videos"
    folder.mkdir(exist_ok=True)
    unfinished = folder / f".unfinished-{version.update}.mp4"
    frames = camera.film(unfinished, context.settings.run.seed, context.alive)
    name = f"steps-{version.env_steps:010d}-update-{version.update:08d}.mp4"
    unfinished.rename(folder / name)
    context.row[VERSION_INCARNATION], context.row[VERSION] = version.incarnation, version.update
    context.line.send("log", text=f"video {name} ({frames} frames)")

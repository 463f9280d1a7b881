"""The visualizer: the newest policy in the browser, or now and then as a short MP4, at the lowest priority."""

import time
from pathlib import Path
from typing import Any

import gymnasium
import imageio.v2 as imageio
import numpy as np

from spreeze import registry
from spreeze.contract import Policy
from spreeze.pacing import Every
from spreeze.roles.context import RoleContext
from spreeze.roles.main import give_way
from spreeze.stages import build_policy
from spreeze.transport.counters import VERSION, VERSION_INCARNATION
from spreeze.transport.weights import Version
from spreeze.viewer.player import Player

FIRST_VIDEO_S, LAST_INTERVAL_S = 20.0, 300.0
"""Intervals between videos double from the first to the last."""
MAX_FRAMES = 250
FPS = 25
LOOK_EVERY_S = 0.2
LOWEST = 19
"""Niceness of a viewer."""


class Camera:
    """Renders single episodes of one environment under a policy."""

    def __init__(self, env: gymnasium.Env[Any, Any], policy: Policy, mode: str) -> None:
        self.player = Player(env, policy, mode)
        fps = float(env.metadata.get("render_fps") or FPS)
        self.stride, self.fps = max(round(fps / FPS), 1), min(fps, FPS)

    def film(self, path: Path, seed: int, alive: Any) -> int:
        """Write one episode, of at most MAX_FRAMES frames; return the frames written."""
        player, frames = self.player, 0
        player.reset(seed)
        with imageio.get_writer(path, fps=self.fps, macro_block_size=2) as writer:
            while not player.done and frames < MAX_FRAMES and alive():
                if player.length % self.stride == 0:
                    writer.append_data(np.asarray(player.env.render()))  # type: ignore[attr-defined]
                    frames += 1
                player.step()
        return frames


def run(context: RoleContext) -> None:
    """Show the newest policy as the run was asked to."""
    if context.settings.run.visualize == "browser":
        show_live(context)
    else:
        film_now_and_then(context)


def show_live(context: RoleContext) -> None:
    """Show it in the browser; whatever fails is said, and is the end of the viewer but not of the run."""
    try:
        from spreeze.viewer.role import open_live

        viewer, fresh = open_live(context)
        context.ready()
        give_way(LOWEST)  # Only now: on a machine without an idle core the imports would take minutes.
        context.line.send("log", text=f"the newest policy is shown at {viewer.address}")
        while context.alive():
            viewer.tick()
            note(context, fresh.version)
        viewer.close()
    except Exception as error:  # whatever a library of graphics or networks raises
        context.line.send("log", text=f"no viewer: {type(error).__name__}: {error}")


def film_now_and_then(context: RoleContext) -> None:
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


def film(context: RoleContext, camera: Camera, version: Version) -> None:
    """Write the video of one version under its final name only when it is whole."""
    folder = context.folder / "videos"
    folder.mkdir(exist_ok=True)
    unfinished = folder / f".unfinished-{version.update}.mp4"
    frames = camera.film(unfinished, context.settings.run.seed, context.alive)
    name = f"steps-{version.env_steps:010d}-update-{version.update:08d}.mp4"
    unfinished.rename(folder / name)
    note(context, version)
    context.line.send("log", text=f"video {name} ({frames} frames)")


def note(context: RoleContext, version: Version) -> None:
    """Put into the counters which weights were shown last."""
    context.row[VERSION_INCARNATION], context.row[VERSION] = version.incarnation, version.update

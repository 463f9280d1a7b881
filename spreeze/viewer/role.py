"""The viewer of a run under way, as its visualizer has it."""

from __future__ import annotations

from spreeze.bundles import FreshModules
from spreeze.roles.context import RoleContext
from spreeze.viewer.numbers import RunNumbers
from spreeze.viewer.viewer import Viewer, open_viewer
from spreeze.viewer.weights import FileWeights, LiveWeights


def open_live(context: RoleContext) -> tuple[Viewer, FreshModules]:
    """A viewer that follows what the learner publishes, and the modules by which it does.

    Raises:
        ImportError, SpreezeError: it cannot be had.
    """
    run, seed, fresh = context.settings.run, context.seed(1), context.fresh_modules()
    files = FileWeights.of(context.folder, context.settings, seed)
    weights = LiveWeights(fresh, context.stage, files, seed)
    numbers = RunNumbers(context.folder)
    return open_viewer(context.settings, weights, numbers, "newest", run.seed, run.viewer_port), fresh

"""The sampler: steps its source and writes what comes into its own lane of each store."""

import time
from collections.abc import Mapping

import numpy as np
from torch import nn

from spreeze.contract import Block, Policy, Source, SourceSetup
from spreeze.errors import EnvironmentFault
from spreeze.pacing import Every, FreePace, LagPace, RatioPace, slack_rows, wait_until
from spreeze.roles.context import RoleContext
from spreeze.sizing import Sizes
from spreeze.stages import build_policy
from spreeze.transport.counters import ENV_STEPS, STARTED, VERSION, VERSION_INCARNATION
from spreeze.transport.lane import LaneWriter

REPORT_EVERY_S = 1.0


def build_source(context: RoleContext, policy: Policy, modules: Mapping[str, nn.Module]) -> Source:
    """The stage's source, acting with `policy`."""
    stage, sizes = context.stage, context.sizes
    assert stage.make_source is not None, "samplers are started for stages with a source only"
    setup = SourceSetup(
        policy=policy,
        modules=modules,
        make_envs=context.make_envs,
        stores=stage.stores,
        readers=context.readers(),
        inherited=context.inherited(),
        streams=sizes.envs_per_sampler,
        block_steps=sizes.block_steps,
        seed=context.seed(2, context.counters.env_steps),
    )
    return stage.make_source(setup)


def build_pace(context: RoleContext) -> FreePace:
    """The account that this sampler obeys."""
    stage, sizes, counters = context.stage, context.sizes, context.counters
    if stage.pace.max_lag is not None:
        [name] = [name for name, store in stage.stores.items() if store.kind == "queue"]
        words = context.stores[name].words[context.spec.index]
        return LagPace(counters, stage.warmup, stage.pace.max_lag, words, stage.stores[name].segment + 1)
    return ratio_pace(context, sizes) or FreePace(counters, stage.warmup)


def ratio_pace(context: RoleContext, sizes: Sizes) -> RatioPace | None:
    """The replay ratio's account, if the stage holds one."""
    if sizes.replay_ratio is None:
        return None
    block_rows = (context.stage.block_rows or sizes.block_steps * sizes.envs_per_sampler) * sizes.samplers
    slack = slack_rows(sizes.replay_ratio, sizes.updates_per_call * sizes.batch_size, block_rows)
    return RatioPace(context.counters, context.stage.warmup, sizes.replay_ratio, slack)


class Sampler:
    """One source, its lane in every store, and the pace it keeps."""

    def __init__(self, context: RoleContext) -> None:
        self.context, self.row, self.stage = context, context.row, context.stage
        self.fresh = context.fresh_modules()
        self.policy, self.generator = build_policy(
            self.stage, self.fresh.modules, context.seed(1, context.counters.env_steps)
        )
        self.source = build_source(context, self.policy, self.fresh.modules)
        written = {name for name, store in self.stage.stores.items() if store.written}
        self.writers = {n: LaneWriter(m, context.spec.index) for n, m in context.stores.items() if n in written}
        self.pace = build_pace(context)
        self._report, self._episodes = Every(REPORT_EVERY_S), list[tuple[float, int]]()

    def collect(self) -> None:
        """Store the source's next blocks, collected with the newest weights."""
        if self.fresh.refresh():
            self.row[VERSION_INCARNATION], self.row[VERSION] = self.fresh.version[:2]
        modes = self.stage.modes
        warm = self.context.counters.env_steps >= self.stage.warmup
        for block in self.source.collect(modes.collect if warm else modes.warmup):
            self._store(block)
        if self._episodes and self._report():
            returns, lengths = zip(*self._episodes, strict=True)
            self.context.line.send("episodes", returns=returns, lengths=lengths)
            self._episodes = []

    def _store(self, block: Block) -> None:
        check_finite(block, self.context.row[ENV_STEPS])
        writer = self.writers[block.store]
        if not wait_until(writer.has_room, self.row, self.context.alive):
            return
        writer.write(block)
        self.row[ENV_STEPS] += int(block.valid.sum())
        self.row[STARTED] = self.row[STARTED] or time.monotonic_ns()
        self._episodes += block.episodes


def check_finite(block: Block, step: int) -> None:
    """Let nothing into a store that must not be learned from, whoever made it.

    Raises:
        EnvironmentFault: a number of the block is NaN or infinite; names field, stream and step.
    """
    for name, values in (*block.fields.items(), ("next_observation", block.next_observation[None])):
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        row, stream = np.argwhere(~np.isfinite(values))[0][:2]
        raise EnvironmentFault(
            f"the {name} of environment {stream} is {values[row, stream]}, in step {row} of the block that followed "
            f"{step} stored steps; store '{block.store}' takes finite numbers only"
        )


def run(context: RoleContext) -> None:
    """Collect until told to stop."""
    sampler = Sampler(context)
    context.ready()
    wait_until(lambda: sampler.fresh.refresh() or sampler.fresh.ready, context.row, context.alive)
    while wait_until(sampler.pace.sampler_may_step, context.row, context.alive):
        sampler.collect()

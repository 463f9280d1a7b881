"""Adaptation to tasks that are held out, kept step by step so that it can be drawn."""

import numpy as np
import torch

from spreeze.algorithms._meta.episodes import Plan, Told, adapt, adapting, sketch_of
from spreeze.contract import Adaptation, EvaluationSetup, Trail


@torch.inference_mode()
def record(setup: EvaluationSetup, plan: Plan) -> Adaptation:
    """Adapt once to every task that is held out; before that, an episode is exploited with nothing known."""
    task = np.array(plan.tasks.held_out)
    player = adapting(setup, plan, task)
    unaware = player.play(setup.mode, learning=False)
    *explored, last = adapt(player, plan, setup.mode)
    mean, variance = player.policy.encoder.beliefs(tokens(explored)).chunk(2, -1)
    trails = [
        trail("before", unaware, told=False),
        *(trail(f"explores, {index + 1}", one) for index, one in enumerate(explored)),
        trail("after", last, told=False),
    ]
    return Adaptation(task, trails, (mean.numpy(), variance.sqrt().numpy()), sketch_of(player.envs))


def trail(title: str, played: Told, told: bool = True) -> Trail:
    """An episode as it is drawn."""
    return Trail(title, played.fields["observation"], played.fields["reward"][:-1], told)


def tokens(played: list[Told]) -> torch.Tensor:
    """All transitions (S, N, 2O + A + 1) of episodes, as the encoder takes them."""
    columns = []
    for one in played:
        seen, action, reward = (torch.from_numpy(one.fields[name]) for name in ("observation", "action", "reward"))
        columns.append(torch.cat((seen[:-1], action[:-1], reward[:-1, :, None], seen[1:]), -1))
    return torch.cat(columns)

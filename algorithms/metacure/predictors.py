"""The two predictors, and the intrinsic reward that they make."""

from typing import Literal

import torch
from torch import Tensor, nn

from spreeze.algorithms._meta.batches import Rows
from spreeze.algorithms._networks import mlp


class Predictor(nn.Module):
    """From (s, a) and what is known of the task to the reward and, if `dynamics`, the next observation."""

    def __init__(self, observations: int, actions: int, known: int, width: int, dynamics: bool) -> None:
        super().__init__()
        self.dynamics = dynamics
        self.net = mlp((observations + actions + known, width, width, 1 + dynamics * observations))

    def error(self, rows: Rows, known: Tensor) -> Tensor:
        """Squared error (R,) of the reward, plus that of the next observation, its mean over numbers."""
        outputs = self.net(torch.cat((rows.observation, rows.action, known), -1))
        error: Tensor = (outputs[:, 0] - rows.reward).square()
        if self.dynamics:
            error = error + (rows.observation + outputs[:, 1:] - rows.next_observation).square().mean(-1)
        return error


class Predictors(nn.Module):
    """The context predictor, which is given a belief, and the identity predictor, which is given the task's number."""

    def __init__(self, observations: int, actions: int, latent: int, tasks: int, width: int, dynamics: bool) -> None:
        super().__init__()
        self.tasks = tasks
        self.context = Predictor(observations, actions, 2 * latent, width, dynamics)
        self.identity = Predictor(observations, actions, tasks, width, dynamics)

    def errors(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Of context and identity predictor, (R,) each; the belief gets no gradient."""
        number = nn.functional.one_hot(rows.task, self.tasks).float()
        return self.context.error(rows, rows.belief.detach()), self.identity.error(rows, number)

    @torch.no_grad()
    def intrinsic(self, rows: Rows, kind: Literal["information", "prediction-error"] = "information") -> Tensor:
        """The information that a transition gives about the task, up to a factor: a difference of errors (R,).

        The foil `prediction-error` is the first of both alone: what a transition has that is not foreseen.
        """
        context, identity = self.errors(rows)
        return context if kind == "prediction-error" else context - identity

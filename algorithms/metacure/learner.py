"""One update of MetaCURE: the exploiter and the encoder, the predictors, the explorer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spreeze.algorithms._meta.actor_critic import ActorCritic
from spreeze.algorithms._meta.batches import Batch, Pairing, Rows
from spreeze.algorithms._meta.episodes import Plan
from spreeze.algorithms._meta.inference import Exploiting
from spreeze.algorithms._training import adam, load_part_state, part_state
from spreeze.algorithms.metacure.config import MetaCUREConfig
from spreeze.algorithms.metacure.predictors import Predictors
from spreeze.contract import Metrics


class MetaCUREPart:
    """The only part."""

    def __init__(
        self, sizes: tuple[int, int], config: MetaCUREConfig, plan: Plan, rows: int, generator: torch.Generator
    ) -> None:
        self.config, self.generator = config, generator
        self.pairing = Pairing(plan, config, rows, generator)
        self.draws = {"episodes": self.pairing.draw}
        self.exploit = Exploiting(*sizes, config, generator)
        self.explore = ActorCritic(sizes[0] + 2 * config.latent, sizes[1], config, generator)
        width, dynamics = config.predictor_width, config.intrinsic_dynamics
        predictors = Predictors(*sizes, config.latent, plan.tasks.train, width, dynamics)
        self.predictors = predictors.to(generator.device)
        self.critic_optimizer = adam(self.explore.critic.parameters(), config.learning_rate)
        self.predictor_optimizer = adam(self.predictors.parameters(), config.learning_rate)
        self.owns: Mapping[str, nn.Module] = {
            **self.exploit.modules(),
            **self.explore.modules("explorer"),
            "predictors": self.predictors,
        }
        self.reads: Mapping[str, nn.Module] = {}
        self.finished = False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of everything."""
        mixed, own = self.pairing.rows(batches["episodes"], self.exploit.encoder)  # type: ignore[arg-type]
        told = self.exploit.update(mixed)
        rows = own if self.config.exploration_pairing == "sequence" else mixed
        return {**told, **self.predict(mixed), **self.learn_to_explore(rows)}

    def predict(self, rows: Rows) -> Metrics:
        """One step of both predictors."""
        context, identity = (error.mean() for error in self.predictors.errors(rows))
        self.predictor_optimizer.zero_grad()
        (context + identity).backward()
        self.predictor_optimizer.step()
        return {"predictor/context": context.detach(), "predictor/identity": identity.detach()}

    def learn_to_explore(self, rows: Rows) -> Metrics:
        """One step of the explorer's critics, with r + lambda r_int and the beliefs before and after, and of itself."""
        explore, belief = self.explore, rows.belief.detach()
        intrinsic = self.predictors.intrinsic(rows, self.config.intrinsic)
        reward = rows.reward + self.config.intrinsic_weight * intrinsic
        given = torch.cat((rows.observation, belief), -1)
        target = explore.backed_up(reward, torch.cat((rows.next_observation, rows.after), -1), rows.action)
        values, error = explore.critic_gradients(given, rows.action, target)
        self.critic_optimizer.step()
        moved = explore.improve(given, rows.action)
        explore.follow()
        told = {"explore/critic": error, "explore/value": values.mean(), "explore/intrinsic": intrinsic.mean()}
        return {**told, **{f"explore/actor_{name}": value for name, value in moved.items()}}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Encoder and both policies; the predictors stay here."""
        return {name: self.owns[name].state_dict() for name in ("encoder", "exploiter", "explorer")}

    def state(self) -> Mapping[str, Tensor]:
        """Networks, optimisers and generator."""
        return part_state(self.owns, self._optimizers(), self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, self._optimizers(), self.generator)

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        own = {"critic_optimizer": self.critic_optimizer, "predictor_optimizer": self.predictor_optimizer}
        return {**own, "explorer_optimizer": self.explore.actor_optimizer, **self.exploit.optimizers()}

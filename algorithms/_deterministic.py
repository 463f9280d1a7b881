"""Values and gradients of deterministic policies written out, as `_gradients` and `_inference` do for Gaussian ones.

For the CPU; other devices take autograd and plain modules. Networks see normalised observations, which the actor knows.
"""

import torch
from torch import Tensor

from spreeze.algorithms._gradients import Own, add_up, own_gradients
from spreeze.algorithms._networks import DeterministicActor, TwinCritic
from spreeze.algorithms._passes import AnyPass, AnyWeights, block_rows, blocks, critic_layers, linear_layers, weights_of
from spreeze.algorithms._workers import share_out, workers


class SmoothedValues:
    """min_k Q_k(s, clip(pi(s) + noise, -1, 1)) of an actor and a critic; `dtype` is that of hidden layers."""

    def __init__(self, actor: DeterministicActor, critic: TwinCritic, dtype: torch.dtype = torch.float32) -> None:
        self.actor, self.critic, self.dtype = actor, critic, dtype
        self.weights, self.passes = list[AnyWeights](), list[list[AnyPass]]()

    @torch.no_grad()
    def __call__(self, observation: Tensor, noise: Tensor) -> Tensor:
        """Values (B,) for observations (B, O) and noise (B, A)."""
        seen = self.actor.normalised(observation)
        if observation.device.type != "cpu":
            action = (torch.tanh(self.actor.net(seen)) + noise).clamp_(-1, 1)
            least: Tensor = self.critic(seen, action).amin(0)
            return least
        self._prepare(workers(len(seen)))
        values = torch.empty(len(seen))

        def share(worker: int, rows: slice) -> None:
            policy, *critics = self.passes[worker]
            for block in blocks(rows):
                action = (torch.tanh(policy.forward(seen[block])) + noise[block]).clamp_(-1, 1)
                inputs = torch.cat((seen[block], action), -1)
                torch.amin(torch.cat([one.forward(inputs) for one in critics], -1), -1, out=values[block])

        share_out(share, len(seen))
        return values

    def _prepare(self, count: int) -> None:
        if not self.weights:
            layers = [linear_layers(self.actor.net), *critic_layers(self.critic)]
            self.weights = [weights_of(own, self.dtype, back=False) for own in layers]
        for weights in self.weights:
            weights.refresh()
        while len(self.passes) < count:
            self.passes.append([one.new_pass(one.buffers(block_rows())) for one in self.weights])


class PolicyGradients:
    """Leaves the gradient of -mean Q_1(s, pi(s)) in the actor's parameters (deterministic policy gradient)."""

    def __init__(self, actor: DeterministicActor, critic: TwinCritic, dtype: torch.dtype = torch.float32) -> None:
        self.actor, self.critic, self.dtype = actor, critic, dtype
        self.weights, self.passes, self.own = list[AnyWeights](), list[list[AnyPass]](), list[Own]()

    def __call__(self, observation: Tensor) -> Tensor:
        """The loss for observations (B, O)."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation)
        with torch.no_grad():
            return self._by_hand(observation)

    def _by_hand(self, observation: Tensor) -> Tensor:
        count, seen = workers(len(observation)), self.actor.normalised(observation)
        if len(self.passes) < count or next(self.actor.parameters()).grad is None:
            self._prepare(count)
        for weights in self.weights:
            weights.refresh()
        value, width = torch.empty(len(seen)), seen.shape[1]

        def share(worker: int, rows: slice) -> None:
            policy, critic = self.passes[worker]
            for block in blocks(rows):
                action = torch.tanh(policy.forward(seen[block]))
                value[block] = critic.forward(torch.cat((seen[block], action), -1))[:, 0]
                by_action = critic.input_slope(torch.arange(len(action)), begin=width)
                slope = by_action.mul_(1 - action.square()).mul_(-1 / len(seen))
                policy.backward(slope, add=block.start > rows.start)
            policy.finish()

        share_out(share, len(seen))
        add_up(self.own[:count])
        return -value.mean()

    def _prepare(self, count: int) -> None:
        layers = [linear_layers(self.actor.net), critic_layers(self.critic)[0]]
        self.weights = [weights_of(own, self.dtype) for own in layers]
        self.passes, self.own = [], [own_gradients(self.actor, index) for index in range(count)]
        for _, gradients in self.own:
            mine = [(weight.t(), bias) for weight, bias in zip(gradients[::2], gradients[1::2], strict=True)]
            given = zip(self.weights, (mine, ()), strict=True)
            self.passes.append([one.new_pass(one.buffers(block_rows()), place) for one, place in given])

    def _by_autograd(self, observation: Tensor) -> Tensor:
        seen = self.actor.normalised(observation)
        loss: Tensor = -self.critic(seen, torch.tanh(self.actor.net(seen)), frozen=True, members=1).mean()
        self.actor.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()

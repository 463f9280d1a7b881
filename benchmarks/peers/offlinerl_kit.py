"""Times OfflineRL-Kit's MOPO, MOBILE and RAMBO piece by piece, from a source checkout, on arrays of random numbers.

A request is a line `ALGORITHM WHAT COUNT` on standard input, its answer a line with seconds on standard output, so
that the caller can interleave these measurements with others. WHAT is `learn` (COUNT gradient steps, each with the
sampling of its batch), `rollouts` (COUNT starts, HORIZON imagined steps each, and their storage) or `model` (COUNT
adversarial updates of the dynamics, RAMBO only). Policies, networks and buffers are the checkout's own, settings those
of its run_example/ scripts. It imports gym for environments and annotations only: empty names stand in for it.
"""

import argparse
import importlib
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

HIDDEN, DYNAMICS_HIDDEN, MEMBERS, ELITES, SAMPLES = (256, 256), (200, 200, 200, 200), 7, 5, 10
DECAY = (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)
BATCH, HORIZON, CAPACITY = 256, 5, 50_000 * 5 * 5
LOGGED_SHARE = {"mopo": 0.05, "mobile": 0.05, "rambo": 0.5}
PENALTY = {"mopo": 2.5, "mobile": 0.0, "rambo": 0.0}
"""Weight of the penalty that the dynamics take from rewards: MOPO's alone."""


@dataclass(frozen=True)
class Shape:
    """Sizes of observations and actions, and rows of the dataset."""

    observations: int
    actions: int
    rows: int


def stand_in_for_gym() -> None:
    """Let the kit's import statements succeed without gym."""
    gym, spaces, envs, mujoco = (types.ModuleType(f"gym{x}") for x in ("", ".spaces", ".envs", ".envs.mujoco"))
    names: dict[str, Any] = {"Env": object, "spaces": spaces, "envs": envs}
    gym.__dict__.update(names)
    spaces.__dict__["Space"] = object
    mujoco.__dict__["mujoco_env"] = types.SimpleNamespace(MujocoEnv=object)
    sys.modules.update({m.__name__: m for m in (gym, spaces, envs, mujoco)})


def never(observation: NDArray[Any], action: NDArray[Any], following: NDArray[Any]) -> NDArray[np.bool_]:
    """No imagined episode ends: (B, 1) of False."""
    return np.zeros((len(observation), 1), bool)


class Kit:
    """One algorithm of the checkout with its two buffers."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.name, self.shape = name, shape
        self.nets = importlib.import_module("offlinerlkit.nets")
        self.modules = importlib.import_module("offlinerlkit.modules")
        self.policies = importlib.import_module("offlinerlkit.policy")
        self.real, self.fake = self.buffer(shape.rows), self.buffer(CAPACITY)
        self.real.load_dataset(random_dataset(shape))
        self.dynamics = self.make_dynamics()
        self.policy = self.make_policy()
        self.policy.train()
        self.rollouts(1000)

    def buffer(self, rows: int) -> Any:
        """An empty replay buffer."""
        kind = importlib.import_module("offlinerlkit.buffer").ReplayBuffer
        return kind(rows, (self.shape.observations,), np.float32, self.shape.actions, np.float32)

    def make_dynamics(self) -> Any:
        """The ensemble, not fitted: its cost does not depend on its weights."""
        sizes = self.shape.observations, self.shape.actions, DYNAMICS_HIDDEN, MEMBERS, ELITES
        model = self.modules.EnsembleDynamicsModel(*sizes, weight_decays=DECAY)
        scaler = importlib.import_module("offlinerlkit.utils.scaler").StandardScaler()
        everything = self.real.sample_all()
        scaler.fit(np.concatenate((everything["observations"], everything["actions"]), -1))
        kind = importlib.import_module("offlinerlkit.dynamics").EnsembleDynamics
        return kind(model, adam(model, 1e-3), scaler, never, penalty_coef=PENALTY[self.name])

    def make_policy(self) -> Any:
        """Actor, two critics, automatic temperature and their optimisers."""
        actor, critics = self.actor(), [self.critic(), self.critic()]
        log_alpha = torch.zeros(1, requires_grad=True)
        alpha = (-float(self.shape.actions), log_alpha, torch.optim.Adam([log_alpha], lr=1e-4))
        if self.name == "mobile":
            ensemble = torch.nn.ModuleList(critics)
            parts = (self.dynamics, actor, ensemble, adam(actor, 1e-4), adam(ensemble, 3e-4))
            return self.policies.MOBILEPolicy(*parts, alpha=alpha, penalty_coef=1.5, num_samples=SAMPLES)
        parts = (self.dynamics, actor, *critics, adam(actor, 1e-4), *(adam(c, 3e-4) for c in critics))
        if self.name == "mopo":
            return self.policies.MOPOPolicy(*parts, alpha=alpha)
        adversary = adam(self.dynamics.model, 3e-4)
        return self.policies.RAMBOPolicy(*parts, adversary, alpha=alpha, adv_weight=3e-4, adv_rollout_length=HORIZON)

    def actor(self) -> Any:
        """A tanh-Gaussian policy."""
        backbone = self.nets.MLP(input_dim=self.shape.observations, hidden_dims=HIDDEN)
        unbounded = {"unbounded": True, "conditioned_sigma": True}
        head = self.modules.TanhDiagGaussian(backbone.output_dim, self.shape.actions, **unbounded)
        return self.modules.ActorProb(backbone, head)

    def critic(self) -> Any:
        """One action value."""
        inputs = self.shape.observations + self.shape.actions
        return self.modules.Critic(self.nets.MLP(input_dim=inputs, hidden_dims=HIDDEN))

    def learn(self, count: int) -> None:
        """`count` gradient steps, as the kit's trainer makes them."""
        logged = int(BATCH * LOGGED_SHARE[self.name])
        for _ in range(count):
            batch = {"real": self.real.sample(logged), "fake": self.fake.sample(BATCH - logged)}
            self.policy.learn(batch)

    def rollouts(self, count: int) -> None:
        """Imagine from `count` logged states and store the rows, as the kit's trainer does."""
        starts = self.real.sample(count)["observations"].cpu().numpy()
        rows, _ = self.policy.rollout(starts, HORIZON)
        self.fake.add_batch(**rows)

    def model(self, count: int) -> None:
        """RAMBO's updates of the dynamics."""
        self.policy._adv_train_steps = count
        self.policy.update_dynamics(self.real)

    def check(self) -> None:
        """Raise FloatingPointError unless all weights are finite."""
        if not all(bool(torch.isfinite(t).all()) for m in (self.policy, self.dynamics.model) for t in m.parameters()):
            raise FloatingPointError(f"{self.name}: a weight is not finite")


def adam(module: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam over the parameters of `module`."""
    return torch.optim.Adam(module.parameters(), lr=rate)


def random_dataset(shape: Shape) -> dict[str, NDArray[np.float32]]:
    """Normal observations and rewards, uniform actions, small changes of state, no ends."""
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((shape.rows, shape.observations), np.float32)
    return {
        "observations": observations,
        "actions": rng.uniform(-1, 1, (shape.rows, shape.actions)).astype(np.float32),
        "next_observations": observations + 0.1 * rng.standard_normal(observations.shape, np.float32),
        "rewards": rng.standard_normal(shape.rows, np.float32),
        "terminals": np.zeros(shape.rows, np.float32),
    }


def serve(kits: dict[str, Kit]) -> None:
    """Answer requests until standard input ends."""
    for line in sys.stdin:
        name, what, count = line.split()
        work: dict[str, Callable[[int], None]] = {
            piece: getattr(kits[name], piece) for piece in ("learn", "rollouts", "model")
        }
        begin = time.perf_counter()
        work[what](int(count))
        seconds = time.perf_counter() - begin
        kits[name].check()
        print(seconds, flush=True)


def main() -> None:
    """Build the three algorithms, say `ready`, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kit", type=Path, required=True, help="source checkout of OfflineRL-Kit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--observations", type=int, default=11)
    parser.add_argument("--actions", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    np.random.seed(0)
    sys.path.insert(0, str(args.kit))
    stand_in_for_gym()
    shape = Shape(args.observations, args.actions, args.rows)
    kits = {name: Kit(name, shape) for name in LOGGED_SHARE}
    print("ready", flush=True)
    serve(kits)


if __name__ == "__main__":
    main()

"""Options of PPO."""

from dataclasses import dataclass
from typing import Literal

from spreeze.errors import UsageError


@dataclass(frozen=True)
class PPOConfig:
    """Options of PPO."""

    learning_rate: float = 3e-4
    """Step size of Adam (paper: 3e-4)."""
    anneal: float = 0.0
    """Environment steps over which the step size falls linearly to a twentieth of that; up to 1, a share of the
    stage's (none if only --seconds ends it); 0: it never does."""
    discount: float = 0.99
    """Discount factor gamma (paper: 0.99)."""
    gae_decay: float = 0.95
    """Decay lambda of advantages over steps (paper: 0.95)."""
    clip: float = 0.2
    """Epsilon, by how much the ratio of probabilities may leave 1 with a gradient (paper: 0.2)."""
    epochs: int = 10
    """Passes over the rows of an update (paper: 10)."""
    horizon: int = 128
    """L, steps of each environment that an update takes."""
    entropy_weight: float = 0.0
    """Weight of the entropy in the objective (paper: 0 for continuous actions)."""
    value_weight: float = 0.5
    """Weight of the squared error of values."""
    max_gradient_norm: float = 0.5
    """Gradients of larger norm are scaled down to it."""
    target_kl: float | None = None
    """An update ends after an epoch whose last minibatch diverges from what acted by 1.5 times this [nat]."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of policy and value (paper: 64, 64)."""
    activation: Literal["tanh", "relu"] = "tanh"
    """What follows a hidden layer (paper: tanh)."""
    memory: int = 0
    """Units of the recurrent network before both; 0: none."""
    initial_log_std: float = 0.0
    """Log standard deviation of actions at the first update, in units of half the action range."""
    normalise_observations: bool = True
    """Whether networks are given observations less their running mean, over their standard deviation."""
    max_lag: int = 1
    """Updates between the weights that collect a segment and the update that consumes it; 0: samplers wait."""
    until: int = 1_000_000
    """Environment steps of a run without --steps (paper: 1e6)."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        for name, least in (("epochs", 1), ("horizon", 2)):  # Of two rows in a row, one is a transition.
            if getattr(self, name) < least:
                raise UsageError(f"--{name} {getattr(self, name)}: at least {least} is needed")
        if not self.hidden or min(self.hidden) < 1:
            raise UsageError(f"--hidden {' '.join(map(str, self.hidden))}: give at least one width, each at least 1")
        for name in ("discount", "gae_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name):g}: between 0 and 1 is needed")
        for name in ("max_lag", "memory", "anneal"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name):g}: at least 0 is needed")
        for name in ("learning_rate", "clip", "max_gradient_norm", "target_kl"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name):g}: more than 0 is needed")

"""Options of walking by a heightmap."""

from dataclasses import dataclass
from typing import Literal

from spreeze.algorithms.ppo import PPOConfig
from spreeze.errors import UsageError

Kind = Literal["lstm", "lstm_no_state", "transformer", "memoryless"]


@dataclass(frozen=True)
class HeightmapConfig:
    """Options of walking by a heightmap. "Authors" means the code of the paper's authors."""

    blind_steps: int = 3_000_000
    """Environment steps of the stage `blind`."""
    modulator_steps: int = 3_000_000
    """Environment steps of the stage `modulator`."""
    dataset_steps: int = 300_000
    """Environment steps that the stage `dataset` keeps."""
    predictor_updates: int = 2_000
    """Updates of the stage `predictor`."""
    closed_steps: int = 200_000
    """Environment steps of the stage `closed`."""
    vision: bool = True
    """Whether the modulator sees the map; without, the run ends after the modulator."""
    learned_clock: bool = True
    """Whether the modulator has the actions of the clock; without, they stay 0."""
    collision_penalty: float = 5.0
    """What a decision with a foot collision costs the modulator (authors: 5); 0: nothing."""
    predictor: Kind = "lstm"
    """lstm; lstm_no_state: without the robot's motion; transformer: over a window; memoryless: of the present only."""
    refine: bool = True
    """Whether a U-Net refines the predictor's map."""
    motors: int | Literal["auto"] = "auto"
    """The first actions, which are the motors'; all others are the clock's. auto: all actions, less the clock's three
    if their number is odd, because both legs have the same motors."""
    environments: int = 128
    """N, environments of one sampler, instead of --envs-per-sampler: PPO's updates are made of them."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the layers after the memory of policies, and of the critic's."""
    memory: int = 64
    """Units of the recurrent network of each policy (authors: 64, 64)."""
    features: int = 64
    """Width of what the modulator makes of state and map before its memory (authors: 64, 128)."""
    learning_rate: float = 5e-4
    """Step size of Adam for policies and critic (authors: 3e-4)."""
    anneal: float = 1.0
    """Share of a walking stage over which that falls linearly to a twentieth, or so many environment steps; 0: it never
    does (authors: it stays)."""
    discount: float = 0.98
    """Discount factor gamma (authors: 0.96)."""
    gae_decay: float = 0.95
    """Decay lambda of advantages (authors: 1)."""
    clip: float = 0.2
    """How far the ratio of probabilities may leave 1 with a gradient (authors: 0.2)."""
    epochs: int = 4
    """Passes over the rows of an update (authors: 2)."""
    horizon: int = 32
    """L, steps of each environment that an update of a policy takes (authors: episodes, of up to 400)."""
    mirror_weight: float = 1.0
    """Weight of the mirror loss (authors: 1)."""
    mirror_share: float = 0.25
    """Share of a minibatch's streams that the mirror loss is taken of."""
    blind_log_std: float = -1.2
    """Log standard deviation of the blind policy's actions at first; it is learned."""
    modulator_std: float = 0.13
    """Standard deviation of the modulator's actions, which stays (authors: 0.13)."""
    predictor_units: int = 128
    """Units of the predictor's memory."""
    predictor_rate: float = 1e-3
    """Step size of Adam for the predictor."""
    window: int = 30
    """Decisions that the transformer sees: 30 are 0.6 s (paper: 0.6 s)."""
    segment: int = 128
    """Steps of the histories that the predictor learns from."""
    segments: int = 16
    """Histories of one update of the predictor."""
    burn_in: int = 25
    """First steps of a history that teach nothing, unless its episode begins there."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        counts = ("blind_steps", "modulator_steps", "dataset_steps", "predictor_updates", "closed_steps")
        sizes = ("environments", "memory", "features", "predictor_units", "segment", "segments")
        for name in (*counts, *sizes, *(() if self.motors == "auto" else ("motors",))):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1 is needed")
        if self.window < 2:
            raise UsageError(f"--window {self.window}: at least 2 are needed")
        if not 0 <= self.burn_in < self.segment:
            raise UsageError(f"--burn-in {self.burn_in}: from 0 to less than --segment {self.segment}")
        for name in ("collision_penalty", "mirror_weight", "mirror_share"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name):g}: at least 0 is needed")
        if not self.modulator_std > 0:
            raise UsageError(f"--modulator-std {self.modulator_std:g}: more than 0 is needed")
        self._check_histories()
        self.ppo().check()

    def _check_histories(self) -> None:
        least, names = self.segment * self.environments, ("dataset_steps", "closed_steps") if self.vision else ()
        for name in names:
            if getattr(self, name) < least:
                given = f"--{name.replace('_', '-')} {getattr(self, name)}"
                whole = f"a whole history of every environment, --segment {self.segment}, --environments"
                raise UsageError(f"{given}: at least {least} are needed, {whole} {self.environments}")

    def ppo(self) -> PPOConfig:
        """As PPO's update takes them."""
        return PPOConfig(
            learning_rate=self.learning_rate,
            anneal=self.anneal,
            discount=self.discount,
            gae_decay=self.gae_decay,
            clip=self.clip,
            epochs=self.epochs,
            horizon=self.horizon,
            hidden=self.hidden,
            activation="relu",
            memory=self.memory,
            normalise_observations=False,
        )

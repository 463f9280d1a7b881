"""Options of the model-based algorithms, and the published settings per dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from spreeze.algorithms._passes import Precision
from spreeze.contract import Dataset
from spreeze.errors import UsageError

Preset = Literal["preset"]
"""The published setting for the environment and kind of the dataset."""
COUNTS = (
    *("samples", "members", "elites", "rollout_batch", "updates", "retained_updates", "horizon", "imagined_per_update"),
    *("dynamics_batch", "dynamics_patience", "dynamics_epochs"),
)
"""Options that must be at least 1, once presets are replaced."""


@dataclass(frozen=True)
class ModelBasedConfig:
    """Options that MICRO, MOPO, MOBILE share."""

    beta: float | Preset = "preset"
    """Weight of the penalty."""
    horizon: int | Preset = "preset"
    """Steps of an imagined rollout, h."""
    logged_share: float | Preset = "preset"
    """Share of logged rows in a batch."""
    automatic_temperature: bool | Preset = "preset"
    """Learn the temperature alpha; otherwise it stays at `initial_temperature`."""
    initial_temperature: float | Preset = "preset"
    """Temperature alpha at the first update (published: 1 if it is learned, 0.1 if not)."""
    deterministic_backup: bool | Preset = "preset"
    """Leave the entropy out of the Bellman target."""
    target_floor: float | Literal["none", "preset"] = "preset"
    """Least Bellman target (published: 0; preset for datasets without published settings: none)."""
    samples: int = 10
    """Next states drawn from each elite for the penalty, N."""
    sample_reduction: Literal["mean", "min"] = "mean"
    """How the values of these samples become one per elite (authors' code: mean)."""
    mask_ends: bool = False
    """Count the value of imagined next states that end an episode as 0 in the penalty (ours; published: no)."""
    common_noise: bool = False
    """Give all elites the same noise, so that equal elites have no penalty (ours; published: no)."""
    imagined_per_update: int | Preset = "preset"
    """New imagined rows per update, roughly (published: 50 h, as 50,000 rollouts every 1,000 updates)."""
    retained_updates: int = 5000
    """Updates for which imagined rows are kept (published: 5 x 1,000)."""
    rollout_batch: int = 1000
    """Rollouts that a sampler imagines side by side."""
    actor_learning_rate: float = 1e-3
    """Step size of the policy's Adam, lowered to 0 over the run by half a cosine (published: 1e-4)."""
    critic_learning_rate: float = 1e-3
    """Step size of the critics' Adam (published: 3e-4)."""
    temperature_learning_rate: float = 1e-4
    """Step size of the temperature's Adam."""
    discount: float = 0.99
    """Discount factor gamma."""
    polyak_rate: float = 0.01
    """Share of the critics that enters their targets at every update, tau (published: 0.005)."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of actor and critics."""
    precision: Precision = "auto"
    """Of products between these; auto: bfloat16 on processors that multiply it faster than float32."""
    updates: int = 3_000_000
    """Updates of the policy stage."""
    members: int = 7
    """Networks of the ensemble."""
    elites: int = 5
    """Networks that are used once it is fitted."""
    dynamics_hidden: tuple[int, ...] = (200, 200, 200, 200)
    """Widths of the hidden layers of each network."""
    dynamics_batch: int = 256
    """Rows of one step of each network."""
    dynamics_learning_rate: float = 1e-3
    """Step size of the ensemble's Adam."""
    dynamics_patience: int | Preset = "preset"
    """Epochs without an improvement of 1 % in any network after which fitting ends."""
    dynamics_epochs: int | Preset = "preset"
    """Epochs after which fitting ends in any case (ours: 60; published: no limit for most datasets)."""
    cache: bool = True
    """Keep the fitted ensemble for the next run with the same data, options and seed."""

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Published settings by `environment-kind`, as far as they differ from `DEFAULTS`."""
        return {}

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        if self.elites > self.members:
            raise UsageError(f"--elites {self.elites} of --members {self.members}: there are not so many")
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1 is needed")
        if float(self.initial_temperature) <= 0:
            raise UsageError(f"--initial-temperature {self.initial_temperature} is not positive")

    def for_dataset(self, dataset: Dataset) -> Self:
        """This configuration with every `preset` replaced by the setting for `dataset`, and checked."""
        published = self.presets().get(setting_of(dataset))
        floor = "none" if published is None else 0.0
        settings: dict[str, Any] = {**DEFAULTS, "target_floor": floor, **(published or {})}
        settings.setdefault("initial_temperature", 1.0 if self._or(settings, "automatic_temperature") else 0.1)
        settings["imagined_per_update"] = 50 * self._or(settings, "horizon")
        asked = {f.name: settings[f.name] for f in fields(self) if getattr(self, f.name) == "preset"}
        chosen = replace(self, **asked)
        chosen.check()
        if not 0 <= float(chosen.logged_share) < 1:
            raise UsageError(f"--logged-share {chosen.logged_share} is outside [0, 1)")
        return chosen

    def _or(self, settings: Mapping[str, Any], name: str) -> Any:
        given = getattr(self, name)
        return settings[name] if given == "preset" else given


DEFAULTS: Mapping[str, Any] = {
    "beta": 0.5,
    "horizon": 5,
    "logged_share": 0.05,
    "automatic_temperature": True,
    "deterministic_backup": False,
    "dynamics_patience": 5,
    "dynamics_epochs": 60,
}
"""Settings where none are published for a dataset."""


def setting_of(dataset: Dataset) -> str:
    """`hopper-medium-replay` of a dataset recorded in any version of Hopper."""
    return f"{dataset.environment.partition('-v')[0].lower()}-{dataset.kind}"


@dataclass(frozen=True)
class MicroConfig(ModelBasedConfig):
    """Options of MICRO."""

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """The authors' settings for nine datasets of D4RL."""
        fixed = {"automatic_temperature": False}
        return {
            "halfcheetah-medium": {},
            "hopper-medium": {"beta": 1.0, "dynamics_patience": 10} | fixed,
            "walker2d-medium": {"dynamics_patience": 30, "dynamics_epochs": 30},
            "halfcheetah-medium-replay": {},
            "hopper-medium-replay": {"beta": 0.1, "logged_share": 0.5} | fixed,
            "walker2d-medium-replay": {"horizon": 1, "beta": 0.2, "logged_share": 0.5},
            "halfcheetah-medium-expert": {"logged_share": 0.5, "deterministic_backup": True, "dynamics_patience": 30},
            "hopper-medium-expert": {
                **{"horizon": 10, "beta": 1.0, "deterministic_backup": True, "dynamics_patience": 30},
            },
            "walker2d-medium-expert": {"horizon": 1, "beta": 1.0},
        }

    def check(self) -> None:
        """Raise UsageError if an option makes no sense; beta is bounded by theory."""
        super().check()
        if isinstance(self.beta, float | int) and not 0 <= self.beta <= 1:
            raise UsageError(
                f"--beta {self.beta:g} is outside [0, 1]: MICRO's operator mixes with weights 1 - beta and beta, "
                "and is no contraction beyond 1, where values diverge"
            )

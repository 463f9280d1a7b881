"""The tuner: what is known already, or a search where nothing is."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec
from spreeze.sizing import sizes
from spreeze.stages import build_stages
from spreeze.tuning.memory import Found, known, remember
from spreeze.tuning.nursery import Nursery
from spreeze.tuning.report import in_words
from spreeze.tuning.search import Search, Trial
from spreeze.tuning.space import first_choice, obstacle, space_of, too_short
from spreeze.tuning.trial import Rates, TrialError, Trials


class Tuner:
    """Chooses sizes of one stage; says what it does, and calls `check` all the while, which may raise."""

    def __init__(
        self,
        settings: Settings,
        spec: EnvironmentSpec,
        index: int,
        say: Callable[[str], None],
        inherited: Path | None = None,
        log: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings, self.stage = settings, build_stages(settings, spec)[index]
        self._spec, self._index, self._say, self._check = spec, index, say, check
        self._inherited, self._log = inherited, log

    def options(self) -> Mapping[str, Any]:
        """The options chosen: kept ones, or measured now; {} where the tuner has nothing to say."""
        mode, limit_s = self.settings.run.tune, self.settings.run.tune_seconds
        if mode == "off" or obstacle(self.settings, self.stage) or self._too_short():
            return {}
        found = known(self.settings, self._index) if mode == "auto" else None
        if found is None:
            self._say(f"tuning stage '{self.stage.name}', at most {limit_s:g} s, once (--tune off leaves it out)")
            try:
                found, _ = self.search()
            except (TrialError, ChildProcessError) as error:
                self._say(f"not tuned: {error}")
                return {}
        chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.options.items())
        self._say(f"tuned: {chosen} ({found.best / found.first - 1:+.0%} progress over the rules of thumb)")
        return found.options

    def search(self) -> tuple[Found, Search]:
        """Try settings for at most `--tune-seconds` and keep the best one; only the first where a stage is short.

        Raises:
            TrialError: not even the rules of thumb can be run.
            ChildProcessError: the process that forks roles has died.
        """
        settings, algorithm = self.settings, registry.algorithm(self.settings.algo)
        space, chosen = space_of(settings, self.stage), sizes(settings, algorithm, self.stage)
        with self._nursery() as nursery:
            trials = Trials(settings, self._spec, self._index, self._inherited, nursery, check=self._check)
            climb = Search(
                space,
                lambda choice: trials.measure(choice.options(space.free)),
                algorithm.critical_batch,
                self._tell,
                settings.run.tune_seconds,
            )
            best = climb.run(first_choice(settings, chosen), self._too_short)
        found = Found(best.choice.options(space.free), climb.trials[0].progress, best.progress, len(climb.trials))
        if len(climb.trials) > 1:
            remember(settings, self._index, found)
        return found, climb

    def _too_short(self, rates: Rates | None = None) -> bool:
        return self.settings.run.tune == "auto" and too_short(self.settings, self.stage, rates)

    def _tell(self, trial: Trial) -> None:
        self._say(f"  {in_words(trial)}")

    def _nursery(self) -> Nursery:
        modules = preloaded(self.settings)
        if self._log is not None:
            return Nursery(modules, self._log)
        with open(os.devnull, "wb") as nothing:
            return Nursery(modules, nothing.fileno())


def preloaded(settings: Settings) -> list[str]:
    """The modules of the plug-ins, imported before roles are forked."""
    plug_ins = registry.algorithm(settings.algo).stages, registry.environment(settings.env).make_vector
    return [str(function.__module__) for function in plug_ins]

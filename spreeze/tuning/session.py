"""The tuner: what is known already, or a search where nothing is."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec
from spreeze.forkserver import ForkServer
from spreeze.inherited import inherited_bundles
from spreeze.signals import Interrupted
from spreeze.sizing import sizes
from spreeze.stages import build_stages
from spreeze.tuning.memory import Found, alone, known, obeyable, remember
from spreeze.tuning.report import in_words
from spreeze.tuning.search import Search, Trial
from spreeze.tuning.space import first_choice, obstacle, space_of, too_short
from spreeze.tuning.trial import Rates, TrialError, Trials

OF_THE_MACHINE = ("learner_cores", "updates_per_call")
"""Options that a resumed run may choose anew."""


class Tuner:
    """Chooses sizes of one stage; says what it does; what the fork server checks is checked all the while."""

    def __init__(
        self,
        settings: Settings,
        spec: EnvironmentSpec,
        index: int,
        say: Callable[[str], None],
        inherited: Path | None = None,
        log: int | None = None,
        forkserver: ForkServer | None = None,
        left_s: float = math.inf,
    ) -> None:
        self.settings, self.stage = settings, build_stages(settings, spec)[index]
        self._spec, self._index, self._say, self._forkserver = spec, index, say, forkserver
        self._inherited, self._log, self._left_s = inherited, log, left_s
        self.reached: Rates | None = None
        """What the trial of the options given reached; None: there was none."""

    def options(self) -> Mapping[str, Any]:
        """The options chosen: kept ones, or measured now; {} where the tuner has nothing to say."""
        if self.settings.run.tune == "off" or obstacle(self.settings, self.stage):
            return {}
        found = self._known()
        if found is None and not self._too_short():
            with alone(self.settings, self._index, self._check):
                found = self._known() or self._found()
        if found is None or not found.options:
            return {}
        self.reached = found.reached
        chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.options.items())
        self._say(f"tuned: {chosen} ({found.gain - 1:+.0%} progress over the rules of thumb)")
        return found.options

    def options_of_resumed(self, kept: Mapping[str, Any], devices: str) -> Mapping[str, Any]:
        """The options of a stage that goes on with the sizes `kept` and with `devices`, and those of the machine."""
        options = {"batch_size": int(kept["batch_size"]), "devices": devices}
        if not obeyable(self.settings, self.stage, options):
            options.pop("devices")
        found = known(self.settings, self.stage, self._index) if self.settings.run.tune != "off" else None
        return options | {name: found.options[name] for name in OF_THE_MACHINE if found and name in found.options}

    def search(self) -> tuple[Found, Search]:
        """Try settings for at most `--tune-seconds` and keep the best one; only the first where a stage is short.

        Raises:
            TrialError: not even the rules of thumb can be run.
        """
        begun, settings, algorithm = time.monotonic(), self.settings, registry.algorithm(self.settings.algo)
        inherited = inherited_bundles(str(self._inherited or ""))
        space, chosen = space_of(settings, self.stage, inherited), sizes(settings, algorithm, self.stage)
        with nullcontext(self._forkserver) if self._forkserver is not None else ForkServer() as forkserver:
            trials = Trials(settings, self._spec, self._index, self._inherited, forkserver, log=self._log)
            climb = Search(
                space,
                lambda choice: trials.measure(choice.options(space.free)),
                algorithm.critical_batch,
                self._tell,
                settings.run.tune_seconds - (time.monotonic() - begun),
            )
            best = climb.run(first_choice(settings, chosen), self._too_short)
        first = climb.trials[0]
        assert first.rates is not None, "otherwise the search raises"
        options = {} if self._too_short(first.rates) else best.choice.options(space.free)
        own = (best.rates.env_steps, best.rates.updates) if best.rates is not None and options else ()
        found = Found(options, best.progress / first.progress, first.rates.env_steps, first.rates.updates, *own)
        remember(settings, self._index, found)
        return found, climb

    def _known(self) -> Found | None:
        """What is known of this request, unless it was too short then and is no longer."""
        if self.settings.run.tune == "again":
            return None
        found = known(self.settings, self.stage, self._index)
        return found if found and (found.options or self._too_short(found.rates)) else None

    def _found(self) -> Found | None:
        limit_s = self.settings.run.tune_seconds
        self._say(f"tuning stage '{self.stage.name}', about {limit_s:g} s, once (--tune off leaves it out)")
        try:
            found, _ = self.search()
        except Interrupted:
            raise
        except Exception as error:  # whatever is wrong, the run may do without
            self._say(f"not tuned: {type(error).__name__ * (not isinstance(error, TrialError))} {error}".rstrip())
            return None
        if not found.options:
            self._say("not tuned: the stage is too short for that")
        return found

    def _too_short(self, rates: Rates | None = None) -> bool:
        return self.settings.run.tune == "auto" and too_short(self.settings, self.stage, self._left_s, rates)

    def _check(self) -> None:
        if self._forkserver is not None:
            self._forkserver.check()

    def _tell(self, trial: Trial) -> None:
        self._say(f"  {in_words(trial)}")

"""The rule by hand, and the search on machines made of unit times, against every setting there is."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from spreeze.contract import Range
from spreeze.tuning.search import Choice, Search, Space, Trial, neighbours, progress
from spreeze.tuning.trial import Rates, TrialError

ALL = frozenset({"samplers", "envs_per_sampler", "learner_cores", "batch_size"})
FIRST = Choice(1, 16, 1, 256, 1, "auto")
RATIO = 16.0


def test_progress_weighs_updates_by_their_batch() -> None:
    assert progress(100.0, 256, 256.0) == 50.0
    assert progress(100.0, 768, 256.0) == 75.0
    assert progress(10.0, 7936, 256.0) == pytest.approx(9.6875)
    assert progress(100.0, 999, None) == 100.0


def test_without_a_critical_batch_two_batches_are_worth_their_updates() -> None:
    assert progress(50.0, 32, None) > progress(49.0, 4096, None)


@dataclasses.dataclass(frozen=True)
class Machine:
    """Unit times in seconds of one core; samplers and learner beside each other, or in turn where cores are short."""

    cores: int = 2
    policy: float = 100e-6
    step: float = 30e-6
    update: float = 1e-3
    row: float = 1e-5
    serial_share: float = 0.2
    noise: float = 0.0
    random: np.random.Generator = dataclasses.field(default_factory=lambda: np.random.default_rng(0))

    def rates(self, choice: Choice) -> Rates:
        """Rates at a held ratio: whoever is faster waits."""
        own = min(choice.samplers, self.cores)
        steps = own * choice.envs_per_sampler / (self.policy + self.step * choice.envs_per_sampler)
        alone = self.update + self.row * choice.batch_size
        updates = 1 / (alone * (self.serial_share + (1 - self.serial_share) / choice.learner_cores))
        crowd = max((own + choice.learner_cores) / self.cores, 1.0)
        learner, samplers = updates / crowd, steps * RATIO / choice.batch_size / crowd
        made = min(learner, samplers) * float(np.exp(self.noise * self.random.standard_normal()))
        return Rates(made * choice.batch_size / RATIO, made, 1 - made / learner, 1 - made / samplers)


class Clock:
    """Seconds that pass when a trial is made."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def searched(
    machine: Machine,
    free: frozenset[str] = ALL,
    critical: float | None = 256.0,
    seconds: float = 1000.0,
    measure: Callable[[Choice], Rates] | None = None,
) -> tuple[Trial, Search]:
    clock, space = Clock(), Space(free, machine.cores, Range(256, 16, 65536), max_samplers=4 * machine.cores)

    def trial(choice: Choice) -> Rates:
        clock.now += 1.5
        return (measure or machine.rates)(choice)

    search = Search(space, trial, critical, lambda trial: None, seconds, clock)
    return search.run(FIRST), search


def every(machine: Machine) -> Iterator[Choice]:
    """The grid."""
    sizes = ([2**k for k in range(11)], [2**k for k in range(4, 17)])
    for envs, batch in itertools.product(*sizes):
        for samplers, learner in itertools.product(range(1, machine.cores + 1), repeat=2):
            yield Choice(samplers, envs, learner, batch, 1, "auto")


MACHINES = {
    "two cores": Machine(),
    "one core": Machine(cores=1),
    "slow environment": Machine(step=5e-3),
    "wide networks": Machine(update=5e-3, row=16e-5),
    "updates cost their launch": Machine(update=2e-2, row=1e-7),
    "sixteen cores": Machine(cores=16, serial_share=0.5),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_search_comes_within_a_tenth_of_the_best_of_all_settings(name: str) -> None:
    machine = MACHINES[name]
    best, search = searched(machine)
    values = [progress(machine.rates(choice).updates, choice.batch_size, 256.0) for choice in every(machine)]
    assert best.progress >= 0.9 * max(values), (best, len(search.trials))
    assert len(search.trials) <= 40


@pytest.mark.parametrize("seed", range(5))
def test_trials_that_scatter_do_not_lead_it_below_the_first_setting(seed: int) -> None:
    exact = Machine()
    best, _ = searched(dataclasses.replace(exact, noise=0.05, random=np.random.default_rng(seed)))
    reached = progress(exact.rates(best.choice).updates, best.choice.batch_size, 256.0)
    begun = progress(exact.rates(FIRST).updates, FIRST.batch_size, 256.0)
    assert reached >= 0.95 * begun


def test_what_is_given_stays() -> None:
    best, search = searched(Machine(), free=frozenset({"learner_cores"}))
    assert {dataclasses.replace(trial.choice, learner_cores=1) for trial in search.trials} == {FIRST}
    assert best.choice.batch_size == 256


def test_it_ends_in_time() -> None:
    clock_limit = 9.0
    _, search = searched(Machine(), seconds=clock_limit)
    assert len(search.trials) * 1.5 <= clock_limit


def test_a_setting_that_cannot_run_is_passed_over_and_told() -> None:
    def fragile(choice: Choice) -> Rates:
        if choice.batch_size > 256:
            raise TrialError("no memory")
        return Machine(update=2e-2, row=1e-7).rates(choice)

    best, search = searched(Machine(), measure=fragile)
    assert best.choice.batch_size == 256
    assert {trial.problem for trial in search.trials if trial.choice.batch_size == 512} == {"no memory"}


def test_a_first_setting_that_cannot_run_is_an_error() -> None:
    def never(choice: Choice) -> Rates:
        raise TrialError("no such environment")

    with pytest.raises(TrialError, match="no such environment"):
        searched(Machine(), measure=never)


def test_steps_that_help_whoever_limits_come_first() -> None:
    space = Space(ALL, 2, Range(256, 16, 65536))
    assert next(neighbours(FIRST, "learner", space))[1].batch_size == 512
    assert next(neighbours(FIRST, "samplers", space))[1].envs_per_sampler == 32


def test_what_helped_is_tried_again_at_once_and_farther() -> None:
    """Where an update costs its launch alone, the batch grows: from 256 to 512, then to 2048, then to 16384."""
    _, search = searched(Machine(cores=1, update=0.1, row=1e-9), free=frozenset({"batch_size"}))
    assert [trial.choice.batch_size for trial in search.trials][:4] == [256, 512, 2048, 16384]


def test_a_learner_that_waits_most_of_the_time_gets_as_much_smaller_batches_at_once() -> None:
    space = Space(ALL, 2, Range(256, 16, 65536))
    first = [next(neighbours(FIRST, "samplers", space, idle=idle)) for idle in (0.4, 0.6, 0.9, 1.0)]
    assert [(kind, choice.batch_size) for kind, choice in first] == [
        ("more environments", 256),
        ("smaller batch", 128),
        ("smaller batch", 32),
        ("smaller batch", 16),
    ]


def test_a_step_that_failed_waits_for_the_others() -> None:
    def by_samplers(choice: Choice) -> Rates:
        return Rates(100.0, 10.0 * min(choice.samplers, 3), learner_waits=0.3, sampler_waits=0.0)

    _, search = searched(Machine(cores=4), free=frozenset({"samplers", "envs_per_sampler"}), measure=by_samplers)
    tried = [(trial.choice.samplers, trial.choice.envs_per_sampler) for trial in search.trials]
    assert tried[:5] == [(1, 16), (1, 32), (2, 16), (3, 16), (4, 16)]
    assert tried.index((6, 16)) < tried.index((3, 32))


def test_the_winner_was_measured_twice() -> None:
    best, search = searched(Machine())
    assert [trial.choice for trial in search.trials].count(best.choice) == 2


def test_an_option_given_beyond_the_limits_does_not_stop_the_search() -> None:
    space = Space(frozenset({"batch_size"}), 2, Range(256, 16, 65536), max_samplers=8)
    beyond = dataclasses.replace(FIRST, samplers=16, updates_per_call=8)
    assert {one.batch_size for _, one in neighbours(beyond, "learner", space)} == {512, 128}


def test_parts_apart_get_cores_of_their_own() -> None:
    space = Space(ALL | {"devices"}, 4, Range(256, 16, 65536), split="critic=cpu,actor=cpu")
    steps = neighbours(dataclasses.replace(FIRST, samplers=3), "learner", space)
    apart = [one for _, one in steps if "=" in one.devices]
    assert apart == [Choice(2, 16, 2, 256, 1, "critic=cpu,actor=cpu")]

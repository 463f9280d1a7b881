"""The supervisor: real processes that fail in every way, restarted, counted and ended."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from spreeze import supervisor
from spreeze.errors import EnvironmentFault, ForkError, LearnerFault, SpreezeError
from spreeze.forkserver import death
from spreeze.supervisor import MAX_ERRORS, MAX_FAILURES, PROGRESS, Process
from spreeze.transport.counters import BEAT, ENV_STEPS, TAKEN
from tests.spreeze.supervised import ROLES, Family


@pytest.fixture
def family() -> Iterator[Family]:
    made = Family()
    made.supervisor.start_all()
    yield made
    made.supervisor.kill_all()


def test_every_role_is_started_once(family: Family) -> None:
    assert sorted(family.started) == sorted((role, 1) for role in ROLES)
    assert [role for role, _ in family.started[-2:]] == ["learner-critic", "learner-actor"], "learners last"
    assert [child.role for child in family.supervisor.alive()] == list(ROLES)
    assert [child.role for child in family.supervisor.alive("learner")] == ["learner-critic", "learner-actor"]


def test_a_killed_role_is_restarted_at_once_as_its_next_incarnation(family: Family) -> None:
    family.process("sampler-0").kill()
    family.check_until(lambda: ("sampler-0", 2) in family.started)
    assert family.supervisor.restarts["sampler-0"] == 1
    assert family.announced == ["sampler-0"]
    assert family.said == ["sampler-0 was killed by SIGKILL, perhaps for want of memory; restarting"]


def test_a_restarted_role_has_to_give_signs_of_life_anew(family: Family) -> None:
    family.counters.row("sampler-0")[BEAT] = 5
    family.process("sampler-0").kill()
    family.check_until(lambda: ("sampler-0", 2) in family.started)
    assert family.counters.row("sampler-0")[BEAT] == 0


def test_the_pause_before_a_restart_doubles(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []
    for _ in range(MAX_FAILURES - 1):
        family.process("evaluator").kill()
        family.process("evaluator").wait()
        before = time.monotonic()
        family.supervisor.check()
        child = family.supervisor.children["evaluator"]
        pauses.append(round(child.restart_at_s - before, 1))
        child.restart_at_s = 0.0
        family.supervisor.check()
    assert pauses == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("role", "kind"),
    [("sampler-0", EnvironmentFault), ("learner-actor", LearnerFault), ("evaluator", EnvironmentFault)],
)
def test_deaths_in_a_row_end_the_run(role: str, kind: type[SpreezeError], family: Family) -> None:
    family.supervisor.children[role].failures = MAX_FAILURES - 1
    family.process(role).kill()
    with pytest.raises(kind) as caught:
        family.check_until(lambda: False)
    assert type(caught.value) is kind
    assert f"{role} failed {MAX_FAILURES} times in a row; the first time:\nthe process was killed" in str(caught.value)


def test_a_run_goes_on_without_a_visualizer_that_keeps_failing(family: Family) -> None:
    family.supervisor.children["visualizer"].failures = MAX_FAILURES - 1
    family.process("visualizer").kill()
    family.process("visualizer").wait()
    for _ in range(2):
        family.supervisor.check()
    assert family.started.count(("visualizer", 2)) == 0
    assert "visualizer failed 5 times in a row" in family.said[-1]
    assert family.said[-1].endswith("the run goes on without it")
    assert len(family.supervisor.alive()) == len(ROLES) - 1


def test_fewer_exceptions_in_a_row_end_it_with_the_first_traceback(family: Family) -> None:
    for index in range(MAX_ERRORS - 1):
        family.fail("sampler-0", f"RuntimeError: number {index}")
    with pytest.raises(EnvironmentFault, match=f"failed {MAX_ERRORS} times in a row; the first time:\nRuntimeError: n"):
        family.fail("sampler-0", "RuntimeError: the last")


def test_a_sampler_that_gets_on_between_its_exceptions_goes_on(family: Family) -> None:
    for index in range(3 * MAX_ERRORS):
        family.counters.row("sampler-0")[ENV_STEPS] += PROGRESS
        family.fail("sampler-0", f"RuntimeError: number {index}")
    assert family.incarnation("sampler-0") == 3 * MAX_ERRORS + 1


def test_a_learner_that_fails_at_the_same_update_again_and_again_ends_the_run_however_long_it_lived(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HEALTHY_S", 0.0)
    family.counters.row("learner-actor")[TAKEN] = 5000
    with pytest.raises(LearnerFault, match="NaN"):
        for _ in range(MAX_ERRORS + 1):
            family.supervisor.heard_hello("learner-actor", family.incarnation("learner-actor"))
            family.fail("learner-actor", "LearnerFault: NaN")


def test_a_role_for_which_there_is_no_process_is_tried_again() -> None:
    made = Family()
    make, refusals = made.start, [2]

    def start(role: str, incarnation: int) -> Process:
        if role == "evaluator" and refusals[0]:
            refusals[0] -= 1
            raise ForkError("no process")
        return make(role, incarnation)

    made.supervisor._start = start
    made.supervisor.start_all()
    assert made.said == ["evaluator cannot be started: no process; restarting"]
    made.check_until(lambda: ("evaluator", 3) in made.started)
    assert made.said[1:] == ["evaluator cannot be started: no process; restarting in 0.5 s"]
    refusals[0] = MAX_FAILURES
    made.process("evaluator").kill()
    with pytest.raises(EnvironmentFault, match=r"the first time:\nthe process cannot be started: no process$"):
        for _ in range(MAX_FAILURES):
            made.supervisor.children["evaluator"].restart_at_s = 0.0
            made.check_until(lambda: made.supervisor.children["evaluator"].process is None)
            made.supervisor.check()
    made.supervisor.kill_all()


def test_a_role_that_lived_long_has_its_deaths_forgotten(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "HEALTHY_S", 0.0)
    for _ in range(2 * MAX_FAILURES):
        family.supervisor.heard_hello("evaluator", family.incarnation("evaluator"))
        before = family.incarnation("evaluator")
        family.process("evaluator").kill()
        family.check_until(lambda before=before: family.incarnation("evaluator") > before)  # type: ignore[misc]
    assert family.supervisor.restarts["evaluator"] == 2 * MAX_FAILURES


def test_the_same_traceback_is_shown_once(family: Family) -> None:
    for traceback in ("RuntimeError: a", "RuntimeError: a", "RuntimeError: b"):
        family.supervisor.heard_error("sampler-0", traceback)
    assert family.said == ["sampler-0 failed:\nRuntimeError: a", "sampler-0 failed:\nRuntimeError: b"]


def test_a_visualizer_that_ends_of_its_own_accord_is_not_wanted_back() -> None:
    family = Family({"visualizer": "exit 0"})
    family.supervisor.start_all()
    family.check_until(lambda: family.supervisor.children["visualizer"].over)
    for _ in range(20):
        family.supervisor.check()
    assert ("visualizer", 2) not in family.started
    family.supervisor.kill_all()


def test_every_other_role_that_ends_of_its_own_accord_is_started_again() -> None:
    family = Family({"sampler-0": "exit 0"})
    family.supervisor.start_all()
    family.check_until(lambda: ("sampler-0", 2) in family.started)
    assert "sampler-0 ended with exit code 0; restarting" in family.said[0]
    family.supervisor.kill_all()


def test_the_parts_of_a_split_learner_fall_together(family: Family) -> None:
    actor = family.process("learner-actor")
    family.process("learner-critic").kill()
    family.check_until(lambda: {("learner-critic", 2), ("learner-actor", 2)} <= set(family.started))
    assert actor.returncode == -signal.SIGKILL
    assert family.supervisor.restarts == {"learner-critic": 1} | dict.fromkeys(set(ROLES) - {"learner-critic"}, 0)


def test_a_role_that_never_says_hello_is_killed_and_restarted(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_LIMIT_S", 0.0)
    for role in ROLES[1:]:
        family.supervisor.heard_hello(role, 1)
    silent = family.process("sampler-0")
    family.check_until(lambda: ("sampler-0", 2) in family.started)
    assert silent.returncode is not None
    assert f"sampler-0 (process {silent.pid}) gives no sign of life" in family.said[0]
    assert [pair for pair in family.started if pair[1] > 1] == [("sampler-0", 2)]


def test_a_role_that_falls_silent_is_killed_and_one_that_beats_is_not(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BEAT_LIMIT_S", 0.3)
    for role in ROLES:
        family.supervisor.heard_hello(role, 1)

    def beat() -> bool:
        for role in ROLES[1:]:
            family.counters.row(role)[BEAT] = time.monotonic_ns()
        return ("sampler-0", 2) in family.started

    family.check_until(beat)
    assert [pair for pair in family.started if pair[1] > 1] == [("sampler-0", 2)]


def test_a_silent_role_is_asked_for_its_stacks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BEAT_LIMIT_S", 0.3)
    code = (
        "import faulthandler, signal, time; faulthandler.register(signal.SIGUSR1); print(1, flush=True); time.sleep(60)"
    )
    role = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    family = Family()
    family.supervisor.start_all()
    family.process("sampler-0").kill()
    family.process("sampler-0").wait()
    family.supervisor.children["sampler-0"].process = role
    assert role.stdout is not None and role.stderr is not None
    role.stdout.readline()
    family.supervisor.heard_hello("sampler-0", 1)
    family.check_until(lambda: role.returncode is not None)
    assert b"most recent call first" in role.stderr.read()
    role.stdout.close()
    role.stderr.close()
    family.supervisor.kill_all()


def test_a_hello_of_an_earlier_incarnation_does_not_count(family: Family) -> None:
    family.process("sampler-0").kill()
    family.check_until(lambda: ("sampler-0", 2) in family.started)
    family.supervisor.heard_hello("sampler-0", 1)
    assert family.supervisor.children["sampler-0"].ready_s is None
    family.supervisor.heard_hello("sampler-0", 2)
    assert family.supervisor.children["sampler-0"].ready_s is not None


def test_waiting_ends_with_the_roles_or_with_the_limit(family: Family) -> None:
    assert not family.supervisor.wait("evaluator", 0.05, lambda: time.sleep(0.01))
    family.process("evaluator").terminate()
    assert family.supervisor.wait("evaluator", 5.0, lambda: time.sleep(0.01))


def test_killing_all_leaves_no_child_and_no_zombie(family: Family) -> None:
    processes = [psutil.Process(family.process(role).pid) for role in ROLES]
    family.supervisor.kill_all()
    assert not any(process.is_running() for process in processes)
    assert not set(processes) & set(psutil.Process().children())


def test_only_own_processes_are_ended(family: Family) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        family.supervisor.kill_all()
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-signal.SIGSEGV, "was killed by SIGSEGV; its stacks are in log.txt"),
        (-signal.SIGKILL, "was killed by SIGKILL, perhaps for want of memory"),
    ],
)
def test_a_death_is_told_in_words(code: int, words: str) -> None:
    assert death(code) == words

"""Roles that start slowly, or that a signal stops."""

from collections.abc import Iterator

import psutil
import pytest

from spreeze import supervisor
from tests.spreeze.supervised import ROLES, Family

pytestmark = pytest.mark.alone


@pytest.fixture
def family() -> Iterator[Family]:
    made = Family()
    made.supervisor.start_all()
    yield made
    made.supervisor.kill_all()


def test_a_role_that_starts_slowly_is_waited_for_as_long_as_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_LIMIT_S", 0.8)
    made = Family({"visualizer": "while :; do :; done"})
    made.supervisor.start_all()
    for role in ROLES[1:-1]:
        made.supervisor.heard_hello(role, 1)
    made.check_until(lambda: made.incarnation("sampler-0") == 2)
    assert made.incarnation("visualizer") == 1
    made.check_until(lambda: made.incarnation("visualizer") == 2)
    made.supervisor.kill_all()


def test_a_role_that_a_signal_stopped_is_killed_and_one_that_goes_on_in_time_is_not(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOPPED_LIMIT_S", 0.4)
    monkeypatch.setattr(family.supervisor, "_look_due", lambda: True)
    stopped = family.process("sampler-0").pid
    psutil.Process(family.process("evaluator").pid).suspend()
    family.supervisor.check()
    psutil.Process(family.process("evaluator").pid).resume()
    psutil.Process(stopped).suspend()
    family.check_until(lambda: family.incarnation("sampler-0") == 2)
    assert any(f"sampler-0 (process {stopped}) was stopped by a signal" in line for line in family.said)
    assert family.incarnation("evaluator") == 1

"""Roles that should give way to others do, also where the kernel shares the cores among sessions."""

import subprocess
import sys

import pytest

from spreeze.roles.main import AUTOGROUP

ASK = """
import os
from spreeze.roles.main import AUTOGROUP, give_way
give_way({nice})
print(os.nice(0), AUTOGROUP.read_text())
"""


def priorities(nice: int, new_session: bool) -> list[str]:
    """Niceness of a process, the name of its session's group and the niceness of that, after `give_way`."""
    command = [sys.executable, "-c", ASK.format(nice=nice)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=new_session)
    own, group, _, of_group = done.stdout.split()
    return [own, group, of_group]


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not group sessions")
def test_a_role_gives_way_with_its_session() -> None:
    own, _, of_session = priorities(5, new_session=True)
    assert (own, of_session) == ("5", "5")


@pytest.mark.skipif(not AUTOGROUP.exists() or not AUTOGROUP.read_text(), reason="this session is in no group")
def test_a_process_in_a_session_of_others_leaves_that_alone() -> None:
    before = AUTOGROUP.read_text().split()
    own, group, of_session = priorities(3, new_session=False)
    assert own == "3"
    assert [group, of_session] == [before[0], before[-1]]

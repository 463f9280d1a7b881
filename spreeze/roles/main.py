"""Entry of every role, in a process that the fork server made (`forking.py`).

A role process
1. dies with the orchestrator, however that dies;
2. ignores Ctrl-C, which is the orchestrator's to handle;
3. runs on the cores and with the threads it is given;
4. reports its own traceback, to the orchestrator and on standard error, and exits with 1;
5. prints the stack of every thread on SIGUSR1.
"""

import ctypes
import faulthandler
import importlib
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from spreeze.transport.messages import Line

PR_SET_PDEATHSIG = 1
AUTOGROUP = Path("/proc/self/autogroup")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends; exit if that has already happened."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def settle(cores: list[int], threads: int, nice: int) -> None:
    """Take the given share of the machine. Thread limits of libraries come with the environment variables."""
    import torch

    os.sched_setaffinity(0, cores)
    give_way(nice)
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def give_way(nice: int) -> None:
    """Take less of the cores than others who want them.

    Where the kernel shares the cores among sessions first (`sched_autogroup`), niceness counts within a session only,
    and a role is alone in its own: the session gives way as well.
    """
    os.nice(nice)
    if nice and os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(nice), encoding="utf-8")


def play(data: dict[str, Any]) -> int:
    """Run the role that `data` describes; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    die_with_parent(data["parent"])
    line = Line(Path(data["socket"]), data["role"])
    try:
        settle(data["cores"], data["threads"], data["nice"])
        from spreeze.roles.context import RoleContext, RoleSpec

        context = RoleContext(RoleSpec(**data), line)
        importlib.import_module(f"spreeze.roles.{context.spec.kind}").run(context)
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        line.send("error", traceback=text[-20_000:], type=type(error).__name__, message=str(error)[:2000])
        with suppress(OSError):  # The log may lie on a full disk.
            print(text, file=sys.stderr, flush=True)
        return 1
    finally:
        line.close()
    return 0

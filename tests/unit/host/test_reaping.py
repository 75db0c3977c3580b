"""A container's leftovers are collected; our own children are left to whoever awaits them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from composer.host import process

_SCRIPT = """
import ctypes, os, sys
from composer.host import process
libc = ctypes.CDLL(None, use_errno=True)
own = os.fork()
if own == 0:
    os._exit(7)
libc.unshare(0x20000000)  # CLONE_NEWPID: the next child lives in a namespace below ours
nested = os.fork()
if nested == 0:
    os._exit(0)
for pid in (own, nested):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
process.reap_orphans()
try:
    os.waitpid(nested, os.WNOHANG)
    print("nested is still there")
except ChildProcessError:
    print("nested was collected")
print("own ended with", os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]))
"""


@pytest.mark.root
def test_only_what_lives_below_is_collected() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["nested was collected", "own ended with 7"]


def test_a_dead_process_has_no_identity() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process.identity_of(child.pid) is None

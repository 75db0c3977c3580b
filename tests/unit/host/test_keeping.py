"""What a process that secrets pass through shows of itself."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, os
from composer.host import process
assert b"a-marker" in open("/proc/self/environ", "rb").read()
process.keep_to_ourselves()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
print(b"a-marker" in open("/proc/self/environ", "rb").read())
print(os.environ["CONFIDENTIAL"])
"""


def test_no_core_dumps_and_no_environment_for_others_to_read() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"CONFIDENTIAL": "a-marker"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["0", "False", "a-marker"], done.stderr

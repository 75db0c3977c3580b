"""F9 to F12 in short: full disks, no inodes, I/O errors, and a few power cuts; more by ``make faults``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.disk_faults import CASES
from tests.peers.fixtures import need

pytestmark = [pytest.mark.root, pytest.mark.slow]


def run(*argv: str) -> str:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / argv[0]), *argv[1:]],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_fault_of_the_disk(case: str) -> None:
    need("mkfs.ext4", "unshare", "fallocate", *(["strace"] if case == "io-errors" else []))
    assert "survived" in run("disk_faults.py", case)


def test_power_cuts() -> None:
    need("mkfs.ext4", "unshare")
    assert "sound 4/4" in run("power_cuts.py", "--cuts", "4", "--seed", "5")

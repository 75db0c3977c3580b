"""A short form of the sweep over pulls, loads and builds; the long one is ``make faults``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.fixtures import need
from tests.scenarios.conftest import why_not

pytestmark = [pytest.mark.root, pytest.mark.scenario, pytest.mark.slow]


def test_every_death_is_healed() -> None:
    if why_not():
        pytest.skip(why_not())
    need("docker-registry", "setpriv", "unshare")
    script = Path(__file__).with_name("image_kill_sweep.py")
    done = subprocess.run(
        [sys.executable, str(script), "--rounds", "6", "--seed", "11"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert "healed 6/6, leaks 0" in done.stdout, done.stdout[-4000:] + done.stderr[-2000:]

"""F12: power cuts at random moments of load and rm; whatever was published is whole.

``python tests/faults/power_cuts.py --cuts 100 [--seed N]``: the store lies on an ext4 in a file.
While composer loads and removes images, it is stopped at a random moment (so that the copy is of one
moment), the file is copied, and composer goes on.  What was in the page cache only is not in the
copy, as after a power cut.  The copy is mounted (which replays its journal): ``system check`` must
find nothing damaged, and the next load must work.  Prints ``sound n/n``.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import loopdisk
from tests.faults.patient import NAME, Patient, archive_of

_LONGEST = 2.0
_STOPS_WITHIN = 20.0


def all_stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped (or gone)."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return True
    return all(state in "TtZX" for state in states)


def cut(disk: Path, copy: Path, patient: Patient, archive: Path, source: random.Random) -> str:
    """Copy the disk at a random moment of a load or an rm; returns which."""
    verb = source.choice(["load", "load", "rm"])
    if verb == "rm":
        patient.call("image", "load", "-q", "-i", str(archive))
        running = patient.start("image", "rm", NAME)
    else:
        patient.call("image", "rm", "-f", NAME)
        running = patient.start("image", "load", "-q", "-i", str(archive))
    wait = source.uniform(0.1, _LONGEST)
    time.sleep(wait)  # the random moment
    running.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + _STOPS_WITHIN
    while not all_stopped(running.pid) and time.monotonic() < deadline:
        time.sleep(0.002)
    shutil.copyfile(disk, copy)
    running.send_signal(signal.SIGCONT)
    running.wait()
    return f"{verb} after {wait:.3f} s"


def run(cuts: int, seed: int, *, verbose: bool = False) -> tuple[int, list[str]]:
    """Cut the power so often; returns how often the store was sound, and what was wrong otherwise."""
    source = random.Random(seed)
    problems: list[str] = []
    root = Path(tempfile.mkdtemp(prefix="composer-power-", dir="/dev/shm"))
    try:
        disk, copy = root / "disk.img", root / "cut.img"
        archive = archive_of(root)
        loopdisk.format_disk(disk, megabytes=64)
        with loopdisk.mounted(disk, root / "disk") as place:
            patient = Patient(place / "data", root / "run")
            for number in range(cuts):
                label = cut(disk, copy, patient, archive, source)
                if verbose:
                    print(label, flush=True)
                with loopdisk.mounted(copy, root / "cut") as after:
                    revived = Patient(after / "data", root / "run2")
                    problem = revived.problem()
                    loaded = revived.call("image", "load", "-q", "-i", str(archive))
                    if not problem and loaded.returncode != 0:
                        problem = f"the next load: {loaded.stderr[-800:]}"
                    problem = problem or revived.problem() or " ".join(revived.leftovers())
                if problem:
                    problems.append(f"cut {number}: {label}: {problem}")
                    if verbose:
                        print(problems[-1], flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return cuts - len(problems), problems


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    loopdisk.enter()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}, pid {os.getpid()}", flush=True)
    sound, problems = run(options.cuts, seed, verbose=True)
    print(*problems, sep="\n")
    print(f"sound {sound}/{options.cuts}")
    return 0 if sound == options.cuts else 1


if __name__ == "__main__":
    sys.exit(main())

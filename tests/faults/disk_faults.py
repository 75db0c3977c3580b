"""F9, F10, F11: a full disk, no inodes left, an I/O error, each in the middle of a load.

``python tests/faults/disk_faults.py CASE``: the store lies on an ext4 in a file.  The load must fail
with a message that names a path and the kernel's words, publish nothing and leave nothing; when the
fault is gone, the same load must work.  Prints ``survived n/n``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import loopdisk
from tests.faults.patient import NAME, Patient, archive_of

Outcome = tuple[str, str]
"""What was tried, and what was wrong with the answer ("" is nothing)."""


def failed_well(patient: Patient, archive: Path, words: str, under: tuple[str, ...] = ()) -> str:
    """What is wrong with the failure of a load under a fault."""
    done = patient.call("image", "load", "-q", "-i", str(archive), under=under)
    if done.returncode == 0:
        return "it did not fail"
    if "Traceback" in done.stderr or "internal error" in done.stderr:
        return f"a traceback: {done.stderr[-1500:]}"
    if words not in done.stderr:
        return f"it does not say {words!r}: {done.stderr[-600:]}"
    if str(patient.data) not in done.stderr:
        return f"it names no path: {done.stderr[-600:]}"
    return ""


def sound_after(patient: Patient, archive: Path) -> str:
    """What is wrong when the fault is gone."""
    listed = patient.call("image", "ls", "-q")
    if listed.stdout:
        return f"something was published: {listed.stdout}"
    loaded = patient.call("image", "load", "-q", "-i", str(archive))
    if loaded.returncode != 0:
        return f"the next load failed: {loaded.stderr[-600:]}"
    problem = patient.problem() or " ".join(patient.leftovers())
    patient.call("image", "rm", "-f", NAME)
    return problem


def disk_full(root: Path) -> Iterator[Outcome]:
    """F9: less and less room, so that blobs, layers, and in the end the records do not fit."""
    disk = root / "disk.img"
    archive = archive_of(root)
    loopdisk.format_disk(disk, megabytes=64)
    with loopdisk.mounted(disk, root / "disk") as place:
        patient = Patient(place / "data", root / "run")
        patient.call("image", "ls")
        for kilobytes in (3000, 2500, 1200, 500, 100):
            with loopdisk.filled(place, leaving=kilobytes << 10):
                problem = failed_well(patient, archive, "No space left on device")
            yield f"{kilobytes} kB left", problem or sound_after(patient, archive)


def no_inodes(root: Path) -> Iterator[Outcome]:
    """F10: room for bytes, none for files."""
    disk = root / "disk.img"
    (root / "many").mkdir()
    archive, many = archive_of(root), archive_of(root / "many", files=900)
    loopdisk.format_disk(disk, megabytes=64, inodes=600)
    with loopdisk.mounted(disk, root / "disk") as place:
        patient = Patient(place / "data", root / "run")
        patient.call("image", "ls")
        problem = failed_well(patient, many, "No space left on device")
        yield "900 files where 600 fit", problem or sound_after(patient, archive)


def io_errors(root: Path) -> Iterator[Outcome]:
    """F11: the n-th fsync, or the syncfs, answers EIO."""
    archive = archive_of(root)
    patient = Patient(root / "data", root / "run")
    patient.call("image", "ls")
    for call, number in (
        ("fsync", 1),
        ("fsync", 2),
        ("fsync", 3),
        ("fsync", 5),
        ("syncfs", 1),
        ("syncfs", 2),
    ):
        under = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}")
        inject = ("-e", f"inject={call}:error=EIO:when={number}")
        problem = failed_well(patient, archive, "Input/output error", (*under, *inject))
        yield f"{call} {number}", problem or sound_after(patient, archive)


CASES: dict[str, Callable[[Path], Iterator[Outcome]]] = {
    "disk-full": disk_full,
    "no-inodes": no_inodes,
    "io-errors": io_errors,
}


def main() -> int:
    """The command line."""
    loopdisk.enter()
    root = Path(tempfile.mkdtemp(prefix="composer-disk-", dir="/dev/shm"))
    try:
        outcomes = list(CASES[sys.argv[1]](root))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for label, problem in outcomes:
        print(f"{label}: {problem or 'survived'}")
    survived = sum(not problem for _, problem in outcomes)
    print(f"survived {survived}/{len(outcomes)}")
    return 0 if survived == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

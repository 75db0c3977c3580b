"""A small disk of its own: ext4 in a file in memory, mounted; cut, filled, and mounted again.

Use it in a mount namespace that ends with the process (``enter``): then nothing stays mounted,
whatever happens.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_INSIDE = "COMPOSER_LOOP_DISK"


def enter() -> None:
    """Run this program again in a mount and network namespace of its own."""
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])


def format_disk(image: Path, *, megabytes: int, inodes: int = 0) -> None:
    """Make an empty ext4 in a file."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    options = ["-N", str(inodes)] if inodes else []
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-m", "0", *options, str(image)], check=True, capture_output=True
    )


@contextmanager
def mounted(image: Path, target: Path) -> Iterator[Path]:
    """The disk, mounted at ``target``."""
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(target)], check=True, capture_output=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=True, capture_output=True)


@contextmanager
def filled(directory: Path, *, leaving: int) -> Iterator[None]:
    """The disk with only ``leaving`` bytes free."""
    filler = directory / "filler"
    size = shutil.disk_usage(directory).free - leaving
    subprocess.run(["fallocate", "-l", str(size), str(filler)], check=True, capture_output=True)
    try:
        yield
    finally:
        filler.unlink()

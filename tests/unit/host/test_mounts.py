"""Mounts of the kernel, in a process with a mount namespace of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

OVERLAY = """
import sys
from pathlib import Path
from composer.host import mounts

root = Path(sys.argv[1])
mounts.enter_private_namespace()
layers = [root / name for name in sys.argv[2].split(",")]
mounts.mount_overlay(root / "merged", layers, root / "upper", root / "work")
for path in sorted((root / "merged").iterdir()):
    print(path.name, path.read_text())
"""


@pytest.fixture
def layers() -> Iterator[Path]:
    """Layers ``a`` (a file) and ``b`` (another file of that name), on a disk that overlayfs takes."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        root = Path(name)
        for layer in ("a", "b", "c", "merged", "upper", "work"):
            (root / layer).mkdir()
            (root / layer / "file").write_text(layer)
        (root / "c" / "file").unlink()
        (root / "upper" / "file").unlink()
        (root / "c" / "other").write_text("c")
        yield root


@pytest.mark.parametrize(
    ("order", "seen"),
    [("a,b", "file b\n"), ("a,b,a", "file a\n"), ("a,a,a", "file a\n"), ("a,c,b,c", "file b\nother c\n")],
)
def test_a_layer_may_be_there_twice(layers: Path, order: str, seen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OVERLAY, str(layers), order], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout) == ("", seen)

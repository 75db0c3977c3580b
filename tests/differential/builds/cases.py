"""The cases: one directory each, with a ``Dockerfile``, the files of its context, and ``case.json``.

``case.json`` may be missing; what it can say:

``peer``      who builds the other image: ``docker`` (the classic builder, the default) or ``buildah``; ``none``
              when neither knows the syntax, and ``expected.json`` says what must come out
``about``     a sentence for who reads the case
``args``      build arguments; ``target``: the stage to build
``bases``     images to build before, by the same builder: name to Dockerfile
``modes``     modes that git does not keep, ``owners`` (``uid:gid``), ``fifos`` and ``archives`` (name to names and
              contents) of the context, made before the build
``fails``     part of composer's message: both must refuse
``differs``   what is known to differ, each with the name of its reason in ``docs/compatibility.md``; it must
              differ, or the case fails
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

DIRECTORY = Path(__file__).with_name("cases")
_SETTINGS = frozenset({"case.json", "expected.json"})


@attrs.frozen(kw_only=True)
class Case:
    """One Dockerfile with what surrounds it."""

    name: str
    about: str = ""
    peer: str = "docker"
    args: Mapping[str, str] = attrs.field(factory=dict)
    target: str = ""
    bases: Mapping[str, str] = attrs.field(factory=dict)
    modes: Mapping[str, str] = attrs.field(factory=dict)
    owners: Mapping[str, str] = attrs.field(factory=dict)
    fifos: Sequence[str] = ()
    archives: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    fails: str = ""
    differs: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def expected(self) -> Mapping[str, object]:
        """The changes since the base image that ``expected.json`` says."""
        found: Mapping[str, object] = json.loads((DIRECTORY / self.name / "expected.json").read_text())
        return found

    def context(self, directory: Path) -> Path:
        """A fresh copy of the context with all that git does not keep."""
        shutil.copytree(
            DIRECTORY / self.name,
            directory,
            symlinks=True,
            ignore=lambda _, names: [name for name in names if name in _SETTINGS],
        )
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        for name, files in self.archives.items():
            (directory / name).write_bytes(_archive(name, files))
        for name in self.fifos:
            os.mkfifo(directory / name, 0o644)
        for name, owner in self.owners.items():
            uid, gid = owner.split(":")
            os.chown(directory / name, int(uid), int(gid), follow_symlinks=False)
        for name, mode in self.modes.items():
            (directory / name).chmod(int(mode, 8))
        return directory


def load(name: str) -> Case:
    """Read one case."""
    settings = DIRECTORY / name / "case.json"
    return Case(name=name, **(json.loads(settings.read_text()) if settings.exists() else {}))


def names() -> list[str]:
    """Every case there is."""
    return sorted(path.name for path in DIRECTORY.iterdir() if (path / "Dockerfile").exists())


def _archive(name: str, files: Mapping[str, str]) -> bytes:
    """A tar, compressed as its name says; contents that begin with ``->`` are links, names with ``/`` at the end
    directories."""
    buffer = io.BytesIO()
    suffix = name.rpartition(".")[2]
    compression = {"gz": "gz", "tgz": "gz", "bz2": "bz2", "xz": "xz"}.get(suffix, "")
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.rstrip("/"))
            entry.mode, entry.uid, entry.gid = 0o640, 7, 8
            if path.endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o750
            elif text.startswith("-> "):
                entry.type, entry.linkname = tarfile.SYMTYPE, text.removeprefix("-> ")
            else:
                entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()

"""`cp` against a container that fights back (reliability.md, C1-C3): the host's canary stays untouched."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.engine.copying import Copier

pytestmark = pytest.mark.root

COPIES = int(os.environ.get("COMPOSER_CP_COPIES", "0"))
"""Copies each way; 0: as many as two seconds allow."""
SECONDS = 2.0

_SWAP = """
import ctypes, os, sys
directory = os.open(sys.argv[1], os.O_PATH)
exchange = ctypes.CDLL(None).renameat2
while True:
    exchange(directory, b"target", directory, b"decoy", 2)
"""


class Arena:
    """A root that a container owns, with a directory that it swaps for a link to the host's canary."""

    def __init__(self, base: Path) -> None:
        self.root, self.canary, self.out = base / "root", base / "canary", base / "out"
        for directory in (self.root / "w" / "target" / "sub", self.canary / "sub", self.out):
            directory.mkdir(parents=True)
        for directory, text in ((self.root / "w" / "target", "inside"), (self.canary, "SECRET")):
            (directory / "file").write_text(text)
            (directory / "sub" / "deep").write_text(text)
        (self.root / "w" / "decoy").symlink_to(self.canary)
        (self.root / "w" / "here").mkdir()
        self.before = self.fingerprint()

    def fingerprint(self) -> dict[str, tuple[object, ...]]:
        found = {}
        for path in sorted((self.canary, *self.canary.rglob("*"))):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_ino, status.st_mtime_ns, content)
        return found

    @contextlib.contextmanager
    def swapping(self) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "-c", _SWAP, str(self.root / "w")])
        try:
            yield
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def copier(self, **options: bool) -> Iterator[Copier]:
        root = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        try:
            yield Copier(root, **options)
        finally:
            os.close(root)


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena(tmp_path)


def _times() -> Iterator[int]:
    end = time.monotonic() + SECONDS
    count = 0
    while count < COPIES if COPIES else time.monotonic() < end:
        count += 1
        yield count


def _nothing_of(secret: str, directory: Path) -> bool:
    return not any(
        path.is_file() and not path.is_symlink() and secret in path.read_text()
        for path in directory.rglob("*")
    )


@pytest.mark.parametrize("follows", [False, True])
def test_c1_out_of_a_container_that_swaps_a_directory_for_a_link(arena: Arena, follows: bool) -> None:
    done = 0
    with arena.swapping(), arena.copier(follows=follows) as copier:
        for count in _times():
            for path in ("/w/target/file", "/w/target", "/w/target/sub/."):
                target = arena.out / f"{count % 50}"
                target.mkdir(exist_ok=True)
                with contextlib.suppress(errors.ComposerError):
                    copier.to_host(path, f"{target}/")
                    done += 1
            if count % 50 == 0:
                assert _nothing_of("SECRET", arena.out)
    assert done > 0  # the directory was there now and then
    assert _nothing_of("SECRET", arena.out)
    assert arena.fingerprint() == arena.before


def test_c1_into_a_container_that_swaps_a_directory_for_a_link(arena: Arena, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "file").write_text("new")
    (source / "sub" / "deep").write_text("new")
    done = 0
    with arena.swapping(), arena.copier() as copier:
        for _ in _times():
            for what, where in (
                (source / "file", "/w/target/"),
                (source, "/w/target"),
                (f"{source}/.", "/w/target/sub"),
            ):
                with contextlib.suppress(errors.ComposerError):
                    copier.from_host(str(what), where)
                    done += 1
    assert done > 0
    assert arena.fingerprint() == arena.before


def test_c1_a_tar_into_a_container_that_swaps(arena: Arena) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("target/file", "target/sub/deep", "target/sub/new"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"new"))
    with arena.swapping(), arena.copier() as copier:
        for _ in _times():
            with contextlib.suppress(errors.ComposerError):
                copier.from_tar(io.BytesIO(content.getvalue()), "/w")
    assert arena.fingerprint() == arena.before


_FORMS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("form", _FORMS)
def test_c2_no_program_is_run_for_a_compressed_archive(
    arena: Arena, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = arena.root / "bin"
    tools.mkdir()
    for name in ("gzip", "gunzip", "unpigz", "bzip2", "xz", "unxz", "zstd", "tar"):
        (tools / name).write_text(f"#!/bin/sh\ntouch {arena.canary}/ran\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    for owner, name in ((subprocess, "Popen"), (os, "fork"), (os, "posix_spawn"), (os, "execve")):
        monkeypatch.setattr(owner, name, refuse)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("hello")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"world"))
    with arena.copier() as copier:
        copier.from_tar(io.BytesIO(_FORMS[form](content.getvalue())), "/w/here")
    assert (arena.root / "w" / "here" / "hello").read_text() == "world"
    assert arena.fingerprint() == arena.before


def test_c3_absolute_links_lead_where_the_container_means(arena: Arena, tmp_path: Path) -> None:
    (arena.root / "run" / "app").mkdir(parents=True)
    (arena.root / "var").mkdir()
    (arena.root / "var" / "run").symlink_to("/run")
    (arena.root / "run" / "pid").write_text("42")
    (tmp_path / "f").write_text("x")
    (tmp_path / "tree" / "run" / "app").mkdir(parents=True)
    (tmp_path / "tree" / "run" / "app" / "g").write_text("y")
    with arena.copier() as copier:
        copier.from_host(str(tmp_path / "f"), "/var/run/app/")
        copier.from_host(f"{tmp_path}/tree/.", "/var")  # a directory meets the link: it is followed inside
        copier.to_host("/var/run/pid", str(arena.out))
    assert (arena.root / "run" / "app" / "f").read_text() == "x"
    assert (arena.root / "run" / "app" / "g").read_text() == "y"
    assert (arena.root / "var" / "run").is_symlink()
    assert (arena.out / "pid").read_text() == "42"


@pytest.mark.parametrize("link", ["/", "../../../../../..", "/proc/self/root", "/proc/self/cwd"])
def test_links_that_were_there_do_not_lead_out(arena: Arena, link: str, tmp_path: Path) -> None:
    (arena.root / "way").symlink_to(link)
    inside = str(arena.canary).lstrip("/")
    (tmp_path / "file").write_text("new")
    with arena.copier() as copier:
        with contextlib.suppress(errors.ComposerError):
            copier.from_host(str(tmp_path / "file"), f"/way/{inside}/")
        with contextlib.suppress(errors.ComposerError):
            copier.to_host(f"/way/{inside}/file", str(arena.out))
    assert arena.fingerprint() == arena.before
    assert _nothing_of("SECRET", arena.out)


@pytest.mark.parametrize(
    "name", ["../../canary/file", "/../canary/file", "w/decoy/file", "w/decoy", "w/decoy/sub/deep"]
)
def test_a_hostile_tar_stays_inside(arena: Arena, name: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"new"))
    with arena.copier() as copier, contextlib.suppress(errors.ComposerError):
        copier.from_tar(io.BytesIO(content.getvalue()), "/")
    assert arena.fingerprint() == arena.before


def test_a_hard_link_in_a_tar_reaches_nothing_of_the_host(arena: Arena) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("w/here/hard")
        info.type, info.linkname = tarfile.LNKTYPE, "w/decoy/file"
        archive.addfile(info)
    with arena.copier() as copier, contextlib.suppress(errors.ComposerError):
        copier.from_tar(io.BytesIO(content.getvalue()), "/")
    assert not (arena.root / "w" / "here" / "hard").exists()
    assert arena.fingerprint() == arena.before

"""Sources that are not on this host: files at a URL and git repositories.

::

    <builds>/downloads/<digest of the URL>/content    what was fetched last
    <builds>/downloads/<digest of the URL>/state      JSON: its digest, etag and time of modification

A download is kept so that a server that knows ``ETag`` need not send it again; whether it is the same
is told by content all the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import attrs

from composer import errors
from composer.dockerfile import git
from composer.dockerfile.stop import Stop
from composer.host import durable, filelock
from composer.model.protocols import BuildRequest, ImageStore, Interrupt

LARGEST_DOWNLOAD = 1 << 36
"""Bytes."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.host import fetch

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_UNNAMED = "__unnamed__"
_MODE = 0o600
_DEFAULT_AGENT = "default"

Fetch = Callable[[str, IO[bytes], Interrupt, str], "fetch.Fetched"]
"""URL, where to write, interrupt, known etag."""


@attrs.frozen(kw_only=True)
class Fetched:
    """Files that were fetched: ``name`` in ``directory`` ("." for all of a repository)."""

    directory: Path
    name: str
    is_repository: bool = False


def prune_downloads(build_state: Path) -> int:
    """Delete what ``ADD URL`` keeps, but for what is being fetched; returns the bytes freed."""
    freed = 0
    for kept in sorted((build_state / "downloads").glob("*/content")):
        try:
            with filelock.hold(kept.parent / "lock", seconds=0.0):
                freed += kept.stat().st_size
                for name in ("state", "content", "new"):
                    (kept.parent / name).unlink(missing_ok=True)
        except errors.ConflictError:
            continue
    return freed


def is_remote(source: str) -> bool:
    """Whether a source of ADD or a context is an address."""
    return source.startswith(("http://", "https://")) or git.parse(source) is not None


def over_http(url: str, sink: IO[bytes], interrupt: Interrupt, etag: str) -> fetch.Fetched:
    """``Fetch`` by ``host.fetch``, whose import costs more than a build that fetches nothing."""
    from composer.host import fetch

    return fetch.fetch(url, sink, largest=LARGEST_DOWNLOAD, interrupt=interrupt, etag=etag)


@attrs.frozen(kw_only=True)
class Remotes:
    """Fetches for one build."""

    images: ImageStore
    request: BuildRequest
    stop: Stop
    fetch: Fetch = over_http

    @contextmanager
    def fetched(
        self, source: str, *, checksum: str = "", keeps_git_directory: bool = False
    ) -> Iterator[Fetched]:
        """The files of an address for as long as the block runs; raises ``BuildError``, ``ValueError``."""
        address = git.parse(source)
        room = self.images.staging("fetched")
        try:
            if address is not None:
                yield self._repository(address, room, checksum, keeps_git_directory=keeps_git_directory)
            else:
                yield self._download(source, room, checksum)
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def _repository(
        self, address: git.Address, room: Path, checksum: str, *, keeps_git_directory: bool
    ) -> Fetched:
        if checksum and not _COMMIT.fullmatch(checksum):
            message = f"invalid checksum {checksum!r}: for a repository it is a commit"
            raise ValueError(message)
        program = git.Git(ssh=self.request.ssh.get(_DEFAULT_AGENT, ""), secrets=self.request.secrets)
        commit = program.commit_of(address)
        if not commit.startswith(checksum):
            message = f"{address.public_url}#{address.ref}: its commit is {commit}, not {checksum}"
            raise ValueError(message)
        place = room / "tree"
        durable.make_directory(place, 0o755)
        directory = program.checkout(address, commit, place, keeps_git_directory=keeps_git_directory)
        return Fetched(directory=directory, name=".", is_repository=True)

    def _download(self, url: str, room: Path, checksum: str) -> Fetched:
        if checksum and not _CHECKSUM.fullmatch(checksum):
            message = f"invalid checksum {checksum!r}: it is sha256: and 64 hexadecimal digits"
            raise ValueError(message)
        name = posixpath.basename(unquote(urlsplit(url).path)) or _UNNAMED
        if name in {".", ".."} or "\0" in name:
            name = _UNNAMED
        kept = self.images.build_state / "downloads" / hashlib.sha256(url.encode()).hexdigest()
        with filelock.hold(kept / "lock", seconds=3600.0):
            digest, modified = self._renewed(url, kept)
            if checksum and checksum != f"sha256:{digest}":
                message = f"digest mismatch sha256:{digest}: {checksum} was asked for"
                raise ValueError(message)
            shutil.copyfile(kept / "content", room / name)
        (room / name).chmod(_MODE)
        os.utime(room / name, (modified, modified))
        return Fetched(directory=room, name=name)

    def _renewed(self, url: str, kept: Path) -> tuple[str, float]:
        """Bring a kept download up to date; returns its SHA-256 and its time of modification."""
        known = _state_of(kept)
        with open(kept / "new", "wb") as file:
            answer = self.fetch(url, file, self.stop, str(known.get("etag", "")))
            os.fsync(file.fileno())  # before its name and state: they must not outlive it in a power cut
        if answer.is_unchanged:
            (kept / "new").unlink()
            return str(known["digest"]), float(str(known["modified"]))
        with open(kept / "new", "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        modified = answer.modified or 0.0
        (kept / "state").unlink(missing_ok=True)
        (kept / "new").replace(kept / "content")
        state = {"digest": digest, "etag": answer.etag, "modified": modified}
        durable.write(kept / "state", json.dumps(state).encode())
        return digest, modified


def _state_of(kept: Path) -> dict[str, object]:
    try:
        state = json.loads((kept / "state").read_text())
    except (OSError, ValueError):
        return {}
    return state if (kept / "content").is_file() and isinstance(state, dict) else {}

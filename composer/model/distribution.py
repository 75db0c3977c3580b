"""How image content travels: the seam between the registry client and the store.

A *blob* is content named by its SHA-256; a *descriptor* says which blob, how large and what it is
(OCI image-spec v1.1, ``descriptor.md``).  The registry client knows HTTP, the store knows the disk;
each sees the other only through ``Blobs``, so that archives, registries and cache directories are
read and written by the same code.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import attrs


@attrs.frozen(kw_only=True)
class Platform:
    """What an image runs on, in Go's names (``linux/arm64/v8``)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


@attrs.frozen(kw_only=True)
class Descriptor:
    """One blob; ``size`` in bytes, ``digest`` as ``sha256:<hex>``."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = attrs.field(factory=dict)


class BlobWriter(Protocol):
    """One blob on its way into the store; a context manager that keeps what came when it is left early."""

    @property
    def offset(self) -> int:
        """Bytes that are here already, also from an earlier transfer that was cut."""

    def write(self, data: bytes) -> None:
        """Append; raises ``ImageError`` when more comes than was announced."""

    def restart(self) -> None:
        """Forget what is here: the source cannot resume."""

    def commit(self) -> None:
        """Verify size and digest and publish durably; raises ``DigestMismatch`` and forgets the content."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class Blobs(Protocol):
    """Content by digest; safe for many threads and processes at once."""

    def has(self, digest: str) -> bool:
        """Whether the blob is here, whole."""

    def open(self, digest: str) -> BinaryIO:
        """The blob for reading; raises ``StoreDamaged`` when it is not here."""

    def path(self, digest: str) -> Path:
        """Where it lies (whether or not it is there)."""

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Begin or resume; waits for another writer of the same blob (which may make it ``has``)."""

    def put(self, data: bytes) -> str:
        """Store small content; returns its digest."""


class TransferState(enum.Enum):
    """Where one blob's transfer stands."""

    WAITING = "waiting"
    TRANSFERRING = "transferring"
    UNPACKING = "unpacking"
    DONE = "done"
    PRESENT = "already present"
    MOUNTED = "mounted from another repository"


@attrs.frozen(kw_only=True)
class Transfer:
    """Progress of one blob: ``done`` of ``total`` bytes."""

    digest: str
    state: TransferState
    done: int = 0
    total: int = 0


Report = Callable[[Transfer], None]
"""Receives progress, from several threads."""


@attrs.frozen(kw_only=True)
class Pulled:
    """What a pull brought into ``Blobs``: the platform's manifest, exactly as served, and its parts.

    ``index_digest`` is that of the list the manifest was chosen from, "" when there was none.
    """

    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    index_digest: str = ""


@attrs.frozen(kw_only=True)
class PushRequest:
    """What a push sends: a manifest's bytes and the blobs that it names, all of them in ``Blobs``.

    ``origins`` are repositories of the same registry that hold a blob already, by digest.
    """

    manifest: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    origins: Mapping[str, str] = attrs.field(factory=dict)

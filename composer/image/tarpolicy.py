"""What a tar entry may do to a layer's tree: a pure decision per header (reliability.md, L1-L42).

The extractor asks here before it touches anything.  Names are cleaned, never trusted; whatever a
link says, the extractor resolves it beneath the tree's descriptor.  Sources: OCI image-spec
``layer.md`` (whiteouts), overlayfs documentation (0:0 devices, ``trusted.overlay.*``), and the
``tarfile`` filter bypasses CVE-2025-4138, -4330, -4435, -4517.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_DEEPEST = 256
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_LARGEST_ID = 2**32 - 2
_LARGEST_XATTR = 65536


class Kind(enum.Enum):
    """The kinds of entries that a layer may hold."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    FIFO = "fifo"
    CHARACTER = "character device"
    BLOCK = "block device"
    OTHER = "other"


@attrs.frozen(kw_only=True)
class Header:
    """What the policy looks at of one tar header."""

    name: str
    kind: Kind
    size: int = 0
    link: str = ""
    uid: int = 0
    gid: int = 0
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = attrs.field(factory=dict)


@attrs.frozen
class Accept:
    """Write the entry at ``path`` (relative, clean; "" is the root); ``link`` is cleaned for hardlinks."""

    path: str
    link: str = ""


@attrs.frozen
class Whiteout:
    """Hide ``path`` of the layers below."""

    path: str


@attrs.frozen
class Opaque:
    """Hide everything that the layers below have in the directory ``path``."""

    path: str


@attrs.frozen
class Skip:
    """Leave the entry out: it can mean nothing in a layer."""

    reason: str


@attrs.frozen
class Refuse:
    """The layer is hostile: nothing of it may be published."""

    reason: str


Decision = Accept | Whiteout | Opaque | Skip | Refuse


def decide(header: Header) -> Decision:
    """What to do with one entry."""
    path = clean(header.name)
    if path is None:
        return Refuse("its name cannot be a path")
    problem = _problem(header)
    if problem:
        return Refuse(problem)
    name = path.rpartition("/")[2]
    if name == OPAQUE:
        return Opaque(path.rpartition("/")[0])
    if name.startswith(WHITEOUT):
        return _whiteout(path, name)
    if header.kind is Kind.OTHER:
        return Skip("its type is unknown")
    if header.kind is Kind.HARDLINK:
        link = clean(header.link)
        if not link:
            return Refuse("it is a hard link to nothing")
        if any(part.startswith(WHITEOUT) for part in link.split("/")):
            return Refuse("it is a hard link to a whiteout")
        return Accept(path, link)
    if header.kind is Kind.SYMLINK and (not header.link or "\0" in header.link):
        return Refuse("it is a symbolic link to nothing")
    return Accept(path)


def clean(name: str) -> str | None:
    """The path inside the tree: leading slashes, ``.`` and ``..`` resolved as text; ``None`` if impossible.

    ``..`` never climbs above the tree, as in a root directory.
    """
    if "\0" in name or len(name.encode("utf-8", "surrogateescape")) > _LONGEST_PATH:
        return None
    parts: list[str] = []
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if parts:
                parts.pop()
            continue
        if len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            return None
        parts.append(part)
    if len(parts) > _DEEPEST or (not parts and name.strip("/.") != ""):
        return None
    return "/".join(parts) if name else None


def _whiteout(path: str, name: str) -> Decision:
    hidden = name.removeprefix(WHITEOUT)
    if hidden in ("", ".", "..") or hidden.startswith(WHITEOUT):
        return Refuse("it is a whiteout of no name")
    parent = path.rpartition("/")[0]
    return Whiteout(f"{parent}/{hidden}" if parent else hidden)


def _problem(header: Header) -> str:
    if header.size < 0:
        return "its size is negative"
    if not (0 <= header.uid <= _LARGEST_ID and 0 <= header.gid <= _LARGEST_ID):
        return "its owner is out of range"
    if header.kind is Kind.CHARACTER and (header.major, header.minor) == (0, 0):
        return "it forges an overlay whiteout (device 0:0)"
    for name, value in header.xattrs.items():
        if name.startswith(("trusted.overlay.", "user.overlay.")):
            return f"it forges overlay metadata ({name})"
        if len(value) > _LARGEST_XATTR:
            return f"its attribute {name} is too large"
    return ""

r"""The short form of ``volumes``: ``[SOURCE:]TARGET[:OPTIONS]``.

As Docker Compose v2.40.3 reads it, with one deviation: a single letter before a colon is a volume's
name, and a Windows drive only where nothing else makes sense (``C:\\data:/data``, ``C:/data:/data``).
"""

from __future__ import annotations

import posixpath
import re

import attrs

_PROPAGATIONS = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})
_DRIVE = re.compile(r"[A-Za-z]:(\\|/[^:]*:/)")


@attrs.frozen(kw_only=True)
class ShortMount:
    """A parsed short form; ``source`` is "" for an anonymous volume."""

    target: str
    source: str = ""
    is_bind: bool = False
    read_only: bool = False
    nocopy: bool = False
    propagation: str = ""
    selinux: str = ""
    ignored: tuple[str, ...] = ()


def parse(text: str) -> ShortMount:
    """Read a short form; raises ``ValueError`` with a sentence."""
    if not text:
        message = "a mount cannot be empty"
        raise ValueError(message)
    if len(text) <= 2:
        return ShortMount(target=text)
    parts = _parts(text)
    if not all(parts):
        message = f"invalid mount {text!r}: a part between colons is empty"
        raise ValueError(message)
    if len(parts) > 3:
        message = f"invalid mount {text!r}: expected [SOURCE:]TARGET[:OPTIONS]"
        raise ValueError(message)
    if len(parts) == 1:
        return ShortMount(target=cleaned(parts[0]))
    return _with_options(parts[0], parts[1], parts[2].split(",") if len(parts) == 3 else [])


def _parts(text: str) -> list[str]:
    """The parts between colons; a drive letter and a variable (``${A:-b}``) keep their own."""
    drive = text[:2] if _DRIVE.match(text) else ""
    parts, depth = [drive], 0
    for index, character in enumerate(text[len(drive) :], len(drive)):
        if text[index : index + 2] == "${":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        if character == ":" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _with_options(source: str, target: str, options: list[str]) -> ShortMount:
    propagation = selinux = ""
    read_only = nocopy = False
    ignored = []
    for option in options:
        if option in ("ro", "rw"):
            read_only = option == "ro"
        elif option == "nocopy":
            nocopy = True
        elif option in _PROPAGATIONS:
            propagation = option
        elif option in ("z", "Z"):
            selinux = option
        else:
            ignored.append(option)
    return ShortMount(
        source=source,
        target=cleaned(target),
        is_bind=is_path(source),
        read_only=read_only,
        nocopy=nocopy,
        propagation=propagation,
        selinux=selinux,
        ignored=tuple(ignored),
    )


def is_path(source: str) -> bool:
    """Whether a source is a path of the host rather than a volume's name."""
    return source.startswith((".", "/", "~", "\\\\")) or bool(re.match(r"[A-Za-z]:[\\/]", source))


def cleaned(target: str) -> str:
    """A target without trailing slashes, dots and doubled slashes (Go's ``path.Clean``)."""
    if not target:
        return target
    normal = posixpath.normpath(target)
    return normal[1:] if normal.startswith("//") else normal

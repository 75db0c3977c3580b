"""The short form of a tmpfs mount: ``TARGET[:OPTIONS]``, options as ``mount(8)`` has them.

It stays text in the canonical tree, as Docker Compose prints it; both the rules and the binding read
it, so it is parsed here.
"""

from __future__ import annotations

import posixpath
import re

import attrs

from composer.model.quantity import ByteSize

_GIVEN = frozenset({"rw", "noexec", "nosuid", "nodev"})
"""Options that every tmpfs of ours has anyway."""
_WORDS = frozenset({"exec", "suid", "dev", "sync", "noatime", "nodiratime", "relatime", "strictatime"})
_NUMBERS = {
    "uid": re.compile(r"\d{1,10}", re.ASCII),
    "gid": re.compile(r"\d{1,10}", re.ASCII),
    "nr_inodes": re.compile(r"\d{1,18}[kmg]?", re.ASCII | re.IGNORECASE),
    "nr_blocks": re.compile(r"\d{1,18}[kmg]?", re.ASCII | re.IGNORECASE),
    "size": re.compile(r"\d{1,3}%", re.ASCII),
}
"""tmpfs(5), and the words of mount(8) that undo or sharpen what is given."""


@attrs.frozen(kw_only=True)
class TmpfsMount:
    """A parsed short form; ``None`` where nothing is said."""

    target: str
    size: ByteSize | None = None
    mode: int | None = None
    read_only: bool = False
    options: tuple[str, ...] = ()


def parse(text: str) -> TmpfsMount:
    """The mount; raises ``ValueError`` with a sentence for what cannot be honoured."""
    target, _, options = text.partition(":")
    if not target.startswith("/"):
        message = f"mount target {target!r} is not an absolute path"
        raise ValueError(message)
    size: ByteSize | None = None
    mode: int | None = None
    read_only = False
    further = []
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key == "size" and not value.endswith("%"):
            size = ByteSize.parse(value)
        elif key == "mode":
            mode = _octal(value)
        elif option == "ro":
            read_only = True
        elif option in _WORDS or (key in _NUMBERS and _NUMBERS[key].fullmatch(value)):
            further.append(option)
        elif option not in _GIVEN:
            message = f"tmpfs option {option!r} is unsupported"
            raise ValueError(message)
    return TmpfsMount(
        target=posixpath.normpath(target), size=size, mode=mode, read_only=read_only, options=tuple(further)
    )


def _octal(text: str) -> int:
    if not text or len(text) > 5 or text.strip("01234567"):
        message = f"{text!r} is no octal mode"
        raise ValueError(message)
    return int(text, 8)

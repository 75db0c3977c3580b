"""``driver_opts`` of a volume: what is mounted where its content would be (Docker's ``local`` driver).

``type``, ``device`` and ``o`` are what mount(8) takes; ``o`` is split here into the flags and the data of
mount(2), as Docker does, so that no helper program is needed for NFS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import attrs

NETWORK_TYPES = ("nfs", "nfs4", "cifs")
"""Kinds whose ``addr=`` the kernel wants as an address."""
_OPTIONS = frozenset({"type", "device", "o"})

RDONLY, NOSUID, NODEV, NOEXEC, SYNCHRONOUS = 1, 2, 4, 8, 16
MANDLOCK, DIRSYNC, NOATIME, NODIRATIME, BIND, RECURSIVE = 64, 128, 1024, 2048, 4096, 16384
RELATIME, STRICTATIME = 1 << 21, 1 << 24

_FLAGS: dict[str, tuple[int, int]] = {
    "ro": (RDONLY, 0),
    "rw": (0, RDONLY),
    "nosuid": (NOSUID, 0),
    "suid": (0, NOSUID),
    "nodev": (NODEV, 0),
    "dev": (0, NODEV),
    "noexec": (NOEXEC, 0),
    "exec": (0, NOEXEC),
    "sync": (SYNCHRONOUS, 0),
    "async": (0, SYNCHRONOUS),
    "mand": (MANDLOCK, 0),
    "nomand": (0, MANDLOCK),
    "dirsync": (DIRSYNC, 0),
    "noatime": (NOATIME, 0),
    "atime": (0, NOATIME),
    "nodiratime": (NODIRATIME, 0),
    "diratime": (0, NODIRATIME),
    "relatime": (RELATIME, 0),
    "norelatime": (0, RELATIME),
    "strictatime": (STRICTATIME, 0),
    "nostrictatime": (0, STRICTATIME),
    "bind": (BIND, 0),
    "rbind": (BIND | RECURSIVE, 0),
    "defaults": (0, 0),
}
"""Word to the bits of mount(2) it sets and clears."""


@attrs.frozen(kw_only=True)
class LocalMount:
    """Arguments of mount(2); ``host`` is a name in ``data`` (``addr=``) that has to become an address."""

    kind: str
    device: str
    flags: int = 0
    data: str = ""
    host: str = ""

    @property
    def is_bind(self) -> bool:
        """Whether it shows a directory of this host."""
        return bool(self.flags & BIND)

    @property
    def words(self) -> tuple[str, ...]:
        """The flags that belong to a mount, not to its file system: every copy of it needs them again."""
        per_mount = {"ro": RDONLY, "nosuid": NOSUID, "nodev": NODEV, "noexec": NOEXEC}
        return tuple(word for word, flag in per_mount.items() if self.flags & flag)

    def data_with(self, address: str) -> str:
        """The data with ``address`` in place of the host's name."""
        options = self.data.split(",")
        return ",".join(f"addr={address}" if option == f"addr={self.host}" else option for option in options)


def mount_of(options: Mapping[str, str]) -> LocalMount | None:
    """What is mounted, ``None`` for a plain directory; raises ``ValueError`` with a sentence."""
    if not options:
        return None
    unknown = sorted(options.keys() - _OPTIONS)
    if "size" in unknown:
        message = "size needs a quota of the store's file system, which composer does not set"
        raise ValueError(message)
    if unknown:
        message = f"{unknown[0]!r} is no option of the driver local"
        raise ValueError(message)
    flags, rest = _split(options.get("o", ""))
    kind, device = options.get("type", ""), options.get("device", "")
    if not device:
        message = "driver_opts need a device"
        raise ValueError(message)
    if flags & BIND and not device.startswith("/"):
        message = f"the device {device!r} of a bind is not an absolute path"
        raise ValueError(message)
    if not flags & BIND and kind in ("", "none"):
        message = "driver_opts need a type, or o: bind"
        raise ValueError(message)
    host = _host_in(rest) if kind in NETWORK_TYPES else ""
    return LocalMount(
        kind="" if flags & BIND else kind, device=device, flags=flags, data=",".join(rest), host=host
    )


def _split(text: str) -> tuple[int, list[str]]:
    flags, rest = 0, []
    for word in filter(None, (word.strip() for word in text.split(","))):
        if word in _FLAGS:
            sets, clears = _FLAGS[word]
            flags = (flags | sets) & ~clears
        else:
            rest.append(word)
    return flags, rest


def _host_in(data: list[str]) -> str:
    for option in data:
        key, _, value = option.partition("=")
        if key == "addr" and not _is_address(value):
            return value
    return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

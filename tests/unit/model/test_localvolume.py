"""``driver_opts`` as arguments of mount(2)."""

from __future__ import annotations

import pytest

from composer.model import localvolume
from composer.model.localvolume import BIND, NODEV, NOEXEC, RDONLY, RECURSIVE, LocalMount


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=2m, noexec"},
         LocalMount(kind="tmpfs", device="tmpfs", flags=NOEXEC, data="size=2m")),
        ({"type": "none", "device": "/srv", "o": "bind"}, LocalMount(kind="", device="/srv", flags=BIND)),
        ({"device": "/srv", "o": "rbind,ro"},
         LocalMount(kind="", device="/srv", flags=BIND | RECURSIVE | RDONLY)),
        ({"type": "nfs", "device": ":/e", "o": "addr=10.0.0.1,vers=4,ro"},
         LocalMount(kind="nfs", device=":/e", flags=RDONLY, data="addr=10.0.0.1,vers=4")),
        ({"type": "nfs", "device": ":/e", "o": "addr=files.example,vers=4"},
         LocalMount(kind="nfs", device=":/e", data="addr=files.example,vers=4", host="files.example")),
        ({"type": "ext4", "device": "/dev/sdb1", "o": "ro,rw,nodev,dev,nodev"},
         LocalMount(kind="ext4", device="/dev/sdb1", flags=NODEV)),
    ],
)  # fmt: skip
def test_mount_of(options: dict[str, str], expected: LocalMount | None) -> None:
    assert localvolume.mount_of(options) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "1g"}, "quota"),
        ({"typ": "nfs"}, "'typ' is no option"),
        ({"type": "tmpfs"}, "need a device"),
        ({"o": "bind"}, "need a device"),
        ({"device": "srv", "o": "bind"}, "no absolute path|not an absolute path"),
        ({"device": "/srv"}, "need a type, or o: bind"),
        ({"device": "/srv", "type": "none", "o": "ro"}, "need a type, or o: bind"),
    ],
)
def test_what_cannot_be_mounted(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        localvolume.mount_of(options)


def test_the_servers_name_becomes_an_address() -> None:
    mount = localvolume.mount_of({"type": "nfs", "device": ":/e", "o": "vers=4,addr=files.example,soft"})
    assert mount is not None
    assert mount.data_with("10.0.0.7") == "vers=4,addr=10.0.0.7,soft"


def test_what_each_copy_of_a_mount_needs_again() -> None:
    mount = localvolume.mount_of({"type": "tmpfs", "device": "x", "o": "ro,nosuid,noatime"})
    assert mount is not None
    assert mount.words == ("ro", "nosuid")

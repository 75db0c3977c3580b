"""A network namespace for other engines, joined to the host by one link.

dockerd sets the FORWARD policy to DROP and makes ``docker0`` wherever it runs, and Podman makes bridges: here
both happen where nobody else is.  The link lets them reach what a test serves on ``Namespace.gateway``
(a registry) and lets the test reach them.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
from typing import Self

_POOL = ipaddress.ip_network("198.18.0.0/15")
"""The addresses of RFC 2544 for tests of network devices: nothing else uses them."""


class Namespace:
    """One network namespace with a link to the host, for the time of a ``with``.

    ``gateway`` is the host's address on the link, ``address`` the namespace's.
    """

    def __init__(self, name: str) -> None:
        self.name = f"{name}{os.getpid()}"
        self._link = f"v{self.name}"[:15]
        self.gateway = ""
        self.address = ""

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that shall run inside.

        Not ``ip netns exec``: that mounts a new /sys, without the cgroups.
        """
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        try:
            _ip("-n", self.name, "link", "set", "lo", "up")
            _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            host, inner = _free_pair()
            self.gateway, self.address = str(host), str(inner)
            _ip("address", "add", f"{host}/30", "dev", self._link)
            _ip("link", "set", self._link, "up")
            _ip("-n", self.name, "address", "add", f"{inner}/30", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _ip("netns", "delete", self.name)
        subprocess.run(["ip", "link", "delete", self._link], check=False, capture_output=True)


def _free_pair() -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    """Two addresses of a /30 that no link of the host has; which one is asked first depends on the process."""
    taken = subprocess.run(["ip", "-o", "-4", "address"], capture_output=True, text=True, check=True).stdout
    count = _POOL.num_addresses // 4
    for offset in range(count):
        first = int(_POOL.network_address) + 4 * ((os.getpid() + offset) % count)
        pair = ipaddress.IPv4Address(first + 1), ipaddress.IPv4Address(first + 2)
        if f" {pair[0]}/" not in taken:
            return pair
    message = f"every address of {_POOL} is taken"
    raise OSError(message)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)

"""Endpoints -> what DNS answers to one asker: names of the networks that it is on, nothing else.

A container that does not run has no address but its names are still the stack's: they are answered
"no such name" and never asked of the world (a service called ``com`` must not leak).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

import attrs

REVERSE, REVERSE6 = ".in-addr.arpa", ".ip6.arpa"
_NIBBLES = 32
_HEXADECIMAL = frozenset("0123456789abcdef")


@attrs.frozen(kw_only=True)
class ZoneEntry:
    """One container on one network; ``names`` as leased, the most telling first.

    ``links`` are names that only this container uses, each with the one it stands for (``links``).
    """

    container_id: str
    network: str
    address: str = ""
    address6: str = ""
    names: tuple[str, ...] = ()
    links: Mapping[str, str] = attrs.field(factory=dict)
    is_active: bool = True


@attrs.frozen(kw_only=True)
class Zone:
    """Who is where and called what; made by ``zone_of``."""

    views: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Asker's container id -> lower-case name -> addresses of both families, in order of address."""

    reverse: Mapping[str, Mapping[str, str]]
    """Asker's container id -> address -> full name."""

    names: frozenset[str]
    """Every name of the stack's networks, of containers that run and of those that do not."""

    confined: frozenset[str]
    """Containers that are on internal networks only: no name of the world is looked up for them."""

    links: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    """Asker's container id -> lower-case name of its own -> the name that it stands for."""

    def addresses(self, asker: str, name: str) -> tuple[str, ...]:
        """The addresses of a name as ``asker`` may see them, of both families."""
        plain = name.lower().rstrip(".")
        view = self.views.get(asker, {})
        linked = self.links.get(asker, {}).get(plain)
        return (view.get(linked, ()) if linked is not None else ()) or view.get(plain, ())

    def name_of(self, asker: str, reverse_name: str) -> str:
        """The name behind ``4.3.2.1.in-addr.arpa``; "" when it is not for us to answer."""
        address = address_in(reverse_name)
        return self.reverse.get(asker, {}).get(address, "") if address else ""

    def is_ours(self, asker: str, name: str) -> bool:
        """Whether a name belongs to the stack, so that it never goes upstream."""
        plain = name.lower().rstrip(".")
        return plain in self.names or plain in self.links.get(asker, {})

    def is_confined(self, asker: str) -> bool:
        """Whether the asker has no way out."""
        return asker in self.confined


def zone_of(entries: Sequence[ZoneEntry], internal: frozenset[str]) -> Zone:
    """Everything a resolver needs; ``internal`` are the networks without a way out."""
    on: dict[str, set[str]] = {}
    per_network: dict[str, dict[str, set[str]]] = {}
    reverse: dict[str, dict[str, str]] = {}
    links: dict[str, dict[str, str]] = {}
    names: set[str] = set()
    for entry in entries:
        own = _names_of(entry)
        names.update(own)
        if not entry.is_active:
            continue
        on.setdefault(entry.container_id, set()).add(entry.network)
        known = per_network.setdefault(entry.network, {})
        there = {address for address in (entry.address, entry.address6) if address}
        for name in own:
            known.setdefault(name, set()).update(there)
        if entry.names:
            full = f"{entry.names[0]}.{entry.network}"
            reverse.setdefault(entry.network, {}).update(dict.fromkeys(there, full))
        if entry.links:
            lower = {alias.lower(): target.lower() for alias, target in entry.links.items()}
            links.setdefault(entry.container_id, {}).update(lower)
    views: dict[frozenset[str], dict[str, tuple[str, ...]]] = {}
    for networks in on.values():
        key = frozenset(networks)
        if key not in views:
            views[key] = _view([per_network[network] for network in sorted(key)])
    return Zone(
        views={asker: views[frozenset(networks)] for asker, networks in on.items()},
        reverse={
            asker: {
                address: name
                for network in sorted(networks)
                for address, name in reverse.get(network, {}).items()
            }
            for asker, networks in on.items()
        },
        names=frozenset(names),
        confined=frozenset(asker for asker, networks in on.items() if networks <= internal),
        links=links,
    )


def address_in(reverse_name: str) -> str:
    """``1.2.3.4`` of ``4.3.2.1.in-addr.arpa``, and as much for ``ip6.arpa``; "" for anything else."""
    name = reverse_name.lower().rstrip(".")
    try:
        if name.endswith(REVERSE):
            return str(ipaddress.IPv4Address(".".join(reversed(name.removesuffix(REVERSE).split(".")))))
        if name.endswith(REVERSE6):
            nibbles = name.removesuffix(REVERSE6).split(".")
            if len(nibbles) == _NIBBLES and all(nibble in _HEXADECIMAL for nibble in nibbles):
                return str(ipaddress.IPv6Address(int("".join(reversed(nibbles)), 16)))
    except ValueError:
        return ""
    return ""


def _names_of(entry: ZoneEntry) -> set[str]:
    """Each name alone and qualified with its network, as Docker answers."""
    lower = {name.lower() for name in entry.names}
    return lower | {f"{name}.{entry.network.lower()}" for name in lower}


def _view(networks: Sequence[Mapping[str, set[str]]]) -> dict[str, tuple[str, ...]]:
    merged: dict[str, set[str]] = {}
    for known in networks:
        for name, addresses in known.items():
            merged.setdefault(name, set()).update(addresses)
    return {name: tuple(sorted(addresses, key=_number)) for name, addresses in merged.items()}


def _number(address: str) -> tuple[int, int]:
    if ":" in address:
        return 6, int(ipaddress.IPv6Address(address))
    a, b, c, d = address.split(".")
    return 4, int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)

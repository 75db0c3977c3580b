"""A stack's networks and published ports -> the complete text of the stack's own nft table.

One table per stack, replaced as a whole in one transaction, so no state of it is ever half there.
Bridges are elements of sets and published ports elements of maps: a lookup costs the same for one
port and for a thousand.  What the chains promise (docs/security.md, exposure):

* Nothing enters a network from elsewhere but answers and what is published; every table guards its
  own bridges, so two networks, of one stack or of two, are isolated both ways.
* Packets for a bridge's subnet that come in on another interface are dropped before connection
  tracking sees them: neither a neighbour with a route nor another stack reaches unpublished ports.
* Ports published on 127.0.0.1 are translated for the host's own packets only, never for arriving
  ones.  They need ``route_localnet`` on the bridge; the first chain closes what that would open.
* An ``internal`` network has no way in or out, to the host neither.

Every rule that drops or translates names a bridge that must exist for it to match, or does what any
owner of the subnet would do: a table that outlived its store (removed by hand after a crash) does no
harm to a later owner of the same subnet.

``accept`` here ends only this table's say: a ``drop`` of an administrator's table (any priority) or of
iptables' FORWARD holds.  Published traffic is matched there by ``ct original proto-dst <host port>``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from composer.host.nft import Listed

GENERATION_PREFIX = "generation_"
_LOOPBACK = "127."

_MAPS = {
    "published_any": "inet_proto . inet_service : ipv4_addr . inet_service",
    "published_address": "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
    "published_loopback": "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
}
_TO_ANY = "dnat ip to meta l4proto . th dport map @published_any"
_TO_ADDRESS = "dnat ip to ip daddr . meta l4proto . th dport map @published_address"


@attrs.frozen(kw_only=True)
class GuardedNetwork:
    """One network of the stack as the rules see it."""

    bridge: str
    subnet: str
    is_internal: bool = False


@attrs.frozen(kw_only=True)
class Forwarding:
    """One published port and the container's address behind it; ``host_ip`` "" is every address."""

    host_ip: str
    published: int
    protocol: str
    address: str
    target: int

    @property
    def is_loopback(self) -> bool:
        """Whether only the host itself may use it."""
        return self.host_ip.startswith(_LOOPBACK)

    @property
    def needs_loopback_route(self) -> bool:
        """Whether packets of 127.0.0.0/8 must reach the bridge for it."""
        return self.is_loopback or not self.host_ip


@attrs.frozen(kw_only=True)
class Chain:
    """One chain: ``head`` is its hook line, ``rules`` one statement each."""

    name: str
    head: str = ""
    rules: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Ruleset:
    """A whole table: what to load, and what a listing of it must show."""

    table: str
    chains: tuple[Chain, ...]
    elements: Mapping[str, tuple[str, ...]]
    generation: str
    is_empty: bool
    """Whether there is nothing to guard or publish, so that no table is needed."""

    @property
    def text(self) -> str:
        """Commands that replace the table, whatever is there, in one transaction."""
        lines = [f"add table inet {self.table}", f"delete table inet {self.table}"]
        body = _body_of(self.chains, self.elements)
        lines += [f"table inet {self.table} {{", *body, f"\tchain {self.generation} {{ }}", "}", ""]
        return "\n".join(lines)

    def text_over(self, former: str) -> str:
        """As ``text`` where the table is whole at generation ``former``: its hooks stay.

        Unregistering a hook makes the kernel wait for every processor, some 15 ms.
        """
        place = f"inet {self.table}"
        lines = [f"flush table {place}", f"delete chain {place} {former}"]
        lines += [f"flush map {place} {name}" for name in _MAPS]
        body = _body_of(self.chains, self.elements)
        lines += [f"table {place} {{", *body, f"\tchain {self.generation} {{ }}", "}", ""]
        return "\n".join(lines)


def ruleset_for(
    table: str,
    networks: Sequence[GuardedNetwork],
    forwardings: Sequence[Forwarding],
    *,
    fenced: Collection[str] = (),
) -> Ruleset:
    """The table of a stack.  ``fenced`` are other engines' bridges that our containers must not enter.

    Fencing matters where an accept of ours in Docker's chain would else lead past Docker's own guard.
    """
    chains = (
        _guard(networks),
        _input(networks),
        _forward(networks, fenced),
        Chain(
            name="prerouting",
            head="type nat hook prerouting priority dstnat; policy accept;",
            rules=(
                f"fib daddr type local ip daddr != 127.0.0.0/8 {_TO_ANY}",
                _TO_ADDRESS,
            ),
        ),
        Chain(
            name="output",
            head="type nat hook output priority -100; policy accept;",
            rules=(
                "dnat ip to ip daddr . meta l4proto . th dport map @published_loopback",
                f"fib daddr type local {_TO_ANY}",
                _TO_ADDRESS,
            ),
        ),
        _postrouting(networks),
    )
    elements = _elements(forwardings)
    body = "\n".join(_body_of(chains, elements))
    digest = hashlib.sha256(f"{table}\n{body}".encode()).hexdigest()[:16]
    return Ruleset(
        table=table,
        chains=chains,
        elements=elements,
        generation=GENERATION_PREFIX + digest,
        is_empty=not networks and not forwardings,
    )


def damage_in(ruleset: Ruleset, listed: Sequence[Listed] | None) -> str:
    """What a listing of the table lacks, as a sentence for the plan; "" when it is whole."""
    if listed is None:
        return "its firewall rules are gone"
    chains = {str(item["chain"]["name"]) for item in listed if "chain" in item}
    if ruleset.generation not in chains:
        return "its firewall rules are out of date"
    counts: dict[str, int] = {}
    for item in listed:
        if "rule" in item:
            name = str(item["rule"]["chain"])
            counts[name] = counts.get(name, 0) + 1
        if "map" in item:
            elements = item["map"].get("elem", [])
            counts[str(item["map"]["name"])] = len(elements) if isinstance(elements, list) else 0
    wanted = {chain.name: len(chain.rules) for chain in ruleset.chains}
    wanted |= {name: len(elements) for name, elements in ruleset.elements.items()}
    is_dormant = any("dormant" in str(item["table"].get("flags", "")) for item in listed if "table" in item)
    if is_dormant or any(counts.get(name, 0) != count for name, count in wanted.items()):
        return "its firewall rules were changed"
    return ""


def _body_of(chains: Sequence[Chain], elements: Mapping[str, tuple[str, ...]]) -> list[str]:
    lines = []
    for name, kind in _MAPS.items():
        content = f" elements = {{ {', '.join(elements[name])} }};" if elements[name] else ""
        lines.append(f"\tmap {name} {{ type {kind};{content} }}")
    for chain in chains:
        lines.append(f"\tchain {chain.name} {{")
        lines += [f"\t\t{line}" for line in ([chain.head] if chain.head else []) + list(chain.rules)]
        lines.append("\t}")
    return lines


def _elements(forwardings: Sequence[Forwarding]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, str]] = {name: {} for name in _MAPS}
    for port in sorted(forwardings, key=attrs.astuple):
        goal = f"{port.address} . {port.target}"
        key = f"{port.protocol} . {port.published}"
        if not port.host_ip:
            found["published_any"][key] = goal
        elif port.is_loopback:
            found["published_loopback"][f"{port.host_ip} . {key}"] = goal
        else:
            found["published_address"][f"{port.host_ip} . {key}"] = goal
    return {
        name: tuple(f"{key} : {goal}" for key, goal in content.items()) for name, content in found.items()
    }


def _guard(networks: Sequence[GuardedNetwork]) -> Chain:
    """Before connection tracking: direct access to a subnet, and loopback addresses on a bridge."""
    rules = [
        f'ip daddr {network.subnet} iifname != {{ "lo", "{network.bridge}" }}'
        f' fib daddr oifname "{network.bridge}" drop'
        for network in networks
    ]
    if networks:
        bridges = _names(network.bridge for network in networks)
        rules.append(f"iifname {bridges} ip daddr 127.0.0.0/8 drop")
        rules.append(f"iifname {bridges} ip saddr 127.0.0.0/8 drop")
        rules.append(f"iifname {bridges} meta nfproto ipv6 drop")
    head = "type filter hook prerouting priority raw; policy accept;"
    return Chain(name="guard", head=head, rules=tuple(rules))


def _input(networks: Sequence[GuardedNetwork]) -> Chain:
    """An internal network may answer the host, not call it."""
    internal = [network.bridge for network in networks if network.is_internal]
    rules = [f"iifname {_names(internal)} ct state != {{ established, related }} drop"] if internal else []
    head = "type filter hook input priority filter; policy accept;"
    return Chain(name="input", head=head, rules=tuple(rules))


def _forward(networks: Sequence[GuardedNetwork], fenced: Collection[str]) -> Chain:
    rules = [f'iifname "{network.bridge}" oifname "{network.bridge}" accept' for network in networks]
    internal = [network.bridge for network in networks if network.is_internal]
    if internal:
        rules.append(f"iifname {_names(internal)} drop")
        rules.append(f"oifname {_names(internal)} drop")
    if networks:
        bridges = _names(network.bridge for network in networks)
        rules.append(f"oifname {bridges} ct state {{ established, related }} accept")
        rules.append(f"oifname {bridges} ct status dnat accept")
        rules.append(f"oifname {bridges} drop")
        if fenced:
            rules.append(f"iifname {bridges} ct state {{ established, related }} accept")
            rules.append(f"iifname {bridges} ct status dnat accept")
            rules.append(f"iifname {bridges} oifname {_names(fenced)} drop")
    head = "type filter hook forward priority filter; policy accept;"
    return Chain(name="forward", head=head, rules=tuple(rules))


def _postrouting(networks: Sequence[GuardedNetwork]) -> Chain:
    """Out with the host's address; back to a bridge it came from (hairpin) with the bridge's."""
    rules = ['oifname != "lo" ip saddr 127.0.0.0/8 ct status dnat masquerade']
    for network in networks:
        if network.is_internal:
            continue
        rules.append(
            f'ip saddr {network.subnet} ip daddr != {network.subnet} oifname != "{network.bridge}" masquerade'
        )
        rules.append(f'ip saddr {network.subnet} oifname "{network.bridge}" ct status dnat masquerade')
    head = "type nat hook postrouting priority srcnat; policy accept;"
    return Chain(name="postrouting", head=head, rules=tuple(rules))


def _names(bridges: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(bridges)) + " }"

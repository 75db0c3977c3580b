"""A stack's networks and published ports -> the complete text of the stack's own nft table.

One table per stack, replaced as a whole in one transaction, so no state of it is ever half there.
Bridges are elements of sets and published ports elements of maps: a lookup costs the same for one
port and for a thousand.  What the chains promise (docs/security.md, exposure), for IPv4 and IPv6 alike:

* Nothing enters a network from elsewhere but answers and what is published; every table guards its
  own bridges, so two networks, of one stack or of two, are isolated both ways.
* Packets for a bridge's subnet that come in on another interface are dropped before connection
  tracking sees them: neither a neighbour with a route nor another stack reaches unpublished ports.
  (Not on networks that ask for it: ``gateway_mode`` ``routed`` and ``nat-unprotected``.)
* Ports published on 127.0.0.1 are translated for the host's own packets only, never for arriving
  ones.  They need ``route_localnet`` on the bridge; the first chain closes what that would open.
  ``::1`` cannot be translated (the kernel takes no answer for it from another interface): there the
  supervisor relays.
* An ``internal`` network has no way in or out, to the host neither.
* A bridge without addresses of a family carries no packets of that family to the host.

Every rule that drops or translates names a bridge that must exist for it to match, or does what any
owner of the subnet would do: a table that outlived its store (removed by hand after a crash) does no
harm to a later owner of the same subnet.

``accept`` here ends only this table's say: a ``drop`` of an administrator's table (any priority) or of
iptables' FORWARD holds.  Published traffic is matched there by ``ct original proto-dst <host port>``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from composer.host.nft import Listed
from composer.model.driveroptions import BridgeOptions, Gateway

GENERATION_PREFIX = "generation_"
_LOOPBACK = "127."

_KEY = "inet_proto . inet_service"
_MAPS = {
    "published_any": f"{_KEY} : ipv4_addr . inet_service",
    "published_address": f"ipv4_addr . {_KEY} : ipv4_addr . inet_service",
    "published_loopback": f"ipv4_addr . {_KEY} : ipv4_addr . inet_service",
    "published_any6": f"{_KEY} : ipv6_addr . inet_service",
    "published_address6": f"ipv6_addr . {_KEY} : ipv6_addr . inet_service",
}
_SETS = {
    "routed": f"ipv4_addr . {_KEY}",
    "routed6": f"ipv6_addr . {_KEY}",
}
_TO_ANY = "dnat ip to meta l4proto . th dport map @published_any"
_TO_ADDRESS = "dnat ip to ip daddr . meta l4proto . th dport map @published_address"
_TO_ANY6 = "dnat ip6 to meta l4proto . th dport map @published_any6"
_TO_ADDRESS6 = "dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_address6"
_DISCOVERY = "{ nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report }"
_WORD = {4: "ip", 6: "ip6"}


@attrs.frozen(kw_only=True)
class GuardedNetwork:
    """One network of the stack as the rules see it; a subnet is "" where it has none of the family."""

    bridge: str
    subnet: str = ""
    subnet6: str = ""
    is_internal: bool = False
    options: BridgeOptions = BridgeOptions()

    @property
    def families(self) -> Iterator[tuple[int, str]]:
        """(version, subnet) of each family that it has."""
        if self.subnet:
            yield 4, self.subnet
        if self.subnet6:
            yield 6, self.subnet6


@attrs.frozen(kw_only=True)
class Forwarding:
    """One published port and the container's address behind it; ``host_ip`` "" is every address.

    Without ``is_translated`` the port is opened at the container's own address instead (``routed``).
    """

    host_ip: str
    published: int
    protocol: str
    address: str
    target: int
    is_translated: bool = True

    @property
    def is_loopback(self) -> bool:
        """Whether only the host itself may use it."""
        return self.host_ip.startswith(_LOOPBACK)

    @property
    def is_ipv6(self) -> bool:
        """Whether it leads to an IPv6 address."""
        return ":" in self.address

    @property
    def needs_loopback_route(self) -> bool:
        """Whether packets of 127.0.0.0/8 must reach the bridge for it."""
        return self.is_translated and not self.is_ipv6 and (self.is_loopback or not self.host_ip)


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
        lines += [f"flush set {place} {name}" for name in _SETS]
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
                f"fib daddr type local {_TO_ANY6}",
                _TO_ADDRESS6,
            ),
        ),
        Chain(
            name="output",
            head="type nat hook output priority -100; policy accept;",
            rules=(
                "dnat ip to ip daddr . meta l4proto . th dport map @published_loopback",
                f"fib daddr type local {_TO_ANY}",
                _TO_ADDRESS,
                f"fib daddr type local ip6 daddr != ::1 {_TO_ANY6}",
                _TO_ADDRESS6,
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
        for kind in ("map", "set"):
            if kind in item:
                elements = item[kind].get("elem", [])
                counts[str(item[kind]["name"])] = len(elements) if isinstance(elements, list) else 0
    wanted = {chain.name: len(chain.rules) for chain in ruleset.chains}
    wanted |= {name: len(elements) for name, elements in ruleset.elements.items()}
    is_dormant = any("dormant" in str(item["table"].get("flags", "")) for item in listed if "table" in item)
    if is_dormant or any(counts.get(name, 0) != count for name, count in wanted.items()):
        return "its firewall rules were changed"
    return ""


def _body_of(chains: Sequence[Chain], elements: Mapping[str, tuple[str, ...]]) -> list[str]:
    lines = []
    for word, kinds in (("map", _MAPS), ("set", _SETS)):
        for name, kind in kinds.items():
            content = f" elements = {{ {', '.join(elements[name])} }};" if elements[name] else ""
            lines.append(f"\t{word} {name} {{ type {kind};{content} }}")
    for chain in chains:
        lines.append(f"\tchain {chain.name} {{")
        lines += [f"\t\t{line}" for line in ([chain.head] if chain.head else []) + list(chain.rules)]
        lines.append("\t}")
    return lines


def _elements(forwardings: Sequence[Forwarding]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, str]] = {name: {} for name in (*_MAPS, *_SETS)}
    for port in sorted(forwardings, key=attrs.astuple):
        end = "6" if port.is_ipv6 else ""
        goal = f" : {port.address} . {port.target}"
        key = f"{port.protocol} . {port.published}"
        if not port.is_translated:
            found[f"routed{end}"][f"{port.address} . {port.protocol} . {port.target}"] = ""
        elif not port.host_ip:
            found[f"published_any{end}"][key] = goal
        elif port.is_loopback:
            found["published_loopback"][f"{port.host_ip} . {key}"] = goal
        else:
            found[f"published_address{end}"][f"{port.host_ip} . {key}"] = goal
    return {name: tuple(f"{key}{goal}" for key, goal in content.items()) for name, content in found.items()}


def _guard(networks: Sequence[GuardedNetwork]) -> Chain:
    """Before connection tracking: direct access to a subnet, and loopback addresses on a bridge."""
    rules = []
    for network in networks:
        for version, subnet in network.families:
            if network.options.gateway(version) in (Gateway.NAT, Gateway.ISOLATED):
                rules.append(
                    f'{_WORD[version]} daddr {subnet} iifname != {{ "lo", "{network.bridge}" }}'
                    f' fib daddr oifname "{network.bridge}" drop'
                )
    if networks:
        bridges = _names(networks)
        rules.append(f"iifname {bridges} ip daddr 127.0.0.0/8 drop")
        rules.append(f"iifname {bridges} ip saddr 127.0.0.0/8 drop")
    for version, nfproto in ((4, "ipv4"), (6, "ipv6")):
        without = [one for one in networks if version not in dict(one.families)]
        if without:
            rules.append(f"iifname {_names(without)} meta nfproto {nfproto} drop")
    head = "type filter hook prerouting priority raw; policy accept;"
    return Chain(name="guard", head=head, rules=tuple(rules))


def _input(networks: Sequence[GuardedNetwork]) -> Chain:
    """An internal network may answer the host, not call it."""
    internal = [network for network in networks if network.is_internal]
    rules = []
    if internal:
        bridges = _names(internal)
        if any(network.subnet6 for network in internal):
            rules.append(f"iifname {bridges} icmpv6 type {_DISCOVERY} accept")
        rules.append(f"iifname {bridges} ct state != {{ established, related }} drop")
    head = "type filter hook input priority filter; policy accept;"
    return Chain(name="input", head=head, rules=tuple(rules))


def _forward(networks: Sequence[GuardedNetwork], fenced: Collection[str]) -> Chain:
    rules = [
        f'iifname "{network.bridge}" oifname "{network.bridge}" accept'
        for network in networks
        if network.options.allows_neighbours
    ]
    internal = [network for network in networks if network.is_internal]
    if internal:
        # Between the two ends of one bridge there is nothing to decide any more; the rest stays inside.
        rules.append(f"iifname {_names(internal)} drop")
        rules.append(f"oifname {_names(internal)} drop")
    if networks:
        bridges = _names(networks)
        rules.append(f"oifname {bridges} ct state {{ established, related }} accept")
        rules.append(f"oifname {bridges} ct status dnat accept")
        rules += _direct(networks)
        rules.append(f"oifname {bridges} drop")
        if fenced:
            rules.append(f"iifname {bridges} ct state {{ established, related }} accept")
            rules.append(f"iifname {bridges} ct status dnat accept")
            rules.append(f"iifname {bridges} oifname {_quoted(fenced)} drop")
    head = "type filter hook forward priority filter; policy accept;"
    return Chain(name="forward", head=head, rules=tuple(rules))


def _direct(networks: Sequence[GuardedNetwork]) -> Iterator[str]:
    """What may come in at a container's own address, where a network asks for that."""
    for network in networks:
        for version, _subnet in network.families:
            mode = network.options.gateway(version)
            word, end = _WORD[version], "6" if version == 6 else ""
            if mode is Gateway.UNPROTECTED:
                yield f'oifname "{network.bridge}" meta nfproto ipv{version} accept'
            elif mode is Gateway.ROUTED:
                icmp = "ipv6-icmp" if version == 6 else "icmp"
                yield f'oifname "{network.bridge}" meta l4proto {icmp} accept'
                yield (
                    f'oifname "{network.bridge}" {word} daddr . meta l4proto . th dport @routed{end} accept'
                )


def _postrouting(networks: Sequence[GuardedNetwork]) -> Chain:
    """Out with the host's address; back to a bridge it came from (hairpin) with the bridge's."""
    rules = ['oifname != "lo" ip saddr 127.0.0.0/8 ct status dnat masquerade']
    for network in networks:
        for version, subnet in network.families:
            if network.is_internal:
                continue
            word = _WORD[version]
            if network.options.masquerades and network.options.gateway(version) is not Gateway.ROUTED:
                source = network.options.source4 if version == 4 else network.options.source6
                change = f"snat {word} to {source}" if source else "masquerade"
                rules.append(
                    f'{word} saddr {subnet} {word} daddr != {subnet} oifname != "{network.bridge}" {change}'
                )
            rules.append(f'{word} saddr {subnet} oifname "{network.bridge}" ct status dnat masquerade')
    head = "type nat hook postrouting priority srcnat; policy accept;"
    return Chain(name="postrouting", head=head, rules=tuple(rules))


def _names(networks: Iterable[GuardedNetwork]) -> str:
    return _quoted(network.bridge for network in networks)


def _quoted(names: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(names)) + " }"

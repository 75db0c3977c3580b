"""The rules as text, and what a listing must show."""

from __future__ import annotations

import attrs
import pytest

from composer.model.driveroptions import BridgeOptions, Gateway
from composer.network import ruleset

FRONT = ruleset.GuardedNetwork(bridge="cpbfront", subnet="172.24.0.0/24")
BACK = ruleset.GuardedNetwork(bridge="cpbback", subnet="172.24.1.0/24", is_internal=True)
ANY = ruleset.Forwarding(host_ip="", published=8080, protocol="tcp", address="172.24.0.2", target=80)

GOLDEN = """\
add table inet composer_x
delete table inet composer_x
table inet composer_x {
	map published_any { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 8080 : 172.24.0.2 . 80 }; }
	map published_address { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 192.0.2.1 . udp . 53 : 172.24.0.2 . 5353 }; }
	map published_loopback { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 127.0.0.1 . tcp . 5432 : 172.24.0.2 . 5432 }; }
	map published_any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
	map published_address6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
	set routed { type ipv4_addr . inet_proto . inet_service; }
	set routed6 { type ipv6_addr . inet_proto . inet_service; }
	chain guard {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 172.24.0.0/24 iifname != { "lo", "cpbfront" } fib daddr oifname "cpbfront" drop
		ip daddr 172.24.1.0/24 iifname != { "lo", "cpbback" } fib daddr oifname "cpbback" drop
		iifname { "cpbback", "cpbfront" } ip daddr 127.0.0.0/8 drop
		iifname { "cpbback", "cpbfront" } ip saddr 127.0.0.0/8 drop
		iifname { "cpbback", "cpbfront" } meta nfproto ipv6 drop
	}
	chain input {
		type filter hook input priority filter; policy accept;
		iifname { "cpbback" } ct state != { established, related } drop
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "cpbfront" oifname "cpbfront" accept
		iifname "cpbback" oifname "cpbback" accept
		iifname { "cpbback" } drop
		oifname { "cpbback" } drop
		oifname { "cpbback", "cpbfront" } ct state { established, related } accept
		oifname { "cpbback", "cpbfront" } ct status dnat accept
		oifname { "cpbback", "cpbfront" } drop
		iifname { "cpbback", "cpbfront" } ct state { established, related } accept
		iifname { "cpbback", "cpbfront" } ct status dnat accept
		iifname { "cpbback", "cpbfront" } oifname { "docker0" } drop
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to meta l4proto . th dport map @published_any
		dnat ip to ip daddr . meta l4proto . th dport map @published_address
		fib daddr type local dnat ip6 to meta l4proto . th dport map @published_any6
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_address6
	}
	chain output {
		type nat hook output priority -100; policy accept;
		dnat ip to ip daddr . meta l4proto . th dport map @published_loopback
		fib daddr type local dnat ip to meta l4proto . th dport map @published_any
		dnat ip to ip daddr . meta l4proto . th dport map @published_address
		fib daddr type local ip6 daddr != ::1 dnat ip6 to meta l4proto . th dport map @published_any6
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_address6
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "lo" ip saddr 127.0.0.0/8 ct status dnat masquerade
		ip saddr 172.24.0.0/24 ip daddr != 172.24.0.0/24 oifname != "cpbfront" masquerade
		ip saddr 172.24.0.0/24 oifname "cpbfront" ct status dnat masquerade
	}
	chain GENERATION { }
}
"""


def _rules(*ports: ruleset.Forwarding) -> ruleset.Ruleset:
    return ruleset.ruleset_for("composer_x", [FRONT, BACK], ports, fenced=["docker0"])


def _listing(rules: ruleset.Ruleset) -> list[dict]:
    items: list[dict] = [{"table": {"name": rules.table}}, {"chain": {"name": rules.generation}}]
    for chain in rules.chains:
        items.append({"chain": {"name": chain.name}})
        items += [{"rule": {"chain": chain.name}} for _ in chain.rules]
    items += [
        {
            "set" if name.startswith("routed") else "map": {
                "name": name,
                **({"elem": list(elements)} if elements else {}),
            }
        }
        for name, elements in rules.elements.items()
    ]
    return items


def test_whole_text() -> None:
    rules = _rules(
        ANY,
        attrs.evolve(ANY, host_ip="192.0.2.1", published=53, protocol="udp", target=5353),
        attrs.evolve(ANY, host_ip="127.0.0.1", published=5432, target=5432),
    )
    assert rules.text == GOLDEN.replace("GENERATION", rules.generation)


def test_arriving_packets_never_meet_loopback_ports() -> None:
    prerouting = next(chain for chain in _rules(ANY).chains if chain.name == "prerouting")
    assert not any("loopback" in rule for rule in prerouting.rules)


def test_change_keeps_the_hooks() -> None:
    text = _rules(ANY).text_over("generation_old")
    assert "delete table" not in text
    assert text.startswith("flush table inet composer_x\ndelete chain inet composer_x generation_old\n")
    assert "flush map inet composer_x published_any" in text


def test_generation_depends_on_content_not_on_order() -> None:
    other = attrs.evolve(ANY, published=8081)
    assert _rules(ANY, other).generation == _rules(other, ANY).generation
    assert _rules(ANY).generation != _rules(other).generation
    assert len(_rules(ANY).generation) < 128  # NFT_CHAIN_MAXNAMELEN


def test_empty() -> None:
    assert ruleset.ruleset_for("t", [], []).is_empty
    assert not _rules().is_empty
    assert not ruleset.ruleset_for("t", [], [ANY]).is_empty


@pytest.mark.parametrize(
    ("host_ip", "is_loopback", "needs_route"),
    [("", False, True), ("127.0.0.1", True, True), ("127.9.9.9", True, True), ("192.0.2.1", False, False)],
)
def test_forwarding_kinds(host_ip: str, *, is_loopback: bool, needs_route: bool) -> None:
    port = attrs.evolve(ANY, host_ip=host_ip)
    assert (port.is_loopback, port.needs_loopback_route) == (is_loopback, needs_route)


def test_whole_listing_is_no_damage() -> None:
    rules = _rules(ANY)
    assert ruleset.damage_in(rules, _listing(rules)) == ""


def test_each_loss_is_damage() -> None:
    rules = _rules(ANY)
    whole = _listing(rules)
    assert ruleset.damage_in(rules, None) == "its firewall rules are gone"
    older = [item for item in whole if item.get("chain", {}).get("name") != rules.generation]
    assert ruleset.damage_in(rules, older) == "its firewall rules are out of date"
    for position, item in enumerate(whole):
        if "rule" in item or item.get("map", item.get("set", {})).get("elem"):
            rest = whole[:position] + whole[position + 1 :]
            assert ruleset.damage_in(rules, rest) == "its firewall rules were changed"
    dormant = [{"table": {"name": rules.table, "flags": ["dormant"]}}, *whole[1:]]
    assert ruleset.damage_in(rules, dormant) == "its firewall rules were changed"


DUAL = ruleset.GuardedNetwork(bridge="cpbdual", subnet="172.24.2.0/24", subnet6="fd00::/64")
ANY6 = attrs.evolve(ANY, address="fd00::2")


def _text(network: ruleset.GuardedNetwork, *ports: ruleset.Forwarding) -> str:
    return ruleset.ruleset_for("composer_x", [network], ports).text


def _with(**options: object) -> ruleset.GuardedNetwork:
    return attrs.evolve(DUAL, options=BridgeOptions(**options))


def test_both_families_are_guarded_alike() -> None:
    text = _text(DUAL)
    guard = 'fib daddr oifname "cpbdual" drop'
    assert f'ip daddr 172.24.2.0/24 iifname != {{ "lo", "cpbdual" }} {guard}' in text
    assert f'ip6 daddr fd00::/64 iifname != {{ "lo", "cpbdual" }} {guard}' in text
    assert "meta nfproto" not in text
    assert 'ip6 saddr fd00::/64 ip6 daddr != fd00::/64 oifname != "cpbdual" masquerade' in text
    assert 'iifname { "cpbdual" } meta nfproto ipv4 drop' in _text(attrs.evolve(DUAL, subnet=""))


def test_ports_of_both_families() -> None:
    elements = ruleset.ruleset_for(
        "t", [DUAL], [ANY, ANY6, attrs.evolve(ANY6, host_ip="2001:db8::1", published=81)]
    ).elements
    assert elements["published_any"] == ("tcp . 8080 : 172.24.0.2 . 80",)
    assert elements["published_any6"] == ("tcp . 8080 : fd00::2 . 80",)
    assert elements["published_address6"] == ("2001:db8::1 . tcp . 81 : fd00::2 . 80",)


def test_internal_network_with_ipv6_still_finds_its_neighbours() -> None:
    text = _text(attrs.evolve(DUAL, is_internal=True))
    assert text.index("nd-neighbor-solicit") < text.index("ct state != { established, related } drop")
    assert "masquerade" not in text.replace(
        'oifname != "lo" ip saddr 127.0.0.0/8 ct status dnat masquerade', ""
    )


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ({"allows_neighbours": False}, "ct status dnat accept", 'iifname "cpbdual" oifname "cpbdual" accept'),
        ({"masquerades": False}, 'oifname "cpbdual" ct status dnat masquerade', 'oifname != "cpbdual" masquerade'),
        ({"source4": "192.0.2.7"}, "snat ip to 192.0.2.7", 'ip daddr != 172.24.2.0/24 oifname != "cpbdual" masquerade'),
        (
            {"gateway4": Gateway.ROUTED},
            'oifname "cpbdual" ip daddr . meta l4proto . th dport @routed accept',
            "ip daddr 172.24.2.0/24 iifname !=",
        ),
        (
            {"gateway6": Gateway.UNPROTECTED},
            'oifname "cpbdual" meta nfproto ipv6 accept',
            "ip6 daddr fd00::/64 iifname !=",
        ),
    ],
)  # fmt: skip
def test_options_of_the_bridge(options: dict[str, object], present: str, absent: str) -> None:
    text = _text(_with(**options))
    assert present in text
    assert absent not in text


def test_routed_port_is_an_element_of_a_set() -> None:
    rules = ruleset.ruleset_for("t", [DUAL], [attrs.evolve(ANY6, is_translated=False)])
    assert rules.elements["routed6"] == ("fd00::2 . tcp . 80",)
    assert rules.elements["published_any6"] == ()
    assert not attrs.evolve(ANY, is_translated=False).needs_loopback_route

"""The rules as text, and what a listing must show."""

from __future__ import annotations

import attrs
import pytest

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
	}
	chain output {
		type nat hook output priority -100; policy accept;
		dnat ip to ip daddr . meta l4proto . th dport map @published_loopback
		fib daddr type local dnat ip to meta l4proto . th dport map @published_any
		dnat ip to ip daddr . meta l4proto . th dport map @published_address
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
        {"map": {"name": name, **({"elem": list(elements)} if elements else {})}}
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
        if "rule" in item or item.get("map", {}).get("elem"):
            rest = whole[:position] + whole[position + 1 :]
            assert ruleset.damage_in(rules, rest) == "its firewall rules were changed"
    dormant = [{"table": {"name": rules.table, "flags": ["dormant"]}}, *whole[1:]]
    assert ruleset.damage_in(rules, dormant) == "its firewall rules were changed"

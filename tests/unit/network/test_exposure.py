"""Who can reach what: P1 to P8 of docs/security.md, for both families, with real packets.

The machine of ``conftest`` is a host of its own, with a neighbour outside who may set any route.
"""

from __future__ import annotations

import attrs
import pytest

from composer.host import sysctl
from composer.model.container import NetworkMembership
from composer.model.protocols import NetworkState
from composer.model.stack import PublishedPort
from composer.network import fence
from composer.network.driver import LinuxNetwork
from tests.unit.network.conftest import (
    OUTSIDE,
    OUTSIDE6,
    OUTSIDE6_ADDRESS_OF_HOST,
    OUTSIDE_ADDRESS_OF_HOST,
    Machine,
    Place,
)

pytestmark = pytest.mark.root

WEB = PublishedPort(target=80, published=8080)
QUICK = 0.4
CLOSED = ("nothing", "refused")


@attrs.frozen
class World:
    """Two stacks: ``web`` publishes 8080 and listens on 81 as well; ``other`` is somebody else's."""

    machine: Machine
    network: NetworkState
    web: Place
    addresses: tuple[str, str]
    other: Place
    other_addresses: tuple[str, str]


@pytest.fixture
def world(machine: Machine) -> World:
    network = machine.create(enable_ipv6=True)
    theirs = machine.create(stack="theirs", enable_ipv6=True)
    web, (mine,) = machine.join("web", {network.spec.name: NetworkMembership()}, ports=(WEB,))
    other, (own,) = machine.join("other", {theirs.spec.name: NetworkMembership()}, stack="theirs")
    for place in (web, other):
        place.serve(80, "::")
        place.serve(81, "::")
    machine.outside.serve(80, "::")
    for subnet, way in (
        (network.subnet, OUTSIDE_ADDRESS_OF_HOST),
        (network.subnet6, OUTSIDE6_ADDRESS_OF_HOST),
        (theirs.subnet, OUTSIDE_ADDRESS_OF_HOST),
        (theirs.subnet6, OUTSIDE6_ADDRESS_OF_HOST),
    ):
        machine.outside.tool("ip", "route", "add", subnet, "via", way)
    return World(machine, network, web, (mine.address, mine.address6), other, (own.address, own.address6))


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "127.8.8.8", "::1"])
def test_p1_a_loopback_port_is_for_this_host_alone(machine: Machine, host_ip: str) -> None:
    network = machine.create(enable_ipv6=True)
    web, _ = machine.connect("web", network, ports=(attrs.evolve(WEB, host_ip=host_ip),))
    web.serve(80, "::")
    other, _ = machine.connect("other", machine.create(stack="theirs", enable_ipv6=True), stack="theirs")
    inside, _ = machine.connect("inside", network)
    if host_ip != "::1":  # that one is carried by the supervisor (tests/scenarios/test_networks.py)
        assert machine.call(host_ip, 8080) == network.gateway
    for place in (machine.outside, other, inside):
        place.run(lambda: sysctl.write("net/ipv4/conf/all/route_localnet", "1"))
        place.tool("ip", "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local", check=False)
        place.tool("ip", "-6", "route", "del", "local", "::1", "dev", "lo", "table", "local", check=False)
    machine.outside.tool("ip", "route", "add", f"{host_ip}/{128 if ':' in host_ip else 32}", "via",
                         OUTSIDE6_ADDRESS_OF_HOST if ":" in host_ip else OUTSIDE_ADDRESS_OF_HOST)  # fmt: skip
    for place in (machine.outside, other, inside):
        assert place.call(host_ip, 8080, seconds=QUICK) in CLOSED
        for address in (OUTSIDE_ADDRESS_OF_HOST, OUTSIDE6_ADDRESS_OF_HOST):
            assert place.call(address, 8080, seconds=QUICK) in CLOSED


def test_p2_nothing_unpublished_and_no_own_address_from_outside(world: World) -> None:
    for address in world.addresses:
        for port in (80, 81):
            assert world.machine.outside.call(address, port, seconds=QUICK) == "nothing"
            assert world.other.call(address, port, seconds=QUICK) == "nothing"
    for address in (OUTSIDE_ADDRESS_OF_HOST, OUTSIDE6_ADDRESS_OF_HOST):
        assert world.machine.outside.call(address, 81, seconds=QUICK) == "refused"
        assert world.machine.outside.call(address, 8080) in (OUTSIDE, OUTSIDE6)


def test_p3_internal_has_no_way_out_by_any_route(machine: Machine) -> None:
    network = machine.create(internal=True, enable_ipv6=True)
    other = machine.create("other", enable_ipv6=True)
    one, _ = machine.connect("one", network)
    beside, (mine,) = machine.join("beside", {other.spec.name: NetworkMembership()})
    beside.serve(80, "::")
    machine.outside.serve(80, "::")
    machine.serve(9999, "::")
    one.tool("ip", "route", "add", "default", "via", network.gateway)
    one.tool("ip", "-6", "route", "add", "default", "via", network.gateway6)
    for address in (OUTSIDE, OUTSIDE6, mine.address, mine.address6):
        assert one.call(address, seconds=QUICK) == "nothing"
    for address in (network.gateway, network.gateway6, OUTSIDE_ADDRESS_OF_HOST, other.gateway):
        assert one.call(address, 9999, seconds=QUICK) == "nothing"
    zone = machine.driver.zone(machine.stack)
    assert (zone.is_confined("one"), zone.is_confined("beside")) == (True, False)


def test_p4_two_stacks_do_not_meet(world: World) -> None:
    for address in world.other_addresses:
        assert world.web.call(address, 80, seconds=QUICK) == "nothing"
    for address in world.addresses:
        assert world.other.call(address, 80, seconds=QUICK) == "nothing"
    zone = world.machine.driver.zone("theirs")
    assert zone.addresses("other", "web") == ()
    assert zone.addresses("other", "other") == world.other_addresses


ADMIN = (
    ("nft", "add", "table", "inet", "admin"),
    ("nft", "add chain inet admin forward { type filter hook forward priority -10; }"),
    (
        "nft",
        "add rule inet admin forward meta l4proto tcp ct original proto-dst 8080 ip saddr != 192.0.2.0/24 drop",
    ),
    ("nft", "add rule inet admin forward meta l4proto tcp ct original proto-dst 8080 ip6 saddr ::/0 drop"),
)
IPTABLES = tuple(
    (tool, "-I", "FORWARD", "-p", "tcp", "-m", "conntrack", "--ctorigdstport", "8080", "-j", "DROP")
    for tool in ("iptables", "ip6tables")
)


@pytest.mark.parametrize("commands", [ADMIN, IPTABLES], ids=["nft", "iptables"])
@pytest.mark.parametrize("is_later", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("is_refusing", [False, True], ids=["open", "policy drop"])
def test_p6_an_administrators_rule_comes_first(
    machine: Machine, commands: tuple[tuple[str, ...], ...], *, is_later: bool, is_refusing: bool
) -> None:
    if is_refusing:
        machine.tool("iptables", "-P", "FORWARD", "DROP")
        machine.tool("ip6tables", "-P", "FORWARD", "DROP")

    def administrate() -> None:
        for command in commands:
            machine.tool(*command)

    if not is_later:
        administrate()
    network = machine.create(enable_ipv6=True)
    web, _ = machine.connect("web", network, ports=(WEB, attrs.evolve(WEB, published=8081)))
    web.serve(80, "::")
    if is_later:
        administrate()
        machine.create(enable_ipv6=True)  # a repair must not lead past it either
    for address, caller in ((OUTSIDE_ADDRESS_OF_HOST, OUTSIDE), (OUTSIDE6_ADDRESS_OF_HOST, OUTSIDE6)):
        assert machine.outside.call(address, 8080, seconds=QUICK) == "nothing"
        assert machine.outside.call(address, 8081) == caller


def test_p7_a_container_reaches_its_own_published_port(world: World) -> None:
    assert world.web.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == world.network.gateway
    assert world.web.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == world.network.gateway6
    assert world.web.call(world.network.gateway, 8080) == world.network.gateway


def test_p8_loopback_is_routed_where_needed_only(machine: Machine) -> None:
    plain, publishing = machine.create("plain"), machine.create("publishing")
    machine.connect("one", plain)
    machine.connect("two", publishing, ports=(WEB,))

    def routed(bridge: str) -> str | None:
        return machine.run(lambda: sysctl.read(f"net/ipv4/conf/{bridge}/route_localnet"))

    assert (routed(plain.bridge), routed(publishing.bridge), routed("all")) == ("0", "1", "0")


def test_while_the_rules_are_flushed_everything_is_closed(world: World) -> None:
    """F28: until the supervisor looks again, its fence holds (CVE-2025-54388, -54410 class)."""
    machine = world.machine
    machine.run(lambda: machine.driver.stand_guard(machine.stack))
    machine.run(lambda: machine.driver.stand_guard("theirs"))
    internal = machine.create("closed", internal=True, enable_ipv6=True)
    inner, (mine,) = machine.join("inner", {internal.spec.name: NetworkMembership()})
    inner.serve(80, "::")
    inner.tool("ip", "route", "add", "default", "via", internal.gateway)
    machine.tool("nft", "flush", "ruleset")
    assert machine.tool("nft", "list", "tables").count(fence.PREFIX) == 2
    for address in world.addresses:
        assert machine.outside.call(address, 81, seconds=QUICK) == "nothing"
        assert world.other.call(address, 81, seconds=QUICK) == "nothing"
        assert inner.call(address, 81, seconds=QUICK) == "nothing"
    assert inner.call(OUTSIDE, seconds=QUICK) == "nothing"
    assert machine.outside.call(mine.address, seconds=QUICK) == "nothing"
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080, seconds=QUICK) in CLOSED
    machine.create(enable_ipv6=True)
    machine.create("closed", internal=True, enable_ipv6=True)
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE
    assert machine.damage(world.network) == ""


def test_the_fence_goes_with_the_networks_and_with_its_owner(machine: Machine) -> None:
    machine.run(lambda: machine.driver.stand_guard(machine.stack))
    network = machine.create()
    assert fence.PREFIX in machine.tool("nft", "list", "tables")
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert machine.tool("nft", "list", "ruleset") == ""
    machine.create()
    machine.driver._fence.close()
    assert fence.PREFIX not in machine.tool("nft", "list", "tables")


def test_another_stacks_network_is_repaired_but_not_fenced(machine: Machine) -> None:
    """Two supervisors that both want the table would be in each other's way."""
    theirs = machine.create(stack="theirs")
    machine.run(lambda: machine.driver.stand_guard(machine.stack))
    machine.tool("nft", "flush", "ruleset")
    machine.create(stack="theirs")
    assert machine.damage(theirs) == ""
    owner = LinuxNetwork(machine.paths, machine.database)
    machine.run(lambda: owner.stand_guard("theirs"))
    assert machine.tool("nft", "list", "tables").count(fence.PREFIX) == 1
    owner._fence.close()

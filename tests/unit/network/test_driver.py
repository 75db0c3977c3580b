"""The real driver with real packets, in a host of its own (see ``conftest``)."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host import netlink, sysctl
from composer.model import names
from composer.model.container import NetworkSpec
from composer.model.stack import Pool, PublishedPort
from composer.network import firewall
from composer.network.driver import LinuxNetwork
from tests.unit.network.conftest import OUTSIDE, OUTSIDE_ADDRESS_OF_HOST, Machine

pytestmark = pytest.mark.root

WEB = PublishedPort(target=80, published=8080)
QUICK = 0.4
"""Seconds after which a packet that was to be dropped is taken to be."""


def test_two_containers_talk(machine: Machine) -> None:
    network = machine.create()
    one, address = machine.connect("one", network)
    two, other = machine.connect("two", network)
    one.serve()
    assert two.call(address) == other
    assert machine.call(address) == network.gateway
    assert one.tool("ip", "route", "show", "default").startswith(f"default via {network.gateway}")


def test_networks_of_one_stack_and_of_two_are_isolated(machine: Machine) -> None:
    mine, mine_too = machine.create("a"), machine.create("b")
    theirs = machine.create("c", stack="theirs")
    one, address = machine.connect("one", mine)
    two, other = machine.connect("two", mine_too)
    three, third = machine.connect("three", theirs, stack="theirs")
    for place in (one, two, three):
        place.serve()
    calls = [(one, other), (one, third), (two, address), (three, address), (three, other)]
    assert [place.call(goal, seconds=QUICK) for place, goal in calls] == ["nothing"] * 5
    both, _ = machine.connect("both", mine, mine_too)
    assert both.call(address) != "nothing"
    assert both.call(other) != "nothing"


def test_published_port_from_everywhere(machine: Machine) -> None:
    network = machine.create()
    one, _ = machine.connect("one", network, ports=(WEB,))
    two, _ = machine.connect("two", network)
    one.serve()
    assert machine.call("127.0.0.1", 8080) == network.gateway
    assert machine.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE_ADDRESS_OF_HOST
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE
    assert two.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == network.gateway
    assert one.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == network.gateway, "hairpin"
    machine.leave("one")
    assert machine.call("127.0.0.1", 8080) == "refused"
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == "refused"


def test_another_stack_reaches_what_is_published_only(machine: Machine) -> None:
    one, address = machine.connect("one", machine.create(), ports=(WEB,))
    one.serve()
    one.serve(81)
    other, _ = machine.connect("other", machine.create(stack="theirs"), stack="theirs")
    assert other.call(OUTSIDE_ADDRESS_OF_HOST, 8080) != "nothing"
    assert other.call(address, 81, seconds=QUICK) == "nothing"
    assert other.call(address, 80, seconds=QUICK) == "nothing"


def test_neighbour_with_a_route_reaches_nothing_unpublished(machine: Machine) -> None:
    network = machine.create()
    one, address = machine.connect("one", network, ports=(WEB,))
    one.serve()
    one.serve(81)
    machine.outside.tool("ip", "route", "add", network.subnet, "via", OUTSIDE_ADDRESS_OF_HOST)
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE
    assert machine.outside.call(address, 80, seconds=QUICK) == "nothing"
    assert machine.outside.call(address, 81, seconds=QUICK) == "nothing"


def test_loopback_port_is_for_the_host_alone(machine: Machine) -> None:
    port = attrs.evolve(WEB, host_ip="127.0.0.1")
    network = machine.create()
    one, _ = machine.connect("one", network, ports=(port,))
    two, _ = machine.connect("two", network)
    one.serve()
    assert machine.call("127.0.0.1", 8080) == network.gateway
    assert machine.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == "refused"
    machine.outside.run(lambda: sysctl.write("net/ipv4/conf/all/route_localnet", "1"))
    for place, way in ((machine.outside, OUTSIDE_ADDRESS_OF_HOST), (two, network.gateway)):
        place.tool("ip", "link", "set", "lo", "down")
        place.tool("ip", "route", "add", "127.0.0.1/32", "via", way, check=False)
        assert place.call("127.0.0.1", 8080, seconds=QUICK) != network.gateway
        assert place.call(way, 8080, seconds=QUICK) == "refused"


def test_containers_do_not_reach_loopback_of_the_host(machine: Machine) -> None:
    """``route_localnet`` is on for the bridge; the rules close what that opens (P8)."""
    network = machine.create()
    machine.serve(9999, "127.0.0.1")
    one, _ = machine.connect("one", network, ports=(WEB,))
    assert machine.run(lambda: sysctl.read(f"net/ipv4/conf/{network.bridge}/route_localnet")) == "1"
    one.run(lambda: sysctl.write("net/ipv4/conf/all/route_localnet", "1"))
    one.tool("ip", "route", "del", "local", "127.0.0.1", "dev", "lo", "table", "local", check=False)
    one.tool("ip", "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local", check=False)
    one.tool("ip", "route", "add", "127.0.0.1/32", "via", network.gateway)
    assert one.call("127.0.0.1", 9999, seconds=QUICK) == "nothing"
    assert machine.call("127.0.0.1", 9999) == "127.0.0.1"


def test_internal_network_has_no_way_in_or_out(machine: Machine) -> None:
    network = machine.create(internal=True)
    machine.outside.serve()
    machine.serve(9999)
    one, address = machine.connect("one", network, ports=(WEB,))
    two, _ = machine.connect("two", network)
    one.serve()
    assert two.call(address) != "nothing"
    assert machine.call(address) == network.gateway, "the host may look"
    one.tool("ip", "route", "add", "default", "via", network.gateway)
    assert one.call(OUTSIDE, seconds=QUICK) == "nothing"
    assert one.call(network.gateway, 9999, seconds=QUICK) == "nothing"
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080, seconds=QUICK) == "refused"


def test_way_out_carries_the_hosts_address(machine: Machine) -> None:
    machine.outside.serve()
    one, _ = machine.connect("one", machine.create("a", internal=True), machine.create("b"))
    assert one.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_port_of_a_program_is_taken_and_named(machine: Machine, address: str) -> None:
    machine.serve(8080, address)
    network = machine.create()
    with pytest.raises(errors.PortTaken, match=rf"8080/tcp is taken by .* \(pid {os.getpid()}\)"):
        machine.connect("one", network, ports=(WEB,))
    assert machine.run(lambda: machine.driver.links(machine.stack)) == {}
    assert machine.run(lambda: machine.driver.endpoints(machine.stack)) == ()


def test_program_cannot_take_a_published_port(machine: Machine) -> None:
    network = machine.create()
    machine.connect("one", network, ports=(WEB,))

    def bind() -> None:
        with socket.socket() as program:
            program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            program.bind(("", 8080))

    with pytest.raises(OSError, match="in use"):
        machine.run(bind)
    machine.leave("one")
    machine.run(bind)


def test_successor_reserves_and_changes_nothing(machine: Machine) -> None:
    network = machine.create()
    one, _ = machine.connect("one", network, ports=(WEB,))
    one.serve()
    machine.driver._let_go("one")  # as if the process had been killed
    successor = LinuxNetwork(machine.paths, machine.database)
    assert machine.run(lambda: successor.reserve(machine.stack)) == ()
    with pytest.raises(errors.PortTaken):
        machine.run(
            lambda: LinuxNetwork(machine.paths, machine.database)._reserve(
                successor._leases.active_ports(machine.stack)[0]
            )
        )
    assert machine.call("127.0.0.1", 8080) == network.gateway
    successor.disconnect("one")


def test_flushed_rules_are_noticed_and_put_back(machine: Machine) -> None:
    network = machine.create()
    one, _ = machine.connect("one", network, ports=(WEB,))
    one.serve()
    assert machine.damage(network) == ""
    machine.tool("nft", "flush", "ruleset")
    assert machine.damage(network) == "its firewall rules are gone"
    machine.create()
    assert machine.damage(network) == ""
    assert machine.call("127.0.0.1", 8080) == network.gateway


def test_partly_flushed_rules_are_noticed(machine: Machine) -> None:
    network = machine.create()
    machine.connect("one", network, ports=(WEB,))
    table = names.table_name(machine.stack, machine.paths.key)
    for command in (f"flush chain inet {table} forward", f"flush map inet {table} published_any"):
        machine.tool("nft", command)
        assert machine.damage(network) == "its firewall rules were changed"
        machine.create()
        assert machine.damage(network) == ""


@pytest.mark.parametrize(
    ("setup", "blocker"),
    [
        (["iptables-nft -P FORWARD DROP"], "iptables-nft FORWARD"),
        (["iptables-legacy -P FORWARD DROP"], "iptables-legacy FORWARD"),
        (["iptables-nft -A FORWARD -j REJECT"], "iptables-nft FORWARD"),
        (
            [
                "iptables-nft -N DOCKER-USER",
                "iptables-nft -A DOCKER-USER -j RETURN",
                "iptables-nft -A FORWARD -j DOCKER-USER",
                "iptables-nft -P FORWARD DROP",
            ],
            "iptables-nft FORWARD",
        ),
        (
            [
                "nft add table inet mine",
                "nft add chain inet mine routed { type filter hook forward priority 10; policy drop; }",
            ],
            "nft inet mine routed",
        ),
        (
            [
                "nft add table inet firewalld",
                "nft add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }",
                "nft add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited",
            ],
            "nft inet firewalld filter_FORWARD",
        ),
    ],
)
def test_other_firewalls_are_opened_and_left_as_they_were(
    machine: Machine, setup: list[str], blocker: str
) -> None:
    def state() -> str:
        lists = [["iptables-nft", "-S"], ["nft", "list", "ruleset"]]
        if "legacy" in blocker:
            lists.append(["iptables-legacy", "-S"])
        return "".join(machine.tool(*argv, check=False) for argv in lists)

    machine.outside.serve()
    network = machine.create()
    one, address = machine.connect("one", network, ports=(WEB,))
    two, _ = machine.connect("two", network)
    one.serve()
    for command in setup:  # the other firewall starts after us
        machine.tool(*command.split())
    assert machine.damage(network) == f"forwarding is blocked by {blocker}"
    assert one.call(OUTSIDE, seconds=QUICK) != OUTSIDE_ADDRESS_OF_HOST
    for _ in range(2):
        machine.create()
        assert machine.damage(network) == ""
    assert state().count(f"composer:{machine.stack}") == (3 if blocker.startswith("nft") else 2)
    assert one.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE
    assert two.call(address) != "nothing"
    for container in ("one", "two"):
        machine.leave(container)
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert "composer" not in state()
    assert [line for line in state().splitlines() if "DROP" in line or "drop" in line or "reject" in line]


def test_deleted_bridge_comes_back_with_its_links(machine: Machine) -> None:
    network = machine.create()
    one, address = machine.connect("one", network)
    two, other = machine.connect("two", network)
    one.serve()
    machine.tool("ip", "link", "del", network.bridge)
    assert machine.damage(network) == f"its bridge {network.bridge} is gone"
    assert machine.run(lambda: machine.driver.links(machine.stack)) == {}
    machine.create()
    assert machine.damage(network) == ""
    assert set(machine.run(lambda: machine.driver.links(machine.stack))) == {"one", "two"}
    assert two.call(address) == other


def test_lost_address_or_state_of_the_bridge_is_damage(machine: Machine) -> None:
    network = machine.create()
    machine.tool("ip", "addr", "flush", "dev", network.bridge)
    assert "lost address" in machine.damage(network)
    machine.tool("ip", "link", "set", network.bridge, "down")
    assert "is down" in machine.damage(network)
    machine.create()
    machine.run(lambda: sysctl.write("net/ipv4/ip_forward", "0"))
    assert "ip_forward" in machine.damage(network)
    machine.create()
    assert machine.damage(network) == ""


def test_lost_link_is_reconnected(machine: Machine) -> None:
    machine.outside.serve()
    network = machine.create()
    one, address = machine.connect("one", network)
    one.serve()
    sleeper = one.run(lambda: subprocess.Popen(["sleep", "60"]))
    try:
        link = names.veth_name("one", network.spec.name, machine.paths.key)
        machine.tool("ip", "link", "del", link)
        assert machine.run(lambda: machine.driver.links(machine.stack)) == {}
        endpoint = machine.run(lambda: machine.driver.reconnect("one", sleeper.pid, network.spec.name))
        assert (endpoint.address, endpoint.interface) == (address, "eth0")
        assert set(machine.run(lambda: machine.driver.links(machine.stack))) == {"one"}
        assert machine.call(address) == network.gateway
        assert one.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST
    finally:
        sleeper.kill()
        sleeper.wait()


def test_leftover_link_of_a_dead_life_is_replaced(machine: Machine) -> None:
    network = machine.create()
    first, address = machine.connect("one", network)
    descriptor = os.dup(first.descriptor)  # a namespace that something still holds
    try:
        machine.run(lambda: machine.driver.disconnect("one"))
        second, again = machine.connect("one", network)
        second.serve()
        assert again == address
        assert machine.call(address) == network.gateway
    finally:
        os.close(descriptor)
        first.close()


def test_foreign_link_of_our_name_is_left_alone(machine: Machine) -> None:
    spec = NetworkSpec(stack=machine.stack, key="x", name="x")
    bridge = names.bridge_name("x", machine.paths.key)
    machine.tool("ip", "link", "add", bridge, "type", "veth", "peer", "name", "other")
    with pytest.raises(errors.ConflictError, match=bridge):
        machine.run(lambda: machine.driver.create(spec))
    machine.run(lambda: machine.driver.remove("x"))
    assert "veth" in machine.tool("ip", "-d", "link", "show", bridge)


def test_subnets_avoid_routes_of_the_host(machine: Machine) -> None:
    machine.tool("ip", "route", "add", "172.24.0.0/16", "dev", "lo")
    assert machine.create().subnet == "172.25.0.0/24"
    with pytest.raises(errors.SubnetOverlap):
        machine.create("declared", pools=(Pool(subnet="172.24.3.0/24"),))


def test_reboot_moves_a_subnet_that_is_taken_now(machine: Machine) -> None:
    before = machine.create()
    machine.tool("ip", "link", "del", before.bridge)
    machine.tool("ip", "route", "add", before.subnet, "dev", "lo")
    after = machine.create()
    assert after.subnet != before.subnet
    assert machine.damage(after) == ""


def test_containers_without_ports_load_no_rules(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    network = machine.create()
    loads = []
    monkeypatch.setattr(firewall, "apply", lambda *_, **__: loads.append(1))
    for number in range(5):
        machine.connect(f"c{number}", network)
        machine.leave(f"c{number}")
    assert loads == []


def test_nothing_is_left(machine: Machine) -> None:
    before = machine.run(machine.links)
    network = machine.create()
    one, _ = machine.connect("one", network, ports=(WEB,))
    one.serve()
    machine.leave("one")
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert machine.run(machine.links) == before
    assert machine.tool("nft", "list", "ruleset") == ""
    for table in ("networks", "endpoints", "ports"):
        assert machine.database.rows(f"SELECT * FROM {table}") == []


def test_network_in_use_by_another_stack_stays(machine: Machine) -> None:
    network = machine.create()
    machine.connect("guest", network, stack="theirs")
    with pytest.raises(errors.ConflictError, match="theirs"):
        machine.run(lambda: machine.driver.remove(network.spec.name))
    assert machine.damage(network) == ""


def test_build_reaches_out_and_leaves_nothing(machine: Machine) -> None:
    machine.outside.serve()
    handle = machine.run(machine.driver.build_namespace)
    descriptor = os.open(handle.path, os.O_RDONLY)
    try:
        inside = type(machine.outside)(descriptor)
        assert inside.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST
    finally:
        inside.close()
        machine.run(handle.close)
    assert machine.tool("nft", "list", "ruleset") == ""
    assert machine.database.rows("SELECT * FROM networks") == []
    with pytest.raises(FileNotFoundError):
        Path(handle.path).stat()


@pytest.mark.parametrize("occasion", ["build", "adoption", "down"])
def test_build_of_a_dead_process_is_swept(machine: Machine, occasion: str) -> None:
    dead = NetworkSpec(stack="build/999999999/1/1", key="", name="build/999999999/1/1")
    machine.run(lambda: machine.driver.create(dead))
    if occasion == "build":
        machine.run(lambda: machine.driver.build_namespace().close())
    elif occasion == "adoption":
        machine.run(lambda: machine.driver.reserve(machine.stack))
    else:
        machine.run(lambda: machine.driver.remove("any"))
    assert machine.tool("nft", "list", "ruleset") == ""
    assert names.bridge_name(dead.name, machine.paths.key) not in machine.run(machine.links)
    assert machine.database.rows("SELECT * FROM networks") == []


def test_external_networks_publish_and_resolve_too(machine: Machine) -> None:
    network = machine.create()
    host, _ = machine.connect("host", network)
    guest, address = machine.connect("guest", network, ports=(WEB,), stack="theirs")
    guest.serve()
    assert machine.call("127.0.0.1", 8080) == network.gateway
    assert host.call(address) != "nothing"
    zone = machine.driver.zone("theirs")
    assert zone.addresses("guest", "host") != ()
    machine.leave("guest")
    assert machine.tool("nft", "list", "tables").count("composer_") == 1


def test_foreign_errors_are_translated(machine: Machine) -> None:
    with pytest.raises(errors.NetworkFailure):
        machine.run(lambda: machine.driver.reconnect("nobody", 1, "nowhere"))
    network = machine.create()
    with pytest.raises(errors.ConflictError, match="no address of this host"):
        machine.connect("one", network, ports=(attrs.evolve(WEB, host_ip="198.51.100.9"),))
    with pytest.raises(errors.NetworkFailure), netlink.Netlink() as kernel:
        kernel.change([netlink.delete_link("composer-none")])


def test_table_of_a_lost_store_harms_nobody(machine: Machine) -> None:
    """A store removed by hand leaves its table; the subnet's next owner must not notice."""
    lost = machine.create("lost", stack="lost")
    machine.tool("ip", "link", "del", lost.bridge)
    machine.database.rows("DELETE FROM networks")
    machine.outside.serve()
    network = machine.create()
    assert network.subnet == lost.subnet
    assert machine.tool("nft", "list", "tables").count("composer_") == 2
    one, address = machine.connect("one", network, ports=(WEB,))
    two, other = machine.connect("two", network)
    one.serve()
    assert two.call(address) == other
    assert two.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE


def test_a_range_gives_each_container_its_first_free_port(machine: Machine) -> None:
    network = machine.create()
    machine.serve(8000)
    wanted = attrs.evolve(WEB, published=8000, last=8002)
    one, _ = machine.connect("one", network, ports=(wanted,))
    two, _ = machine.connect("two", network, ports=(wanted,))
    for place in (one, two):
        place.serve()
    assert [machine.driver.published(name)[0].published for name in ("one", "two")] == [8001, 8002]
    assert machine.call("127.0.0.1", 8001) == machine.call("127.0.0.1", 8002) == network.gateway
    with pytest.raises(errors.PortTaken, match=r"8000-8002:80/tcp: every port of it is taken"):
        machine.connect("three", network, ports=(wanted,))
    machine.run(lambda: machine.driver.disconnect("one"))
    assert machine.driver.published("one")[0].published == 8001, "kept for its next start"


def test_equal_beginnings_of_long_names_are_different_links(machine: Machine) -> None:
    """F23: a bridge's name has 15 bytes, a stack's may have forty in common with another's."""
    stacks = [f"{'a' * 40}{end}" for end in "xy"]
    states = [machine.create(stack=stack) for stack in stacks]
    assert len({state.bridge for state in states}) == 2
    assert all(len(state.bridge) <= 15 and machine.damage(state) == "" for state in states)

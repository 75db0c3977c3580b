"""IPv6 with real packets, in a host of its own (see ``conftest``): the promises of IPv4, once more."""

from __future__ import annotations

import attrs
import pytest

from composer import errors
from composer.host import sysctl
from composer.model.container import NetworkMembership
from composer.model.protocols import NetworkState
from composer.model.stack import Pool, PublishedPort
from tests.unit.network.conftest import (
    OUTSIDE,
    OUTSIDE6,
    OUTSIDE6_ADDRESS_OF_HOST,
    OUTSIDE_ADDRESS_OF_HOST,
    Machine,
)

pytestmark = pytest.mark.root

WEB = PublishedPort(target=80, published=8080)
QUICK = 0.4


def _join(machine: Machine, name: str, *networks: NetworkState, stack: str = "", ports=(), **fields):
    memberships = {network.spec.name: NetworkMembership(**fields) for network in networks}
    place, endpoints = machine.join(name, memberships, ports=ports, stack=stack)
    place.serve(80, "::")
    return place, endpoints[0]


def test_two_containers_talk_over_both(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    one, mine = _join(machine, "one", network)
    two, other = _join(machine, "two", network)
    assert two.call(mine.address6) == other.address6
    assert two.call(mine.address) == other.address
    assert machine.call(mine.address6) == network.gateway6
    assert one.tool("ip", "-6", "route", "show", "default").startswith(f"default via {network.gateway6}")


def test_declared_subnets_of_both_families(machine: Machine) -> None:
    network = machine.create(
        enable_ipv6=True,
        pools=(
            Pool(subnet="10.77.0.0/24", gateway="10.77.0.9", ip_range="10.77.0.128/25"),
            Pool(subnet="fd77::/64", ip_range="fd77::4:0/112", aux_addresses={"router": "fd77::4:0"}),
        ),
    )
    one, mine = _join(machine, "one", network)
    assert (mine.address, mine.address6) == ("10.77.0.128", "fd77::4:1")
    shown = one.tool("ip", "-o", "addr", "show", "eth0")
    assert "10.77.0.128/24" in shown
    assert "fd77::4:1/64" in shown
    assert one.tool("ip", "route", "show", "default").startswith("default via 10.77.0.9 ")
    _, static = _join(machine, "two", network, ipv6_address="fd77::99", ipv4_address="10.77.0.5")
    assert (static.address, static.address6) == ("10.77.0.5", "fd77::99")


def test_ipv6_alone(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True, enable_ipv4=False)
    assert (network.subnet, network.gateway) == ("", "")
    one, mine = _join(machine, "one", network, ports=(WEB,))
    _, other = _join(machine, "two", network)
    assert mine.address == ""
    assert one.call(other.address6) == mine.address6
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == "refused"


def test_networks_are_isolated_both_ways(machine: Machine) -> None:
    first, second = machine.create("a", enable_ipv6=True), machine.create("b", enable_ipv6=True)
    theirs = machine.create("c", stack="theirs", enable_ipv6=True)
    places = [
        _join(machine, "one", first),
        _join(machine, "two", second),
        _join(machine, "three", theirs, stack="theirs"),
    ]
    for place, own in places:
        for _, other in places:
            if other is not own:
                assert place.call(other.address6, seconds=QUICK) == "nothing"
                assert place.call(other.address, seconds=QUICK) == "nothing"


def test_published_port_from_everywhere(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    one, _ = _join(machine, "one", network, ports=(WEB,))
    two, _ = _join(machine, "two", network)
    assert machine.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6_ADDRESS_OF_HOST
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6
    assert two.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == network.gateway6
    assert one.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == network.gateway6, "hairpin"
    machine.leave("one")
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == "refused"


def test_published_on_one_address_is_on_no_other(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    port = attrs.evolve(WEB, host_ip=OUTSIDE6_ADDRESS_OF_HOST)
    _join(machine, "one", network, ports=(port,))
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == "refused"
    assert machine.call("127.0.0.1", 8080) == "refused"


@pytest.mark.parametrize(("host_ip", "open4", "open6"), [("0.0.0.0", True, False), ("::", False, True)])
def test_every_address_of_one_family(machine: Machine, host_ip: str, *, open4: bool, open6: bool) -> None:
    network = machine.create(enable_ipv6=True)
    _join(machine, "one", network, ports=(attrs.evolve(WEB, host_ip=host_ip),))
    assert (machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) != "refused") is open4
    assert (machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) != "refused") is open6


def test_neighbour_with_a_route_reaches_nothing_unpublished(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    one, mine = _join(machine, "one", network, ports=(WEB,))
    one.serve(81, "::")
    machine.outside.tool("ip", "-6", "route", "add", network.subnet6, "via", OUTSIDE6_ADDRESS_OF_HOST)
    assert machine.outside.call(mine.address6, 80, seconds=QUICK) == "nothing"
    assert machine.outside.call(mine.address6, 81, seconds=QUICK) == "nothing"


def test_internal_network_has_no_way_in_or_out(machine: Machine) -> None:
    network = machine.create(internal=True, enable_ipv6=True)
    machine.outside.serve(80, "::")
    machine.serve(9999, "::")
    one, mine = _join(machine, "one", network, ports=(WEB,))
    two, _ = _join(machine, "two", network)
    assert two.call(mine.address6) != "nothing"
    assert machine.call(mine.address6) == network.gateway6, "the host may look"
    assert "default" not in one.tool("ip", "-6", "route")
    one.tool("ip", "-6", "route", "add", "default", "via", network.gateway6)
    assert one.call(OUTSIDE6, seconds=QUICK) == "nothing"
    assert one.call(network.gateway6, 9999, seconds=QUICK) == "nothing"
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080, seconds=QUICK) == "refused"


def test_way_out_carries_the_hosts_address(machine: Machine) -> None:
    machine.outside.serve(80, "::")
    one, _ = _join(machine, "one", machine.create(enable_ipv6=True))
    assert one.call(OUTSIDE6) == OUTSIDE6_ADDRESS_OF_HOST


def test_network_without_ipv6_carries_none(machine: Machine) -> None:
    network = machine.create()
    one, _ = machine.connect("one", network)
    one.run(lambda: sysctl.write("net/ipv6/conf/eth0/disable_ipv6", "0"))
    one.tool("ip", "addr", "add", "fd99::2/64", "dev", "eth0", "nodad")
    machine.run(lambda: sysctl.write(f"net/ipv6/conf/{network.bridge}/disable_ipv6", "0"))
    machine.tool("ip", "addr", "add", "fd99::1/64", "dev", network.bridge, "nodad")
    machine.serve(9999, "::")
    assert one.call("fd99::1", 9999, seconds=QUICK) == "nothing"


def test_flushed_rules_and_lost_addresses_are_put_back(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    _join(machine, "one", network, ports=(WEB,))
    machine.tool("nft", "flush", "ruleset")
    machine.tool("ip", "-6", "addr", "del", f"{network.gateway6}/64", "dev", network.bridge)
    assert machine.damage(network) == f"its bridge {network.bridge} lost address {network.gateway6}"
    machine.create(enable_ipv6=True)
    assert machine.damage(network) == ""
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6
    machine.run(lambda: sysctl.write("net/ipv6/conf/all/forwarding", "0"))
    assert "net.ipv6.conf.all.forwarding" in machine.damage(network)


def test_host_goes_on_to_hear_its_routers(machine: Machine) -> None:
    """Forwarding alone would make the kernel ignore router advertisements on the uplink."""
    assert machine.run(lambda: sysctl.read("net/ipv6/conf/uplink/accept_ra")) == "1"
    machine.create(enable_ipv6=True)
    assert machine.run(lambda: sysctl.read("net/ipv6/conf/uplink/accept_ra")) == "2"


def test_declared_subnet_that_overlaps_a_route_is_refused(machine: Machine) -> None:
    machine.tool("ip", "-6", "route", "add", "fd88::/32", "dev", "lo")
    with pytest.raises(errors.SubnetOverlap, match="fd88::/32"):
        machine.create(enable_ipv6=True, pools=(Pool(subnet="fd88:0:1::/64"),))
    assert machine.database.rows("SELECT * FROM networks") == []


def test_nothing_is_left(machine: Machine) -> None:
    before = machine.run(machine.links)
    network = machine.create(enable_ipv6=True)
    _join(machine, "one", network, ports=(WEB,))
    machine.leave("one")
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert machine.run(machine.links) == before
    assert machine.tool("nft", "list", "ruleset") == ""


def test_udp_is_published_on_both(machine: Machine) -> None:
    network = machine.create(enable_ipv6=True)
    port = PublishedPort(target=53, published=5353, protocol="udp")
    one, mine = _join(machine, "one", network, ports=(port,))
    one.serve_datagrams(53, mine.address)
    one.serve_datagrams(53, mine.address6)
    assert machine.outside.ask(OUTSIDE_ADDRESS_OF_HOST, 5353) == OUTSIDE
    assert machine.outside.ask(OUTSIDE6_ADDRESS_OF_HOST, 5353) == OUTSIDE6
    assert machine.ask("127.0.0.1", 5353) == network.gateway

"""What each attachment may ask for, read back from the kernel, in a host of its own (see ``conftest``)."""

from __future__ import annotations

import json

import attrs
import pytest

from composer import errors
from composer.host import sysctl
from composer.model.container import NetworkMembership
from composer.model.stack import Pool, PublishedPort
from composer.network import attachment
from composer.network.attachment import way_out
from composer.network.leases import EndpointLease, NetworkLease
from tests.unit.network.conftest import (
    OUTSIDE,
    OUTSIDE6,
    OUTSIDE6_ADDRESS_OF_HOST,
    OUTSIDE_ADDRESS_OF_HOST,
    Machine,
    Place,
)

root = pytest.mark.root

WEB = PublishedPort(target=80, published=8080)
QUICK = 0.4
BRIDGE = "com.docker.network.bridge."


def _link(place: Place, name: str) -> dict:
    (link,) = json.loads(place.tool("ip", "-json", "-details", "link", "show", name))
    return link


def _default(place: Place, family: str = "-4") -> str:
    return place.tool("ip", family, "route", "show", "default").split(" dev ")[0].removeprefix("default via ")


@root
def test_name_address_and_order_of_interfaces(machine: Machine) -> None:
    front, back = machine.create("front"), machine.create("back", enable_ipv6=True)
    place, _ = machine.join(
        "one",
        {
            front.spec.name: NetworkMembership(priority=10, mac_address="02:11:22:33:44:55"),
            back.spec.name: NetworkMembership(
                interface_name="inner",
                link_local_ips=("169.254.8.8", "fe80::8"),
                driver_opts={
                    "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
                },
            ),
        },
    )
    assert _link(place, "eth0")["address"] == "02:11:22:33:44:55"
    shown = place.tool("ip", "-o", "addr", "show", "inner")
    assert "inet 169.254.8.8/16" in shown
    assert "inet6 fe80::8/64" in shown
    assert place.tool("cat", "/proc/sys/net/ipv4/conf/inner/log_martians") == "1\n"


@root
def test_gateway_follows_its_priority(machine: Machine) -> None:
    front, back = machine.create("front"), machine.create("back")
    inner = machine.create("inner", internal=True)
    place, _ = machine.connect("plain", front, back, inner)
    assert _default(place) == back.gateway, "the first by name"
    place, _ = machine.join(
        "asked",
        {
            front.spec.name: NetworkMembership(gw_priority=1),
            back.spec.name: NetworkMembership(priority=100),
            inner.spec.name: NetworkMembership(gw_priority=100),
        },
    )
    assert _default(place) == front.gateway
    assert (
        place.tool("ip", "-o", "addr", "show", "eth0").split()[3].startswith(back.subnet.rpartition(".")[0])
    )


@root
def test_published_port_leads_where_the_default_route_leads(machine: Machine) -> None:
    front, back = machine.create("front"), machine.create("back")
    place, _ = machine.join(
        "one",
        {front.spec.name: NetworkMembership(gw_priority=1), back.spec.name: NetworkMembership()},
        ports=(WEB,),
    )
    place.serve()
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE
    assert machine.call("127.0.0.1", 8080) == front.gateway


@pytest.mark.parametrize(
    ("priorities", "internal", "expected"),
    [
        ({"a": 0, "b": 0}, (), "a"),
        ({"a": 0, "b": 1}, (), "b"),
        ({"a": 1, "b": 5}, ("b",), "a"),
        ({"a": -1, "b": 0}, (), "b"),
        ({"a": 0}, ("a",), None),
    ],
)
def test_way_out(priorities: dict[str, int], internal: tuple[str, ...], expected: str | None) -> None:
    from composer.model.container import NetworkSpec

    networks = {
        name: NetworkLease(
            spec=NetworkSpec(stack="s", key=name, name=name, internal=name in internal),
            subnet="10.0.0.0/24",
            gateway="10.0.0.1",
            bridge=f"cpb{name}",
        )
        for name in priorities
    }
    endpoints = [
        EndpointLease(
            container_id="c",
            network=name,
            stack="s",
            address="10.0.0.2",
            interface="eth0",
            position=0,
            names=(),
            is_active=True,
            membership=NetworkMembership(gw_priority=priority),
        )
        for name, priority in priorities.items()
    ]
    found = way_out(endpoints, networks, 4)
    assert (found.network if found else None) == expected
    assert way_out(endpoints, networks, 6) is None


# --------------------------------------------------------------------------- options of a bridge


@root
def test_mtu_and_names(machine: Machine) -> None:
    network = machine.create(
        driver_opts={
            f"{BRIDGE}name": "mybridge",
            "com.docker.network.driver.mtu": "1400",
            "com.docker.network.container_iface_prefix": "net",
        }
    )
    assert network.bridge == "mybridge"
    place, _ = machine.connect("one", network)
    assert (_link(machine, "mybridge")["mtu"], _link(place, "net0")["mtu"]) == (1400, 1400)
    machine.leave("one")
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert "mybridge" not in machine.run(machine.links)


@root
def test_bridge_of_somebody_else_is_left_alone(machine: Machine) -> None:
    machine.tool("ip", "link", "add", "mybridge", "type", "bridge")
    with pytest.raises(errors.ConflictError, match="mybridge exists that composer did not make"):
        machine.create(driver_opts={f"{BRIDGE}name": "mybridge"})
    assert machine.database.rows("SELECT * FROM networks") == []
    assert "mybridge" in machine.run(machine.links)


@root
def test_neighbours_that_may_not_talk(machine: Machine) -> None:
    network = machine.create(driver_opts={f"{BRIDGE}enable_icc": "false"}, enable_ipv6=True)
    one, mine = machine.join("one", {network.spec.name: NetworkMembership()}, ports=(WEB,))
    two, _ = machine.connect("two", network)
    one.serve(80, "::")
    one.serve(81, "::")
    machine.outside.serve()
    assert two.call(mine[0].address, 81, seconds=QUICK) == "nothing"
    assert two.call(mine[0].address6, 81, seconds=QUICK) == "nothing"
    two.tool("ip", "route", "add", f"{mine[0].address}/32", "via", network.gateway)
    assert two.call(mine[0].address, 81, seconds=QUICK) == "nothing", "by way of the host neither"
    assert two.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST
    # Bridged packets that pass iptables never leave the bridge, where neighbours are kept apart.
    is_filtered = machine.run(lambda: sysctl.read("net/bridge/bridge-nf-call-iptables")) == "1"
    assert two.call(OUTSIDE_ADDRESS_OF_HOST, 8080, seconds=QUICK) == (
        "nothing" if is_filtered else network.gateway
    )
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE


@root
def test_without_masquerade_the_containers_address_goes_out(machine: Machine) -> None:
    network = machine.create(driver_opts={f"{BRIDGE}enable_ip_masquerade": "false"})
    one, _ = machine.connect("one", network)
    machine.outside.serve()
    assert one.call(OUTSIDE, seconds=QUICK) == "nothing", "nobody outside knows the way back"
    machine.outside.tool("ip", "route", "add", network.subnet, "via", OUTSIDE_ADDRESS_OF_HOST)
    assert one.call(OUTSIDE, seconds=QUICK) == "nothing", "answers to its own address are direct access"
    machine.run(lambda: machine.driver.remove("none"))
    routed = machine.create("routed", driver_opts={f"{BRIDGE}gateway_mode_ipv4": "routed"})
    two, own = machine.connect("two", routed)
    machine.outside.tool("ip", "route", "add", routed.subnet, "via", OUTSIDE_ADDRESS_OF_HOST)
    assert two.call(OUTSIDE) == own


@root
def test_another_source_address(machine: Machine) -> None:
    machine.tool("ip", "addr", "add", "203.0.113.9/24", "dev", "uplink")
    one, _ = machine.connect(
        "one", machine.create(driver_opts={"com.docker.network.host_ipv4": "203.0.113.9"})
    )
    machine.outside.serve()
    assert one.call(OUTSIDE) == "203.0.113.9"


@root
def test_ports_are_bound_where_the_network_says(machine: Machine) -> None:
    network = machine.create(driver_opts={f"{BRIDGE}host_binding_ipv4": "127.0.0.1"})
    one, _ = machine.connect("one", network, ports=(WEB,))
    one.serve()
    assert machine.driver.published("one") == (attrs.evolve(WEB, host_ip="127.0.0.1"),)
    assert machine.call("127.0.0.1", 8080) == network.gateway
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == "refused"


@root
@pytest.mark.parametrize("version", [4, 6])
def test_routed_network(machine: Machine, version: int) -> None:
    network = machine.create(enable_ipv6=True, driver_opts={f"{BRIDGE}gateway_mode_ipv{version}": "routed"})
    one, (mine,) = machine.join("one", {network.spec.name: NetworkMembership()}, ports=(WEB,))
    one.serve(80, "::")
    one.serve(81, "::")
    machine.outside.serve(80, "::")
    way, subnet = (
        (OUTSIDE_ADDRESS_OF_HOST, network.subnet)
        if version == 4
        else (OUTSIDE6_ADDRESS_OF_HOST, network.subnet6)
    )
    machine.outside.tool("ip", f"-{version}", "route", "add", subnet, "via", way)
    own, beyond = (mine.address, OUTSIDE) if version == 4 else (mine.address6, OUTSIDE6)
    assert machine.outside.call(own, 80) == beyond, "a published port, at the container's own address"
    assert machine.outside.call(own, 81, seconds=QUICK) == "nothing"
    assert one.call(beyond) == own
    other, _ = machine.connect("other", machine.create("other", enable_ipv6=True))
    assert other.call(own, 81, seconds=QUICK) == "nothing"


@root
def test_unprotected_network(machine: Machine) -> None:
    network = machine.create(driver_opts={f"{BRIDGE}gateway_mode_ipv4": "nat-unprotected"})
    one, address = machine.connect("one", network, ports=(WEB,))
    one.serve(81)
    machine.outside.tool("ip", "route", "add", network.subnet, "via", OUTSIDE_ADDRESS_OF_HOST)
    assert machine.outside.call(address, 81) == OUTSIDE


@root
def test_isolated_network_has_no_host_on_it(machine: Machine) -> None:
    network = machine.create(internal=True, driver_opts={f"{BRIDGE}gateway_mode_ipv4": "isolated"})
    one, address = machine.connect("one", network)
    two, other = machine.connect("two", network)
    one.serve()
    assert two.call(address) == other
    assert "inet " not in machine.tool("ip", "-o", "addr", "show", network.bridge)
    assert machine.damage(network) == ""


# --------------------------------------------------------------------------- macvlan


@root
def test_macvlan_on_a_parent(machine: Machine) -> None:
    """The uplink stands for a network card; the neighbour outside for the rest of the wire."""
    network = machine.create(
        driver="macvlan",
        driver_opts={"parent": "uplink"},
        pools=(Pool(subnet="203.0.113.0/24", ip_range="203.0.113.64/27", gateway="203.0.113.2"),),
    )
    one, address = machine.connect("one", network, ports=(WEB,))
    two, other = machine.connect("two", network)
    assert (address, other) == ("203.0.113.64", "203.0.113.65")
    details = _link(one, "eth0")["linkinfo"]
    assert (details["info_kind"], details["info_data"]["mode"]) == ("macvlan", "bridge")
    one.serve()
    assert two.call(address) == other
    assert machine.outside.call(address) == OUTSIDE
    assert _default(one) == OUTSIDE
    assert machine.run(lambda: machine.driver.links(machine.stack)) == {
        "one": frozenset({network.spec.name}),
        "two": frozenset({network.spec.name}),
    }
    assert machine.driver.published("one") == (), "it has an address of its own there"
    zone = machine.driver.zone(machine.stack)
    assert zone.addresses("two", "one") == (address,)
    assert machine.damage(network) == ""
    machine.leave("one")
    machine.leave("two")
    machine.run(lambda: machine.driver.remove(network.spec.name))
    assert machine.database.rows("SELECT * FROM networks") == []


@root
def test_macvlan_without_its_parent(machine: Machine) -> None:
    with pytest.raises(errors.ConflictError, match="no network interface eth7"):
        machine.create(driver="macvlan", driver_opts={"parent": "eth7"})
    machine.tool("ip", "link", "add", "spare", "type", "veth", "peer", "name", "spare2")
    network = machine.create(driver="macvlan", driver_opts={"parent": "spare"})
    machine.tool("ip", "link", "del", "spare")
    assert machine.damage(network) == "its interface spare is gone"


@root
def test_ipvlan_or_a_clear_word(machine: Machine) -> None:
    """Whether this kernel has the driver is not ours to know before."""
    network = machine.create(
        driver="ipvlan",
        driver_opts={"parent": "uplink", "ipvlan_mode": "l3"},
        pools=(Pool(subnet="10.88.0.0/24"),),
    )
    done = machine.tool("ip", "link", "add", "probe", "link", "uplink", "type", "ipvlan", check=False)
    is_there = "probe" in machine.run(machine.links)
    machine.tool("ip", "link", "del", "probe", check=False)
    if not is_there:
        with pytest.raises(errors.HostUnsupported, match=r"cannot make a slice of uplink"):
            machine.connect("one", network)
        assert machine.run(lambda: machine.driver.endpoints(machine.stack)) == (), done
        return
    one, _ = machine.connect("one", network)
    assert _link(one, "eth0")["linkinfo"]["info_kind"] == "ipvlan"
    assert one.tool("ip", "route", "show", "default").startswith("default dev eth0")


# --------------------------------------------------------------------------- by hand


@root
def test_attached_to_a_running_container_and_detached(machine: Machine) -> None:
    first, second = machine.create("first"), machine.create("second", enable_ipv6=True)
    one, _ = machine.connect("one", second)
    two, address = machine.connect("two", first)
    two.serve()
    pid = machine.process_of("one")
    membership = NetworkMembership(aliases=("extra",), ipv4_address=None, gw_priority=5)
    endpoint = machine.run(
        lambda: machine.driver.attach("one", pid, first.spec.name, membership, ["one"], stack=machine.stack)
    )
    assert endpoint.interface == "eth1"
    assert one.call(address) == endpoint.address
    assert _default(one) == first.gateway
    assert _default(one, "-6") == second.gateway6
    assert machine.driver.zone(machine.stack).addresses("two", "extra") == (endpoint.address,)
    machine.run(lambda: machine.driver.detach("one", pid, first.spec.name))
    machine.run(lambda: machine.driver.detach("one", pid, first.spec.name))
    assert one.call(address, seconds=QUICK) == "nothing"
    assert "eth1" not in one.tool("ip", "link")
    assert _default(one) == second.gateway
    assert machine.driver.zone(machine.stack).addresses("two", "extra") == ()


@root
def test_refused_attachment_leaves_nothing(machine: Machine) -> None:
    first, second = machine.create("first"), machine.create("second")
    one, _ = machine.connect("one", first)
    pid = machine.process_of("one")
    for membership in (
        NetworkMembership(ipv4_address="192.0.2.1"),
        NetworkMembership(interface_name="eth0"),
    ):
        with pytest.raises(errors.ComposerError):
            machine.run(
                lambda m=membership: machine.driver.attach(
                    "one", pid, second.spec.name, m, [], stack=machine.stack
                )
            )
        assert len(machine.run(lambda: machine.driver.endpoints(machine.stack))) == 1
    assert _default(one) == first.gateway
    assert "eth0" in one.tool("ip", "link")


@root
def test_port_follows_the_way_out(machine: Machine) -> None:
    """The network that a port came in by is left: it comes in by the other."""
    first, second = machine.create("a"), machine.create("b")
    one, _ = machine.connect("one", first, second, ports=(WEB,))
    one.serve()
    assert machine.call("127.0.0.1", 8080) == first.gateway
    pid = machine.process_of("one")
    machine.run(lambda: machine.driver.detach("one", pid, first.spec.name))
    assert machine.call("127.0.0.1", 8080) == second.gateway
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080) == OUTSIDE


# --------------------------------------------------------------------------- ports, purely


def _lease(**options: str) -> NetworkLease:
    from composer.model.container import NetworkSpec

    given = {f"{BRIDGE}{name}": value for name, value in options.items()}
    return NetworkLease(
        spec=NetworkSpec(stack="s", key="n", name="n", driver_opts=given),
        subnet="10.0.0.0/24",
        gateway="10.0.0.1",
        bridge="cpbn",
    )


@pytest.mark.parametrize(
    ("host_ip", "address", "expected"),
    [
        ("", "10.0.0.2", ""),
        ("0.0.0.0", "10.0.0.2", ""),
        ("::", "10.0.0.2", None),
        ("127.0.0.1", "10.0.0.2", "127.0.0.1"),
        ("192.0.2.1", "fd00::2", None),
        ("", "fd00::2", ""),
        ("::", "fd00::2", ""),
        ("0.0.0.0", "fd00::2", None),
        ("2001:db8::1", "fd00::2", "2001:db8::1"),
        ("::1", "fd00::2", None),
    ],
)
def test_where_a_rule_leads(host_ip: str, address: str, expected: str | None) -> None:
    found = attachment.forwarding(host_ip, 8080, "tcp", 80, address=address, lease=_lease())
    assert (found.host_ip if found else None) == expected


@pytest.mark.parametrize(
    ("mode", "expected"), [("nat", True), ("routed", False), ("nat-unprotected", True), ("isolated", None)]
)
def test_modes_of_the_gateway(mode: str, expected: bool | None) -> None:
    lease = _lease(gateway_mode_ipv4=mode)
    found = attachment.forwarding("", 8080, "tcp", 80, address="10.0.0.2", lease=lease)
    assert (found.is_translated if found else None) is expected

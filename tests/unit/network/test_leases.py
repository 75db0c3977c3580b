"""Leases in the database; no kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host.database import Database
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.stack import Pool, PublishedPort
from composer.network.leases import BUILD, Leases

SPEC = NetworkSpec(stack="shop", key="front", name="shop_front")
PLAIN = {"shop_front": NetworkMembership()}
WEB = PublishedPort(target=80, published=8080)


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    database = Database(tmp_path / "state.db")
    made = Leases(database)
    made.lease_network(SPEC, "cpb1", ())
    yield made
    database.close()


def test_lease_of_a_network_is_found_again(leases: Leases) -> None:
    again = leases.lease_network(SPEC, "cpb1", ["172.24.0.0/24"])
    assert again == leases.network("shop_front")
    assert (again.subnet, again.gateway, again.prefix(4)) == ("172.24.0.0/24", "172.24.0.1", 24)


def test_changed_labels_keep_the_subnet(leases: Leases) -> None:
    changed = attrs.evolve(SPEC, labels={"a": "b"})
    leases.lease_network(changed, "cpb1", ())
    found = leases.network("shop_front")
    assert found is not None
    assert (found.spec, found.subnet) == (changed, "172.24.0.0/24")


def test_recorded_networks_and_routes_are_taken(leases: Leases) -> None:
    other = attrs.evolve(SPEC, name="shop_back")
    assert leases.lease_network(other, "cpb2", ["172.24.1.0/24"]).subnet == "172.24.2.0/24"


def test_two_processes_never_get_the_same(tmp_path: Path, leases: Leases) -> None:
    second = Database(tmp_path / "state.db")
    try:
        theirs = Leases(second).lease_network(attrs.evolve(SPEC, name="x", stack="x"), "cpb9", ())
        assert theirs.subnet != "172.24.0.0/24"
        assert Leases(second).network("shop_front") == leases.network("shop_front")
    finally:
        second.close()


def test_refused_network_leaves_no_row(leases: Leases) -> None:
    with pytest.raises(errors.UsageError):
        leases.lease_network(attrs.evolve(SPEC, name="bad", pools=(Pool(gateway="10.9.9.9"),)), "cpb3", ())
    assert leases.network("bad") is None


def test_failed_connect_leaves_the_leases_as_they_were(leases: Leases) -> None:
    leases.lease_endpoints("one", "shop", PLAIN, ["web"])
    before = leases.endpoints_of("one")
    with pytest.raises(errors.NetworkFailure):
        leases.lease_endpoints("one", "shop", {"nowhere": NetworkMembership()}, ["web"])
    assert leases.endpoints_of("one") == before


def test_left_network_frees_the_address(leases: Leases) -> None:
    leases.lease_network(attrs.evolve(SPEC, name="shop_back"), "cpb2", ())
    leases.lease_endpoints("one", "shop", {**PLAIN, "shop_back": NetworkMembership()}, [])
    leases.lease_endpoints("one", "shop", PLAIN, [])
    assert [lease.network for lease in leases.endpoints_of("one")] == ["shop_front"]
    assert leases.endpoints_on("shop_back") == ()


def test_names_come_once_and_in_order(leases: Leases) -> None:
    membership = {"shop_front": NetworkMembership(aliases=("web", "www"))}
    (lease,) = leases.lease_endpoints("one", "shop", membership, ["shop-web-1", "web"])
    assert lease.names == ("shop-web-1", "web", "www")


def test_static_address_of_a_stopped_container_is_taken_over(leases: Leases) -> None:
    leases.lease_endpoints("one", "shop", PLAIN, [])
    leases.deactivate("one")
    static = {"shop_front": NetworkMembership(ipv4_address="172.24.0.2")}
    assert leases.lease_endpoints("two", "shop", static, [])[0].address == "172.24.0.2"
    assert leases.lease_endpoints("one", "shop", PLAIN, [])[0].address == "172.24.0.3"


def test_near_is_own_networks_and_those_taken_part_in(leases: Leases) -> None:
    leases.lease_network(NetworkSpec(stack="other", key="x", name="other_x"), "cpb8", ())
    leases.lease_endpoints("one", "shop", PLAIN, [])
    leases.lease_endpoints("guest", "other", PLAIN, [])
    leases.lease_endpoints("alone", "other", {"other_x": NetworkMembership()}, [])
    assert {lease.container_id for lease in leases.endpoints_near("shop")} == {"one", "guest"}
    assert {lease.container_id for lease in leases.endpoints_near("other")} == {"one", "guest", "alone"}


@pytest.mark.parametrize(
    ("mine", "theirs", "is_plugged", "is_taken"),
    [
        (WEB, WEB, True, True),
        (WEB, attrs.evolve(WEB, target=81), True, True),
        (WEB, WEB, False, False),
        (WEB, attrs.evolve(WEB, published=8081), True, False),
        (WEB, attrs.evolve(WEB, protocol="udp"), True, False),
        (WEB, attrs.evolve(WEB, host_ip="127.0.0.1"), True, True),
        (attrs.evolve(WEB, host_ip="192.0.2.1"), attrs.evolve(WEB, host_ip="127.0.0.1"), True, False),
        (attrs.evolve(WEB, host_ip="192.0.2.1"), WEB, True, True),
    ],
)
def test_ports_of_others(
    leases: Leases, mine: PublishedPort, theirs: PublishedPort, *, is_plugged: bool, is_taken: bool
) -> None:
    leases.lease_ports("other", "other", [theirs], is_plugged=lambda _: True)
    if is_taken:
        with pytest.raises(errors.PortTaken, match="stack other"):
            leases.lease_ports("one", "shop", [mine], is_plugged=lambda _: is_plugged)
        assert leases.ports_of("one") == ()
    else:
        leases.lease_ports("one", "shop", [mine], is_plugged=lambda _: is_plugged)
        assert [lease.port for lease in leases.active_ports("shop")] == [mine]


def test_chosen_port_is_sticky_until_released(leases: Leases) -> None:
    wanted = PublishedPort(target=80)
    (lease,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert leases.active_ports("shop") == ()
    assert leases.choose_port(lease, 40001, is_plugged=bool)
    assert leases.deactivate("one")
    assert not leases.deactivate("one")
    (again,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert (again.published, again.asked) == (40001, wanted)
    leases.release("one")
    (fresh,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert fresh.port.published == 0


def test_builds_are_told_from_stacks(leases: Leases) -> None:
    name = f"{BUILD}1/2/3"
    leases.lease_network(NetworkSpec(stack=name, key="", name=name), "cpb7", (), prefix=30)
    assert leases.build_stacks() == (name,)


def test_internal_networks(leases: Leases) -> None:
    leases.lease_network(attrs.evolve(SPEC, name="shop_back", internal=True), "cpb2", ())
    assert leases.internal_networks() == {"shop_back"}


def test_port_of_a_range_is_sticky_and_gives_way(leases: Leases) -> None:
    wanted = PublishedPort(target=80, published=8000, last=8002)
    (lease,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert leases.choose_port(lease, 8001, is_plugged=bool)
    (second,) = leases.lease_ports("two", "shop", [wanted], is_plugged=bool)
    assert not leases.choose_port(second, 8001, is_plugged=bool)
    assert leases.choose_port(second, 8002, is_plugged=bool)
    assert [lease.published for lease in leases.ports_of("one")] == [8001]
    leases.deactivate("one")
    leases.lease_ports("other", "shop", [PublishedPort(target=80, published=8001)], is_plugged=bool)
    (again,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert again.published == 0, "taken meanwhile: it chooses again"


DUAL = attrs.evolve(
    SPEC, name="dual", enable_ipv6=True, pools=(Pool(subnet="fd00:7::/64"), Pool(subnet="10.7.0.0/24"))
)


def test_both_families(leases: Leases) -> None:
    lease = leases.lease_network(DUAL, "cpb6", ())
    assert lease.subnets == (("10.7.0.0/24", "10.7.0.1"), ("fd00:7::/64", "fd00:7::1"))
    (endpoint,) = leases.lease_endpoints("one", "shop", {"dual": NetworkMembership()}, [])
    assert (endpoint.address, endpoint.address6) == ("10.7.0.2", "fd00:7::2")
    static = {"dual": NetworkMembership(ipv6_address="FD00:7::0:99")}
    assert leases.lease_endpoints("two", "shop", static, [])[0].address6 == "fd00:7::99"
    with pytest.raises(errors.ConflictError, match="fd00:7::99 is used"):
        leases.lease_endpoints("three", "shop", static, [])
    assert leases.endpoints_of("three") == ()


def test_ipv6_alone(leases: Leases) -> None:
    lease = leases.lease_network(attrs.evolve(DUAL, name="six", enable_ipv4=False, pools=()), "cpb6", ())
    assert lease.subnet == ""
    assert lease.block(4) is None
    (endpoint,) = leases.lease_endpoints("one", "shop", {"six": NetworkMembership()}, [])
    assert endpoint.address == ""
    leases.lease_endpoints("two", "shop", {"six": NetworkMembership()}, [])
    with pytest.raises(errors.UsageError, match="no IPv4"):
        leases.lease_endpoints("two", "shop", {"six": NetworkMembership(ipv4_address="10.1.1.1")}, [])


@pytest.mark.parametrize(
    ("memberships", "expected"),
    [
        ({"a": {}, "b": {}}, {"a": "eth0", "b": "eth1"}),
        ({"a": {}, "b": {"priority": 9}}, {"a": "eth1", "b": "eth0"}),
        ({"a": {}, "b": {"interface_name": "eth0"}}, {"a": "eth1", "b": "eth0"}),
        ({"a": {"interface_name": "wan"}, "b": {}}, {"a": "wan", "b": "eth0"}),
        (
            {"a": {"driver_opts": {"com.docker.network.endpoint.ifname": "lan0"}}, "b": {}},
            {"a": "lan0", "b": "eth0"},
        ),
        ({"a": {}, "prefixed": {}}, {"a": "eth0", "prefixed": "net0"}),
    ],
)
def test_interface_names(leases: Leases, memberships: dict[str, dict], expected: dict[str, str]) -> None:
    options = {"com.docker.network.container_iface_prefix": "net"}
    for number, name in enumerate(memberships):
        spec = attrs.evolve(SPEC, name=name, driver_opts=options if name == "prefixed" else {})
        leases.lease_network(spec, f"cpbn{number}", ())
    wanted = {name: NetworkMembership(**fields) for name, fields in memberships.items()}
    found = leases.lease_endpoints("one", "shop", wanted, [])
    assert {lease.network: lease.interface for lease in found} == expected


def test_one_more_network_for_a_running_container(leases: Leases) -> None:
    leases.lease_network(attrs.evolve(SPEC, name="more"), "cpb6", ())
    leases.lease_endpoints("one", "shop", PLAIN, ["web"])
    made = leases.lease_endpoint("one", "shop", "more", NetworkMembership(aliases=("x",)), ["web"])
    assert (made.interface, made.position, made.names) == ("eth1", 1, ("web", "x"))
    assert leases.endpoints_of("one")[-1] == made
    leases.forget_endpoint("one", "more")
    assert len(leases.endpoints_of("one")) == 1


def test_settings_of_an_attachment_are_remembered(leases: Leases) -> None:
    membership = NetworkMembership(gw_priority=7, mac_address="02:00:00:00:00:07", links={"db": "database"})
    leases.lease_endpoints("one", "shop", {"shop_front": membership}, [])
    assert leases.endpoints_of("one")[0].membership == membership

"""Leases in the database; no kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host.database import Database
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.stack import PublishedPort
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
    assert (again.subnet, again.gateway, again.prefix) == ("172.24.0.0/24", "172.24.0.1", 24)


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
        leases.lease_network(attrs.evolve(SPEC, name="bad", gateway="10.9.9.9"), "cpb3", ())
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
    leases.choose_port(lease, attrs.evolve(wanted, published=40001))
    assert leases.deactivate("one")
    assert not leases.deactivate("one")
    (again,) = leases.lease_ports("one", "shop", [wanted], is_plugged=bool)
    assert (again.port.published, again.is_random) == (40001, True)
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

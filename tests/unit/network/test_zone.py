"""Who may see which name."""

from __future__ import annotations

import pytest

from composer.network.zone import ZoneEntry, address_in, zone_of


def _entry(container: str, network: str, last: int, *names: str, is_active: bool = True) -> ZoneEntry:
    subnet = {"front": 0, "back": 1, "theirs": 2}[network]
    return ZoneEntry(
        container_id=container,
        network=network,
        address=f"10.0.{subnet}.{last}",
        names=names,
        is_active=is_active,
    )


ZONE = zone_of(
    [
        _entry("web1", "front", 2, "shop-web-1", "web"),
        _entry("web2", "front", 10, "shop-web-2", "Web"),
        _entry("web3", "front", 4, "shop-web-3", "web", is_active=False),
        _entry("api", "front", 5, "shop-api-1", "api"),
        _entry("api", "back", 5, "shop-api-1", "api", "inner"),
        _entry("db", "back", 6, "shop-db-1", "db"),
        _entry("job", "back", 7, "shop-job-1", "job", is_active=False),
    ],
    frozenset({"back"}),
)


@pytest.mark.parametrize(
    ("asker", "name", "expected"),
    [
        ("web1", "web", ("10.0.0.2", "10.0.0.10")),
        ("web1", "WEB.", ("10.0.0.2", "10.0.0.10")),
        ("web1", "shop-web-2", ("10.0.0.10",)),
        ("web1", "web.front", ("10.0.0.2", "10.0.0.10")),
        ("web1", "api", ("10.0.0.5",)),
        ("web1", "inner", ()),
        ("web1", "db", ()),
        ("api", "db", ("10.0.1.6",)),
        ("api", "web", ("10.0.0.2", "10.0.0.10")),
        ("api", "api", ("10.0.0.5", "10.0.1.5")),
        ("api", "api.back", ("10.0.1.5",)),
        ("db", "inner", ("10.0.1.5",)),
        ("db", "web", ()),
        ("db", "job", ()),
        ("web3", "web", ()),
        ("stranger", "web", ()),
    ],
)
def test_addresses(asker: str, name: str, expected: tuple[str, ...]) -> None:
    assert ZONE.addresses(asker, name) == expected


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [("web", True), ("job", True), ("DB.back.", True), ("db.front", False), ("example.org", False)],
)
def test_names_of_the_stack_never_leave(name: str, *, is_ours: bool) -> None:
    assert ZONE.is_ours("web1", name) is is_ours


def test_confined_is_who_is_on_internal_networks_only() -> None:
    assert [ZONE.is_confined(asker) for asker in ("db", "api", "web1")] == [True, False, False]


@pytest.mark.parametrize(
    ("asker", "name", "expected"),
    [
        ("web1", "5.0.0.10.in-addr.arpa", "shop-api-1.front"),
        ("db", "5.1.0.10.IN-ADDR.ARPA.", "shop-api-1.back"),
        ("web1", "6.1.0.10.in-addr.arpa", ""),
        ("web1", "4.0.0.10.in-addr.arpa", ""),
    ],
)
def test_reverse(asker: str, name: str, expected: str) -> None:
    assert ZONE.name_of(asker, name) == expected


@pytest.mark.parametrize("name", ["", "in-addr.arpa", "1.2.3.in-addr.arpa", "256.1.1.1.in-addr.arpa", "x"])
def test_no_address_in(name: str) -> None:
    assert address_in(name) == ""


SIX = zone_of(
    [
        ZoneEntry(container_id="a", network="n", address="10.0.0.2", address6="fd00::2", names=("a-1", "a")),
        ZoneEntry(container_id="b", network="n", address6="fd00::3", names=("b-1", "b"), links={"Data": "A"}),
        ZoneEntry(container_id="c", network="n", names=("c",), links={"gone": "nobody"}),
    ],
    frozenset(),
)


def test_addresses_of_both_families() -> None:
    assert SIX.addresses("b", "a") == ("10.0.0.2", "fd00::2")
    assert SIX.addresses("a", "b") == ("fd00::3",)


def test_reverse_of_ipv6() -> None:
    name = ".".join(reversed("fd00000000000000" + "0000000000000002")) + ".ip6.arpa"
    assert SIX.name_of("b", name) == "a-1.n"
    assert SIX.name_of("b", name.upper() + ".") == "a-1.n"
    assert address_in("_." + name[2:]) == ""
    assert address_in("1.2.ip6.arpa") == ""


def test_links_are_seen_by_their_owner_alone() -> None:
    assert SIX.addresses("b", "data") == ("10.0.0.2", "fd00::2")
    assert SIX.addresses("a", "data") == ()
    assert [SIX.is_ours(asker, "data") for asker in ("a", "b")] == [False, True]
    assert SIX.addresses("c", "gone") == ()
    assert SIX.is_ours("c", "gone"), "asked of nobody else"

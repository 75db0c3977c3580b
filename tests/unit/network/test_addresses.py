"""Subnet and address arithmetic."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.network import addresses


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "172.24.0.0/24"),
        (["172.24.0.0/24"], "172.24.1.0/24"),
        (["172.24.1.0/24"], "172.24.0.0/24"),
        (["172.24.0.0/24", "172.24.1.128/25"], "172.24.2.0/24"),
        (["172.24.0.7/32"], "172.24.1.0/24"),
        (["172.16.0.0/12"], "10.128.0.0/24"),
        (["172.24.0.0/13"], "172.16.0.0/24"),
        (["172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"], None),
        (["172.0.0.0/8", "10.128.0.0/9", "10.0.0.0/24"], "10.0.1.0/24"),
        (["0.0.0.0/1"], "172.24.0.0/24"),
    ],
)
def test_free_subnet(taken: list[str], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(errors.SubnetOverlap):
            addresses.free_subnet(taken)
    else:
        assert addresses.free_subnet(taken) == expected


_subnets = st.builds(
    lambda number, prefix: str(ipaddress.ip_network((number, prefix), strict=False)),
    st.integers(0, 2**32 - 1) | st.integers(int(ipaddress.IPv4Address("172.24.0.0")), 0xAC1FFFFF),
    st.integers(10, 32),
)


@given(st.lists(_subnets, max_size=12), st.sampled_from([24, 28, 30]))
def test_free_subnet_overlaps_nothing(taken: list[str], prefix: int) -> None:
    found = ipaddress.ip_network(addresses.free_subnet(taken, prefix=prefix))
    assert found.prefixlen == prefix
    assert found.is_private
    assert not any(found.overlaps(ipaddress.ip_network(other)) for other in taken)


@pytest.mark.parametrize(
    ("declared", "taken", "expected"),
    [
        ("10.5.0.0/16", [], "10.5.0.0/16"),
        ("10.5.0.9/24", [], "10.5.0.0/24"),
        ("10.5.0.0/30", ["10.5.0.4/30"], "10.5.0.0/30"),
        ("10.5.0.0/16", ["10.5.200.0/24"], errors.SubnetOverlap),
        ("10.5.7.0/24", ["10.0.0.0/8"], errors.SubnetOverlap),
        ("10.5.7.0/31", [], errors.UsageError),
        ("fd00::9/64", ["10.0.0.0/8"], "fd00::/64"),
        ("fd00:1::/48", ["fd00:1:0:5::/64"], errors.SubnetOverlap),
        ("fd00::/127", [], errors.UsageError),
        ("nonsense", [], errors.UsageError),
    ],
)
def test_declared_subnet(declared: str, taken: list[str], expected: str | type[Exception]) -> None:
    if isinstance(expected, str):
        assert addresses.declared_subnet("net", declared, taken) == expected
    else:
        with pytest.raises(expected, match="net"):
            addresses.declared_subnet("net", declared, taken)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [(None, "10.1.0.1"), ("10.1.0.200", "10.1.0.200"), ("10.1.0.0", None), ("10.1.0.255", None), ("x", None)],
)
def test_gateway(declared: str | None, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(errors.UsageError):
            addresses.gateway_of("net", "10.1.0.0/24", declared)
    else:
        assert addresses.gateway_of("net", "10.1.0.0/24", declared) == expected


def _block(subnet: str = "10.1.0.0/29", gateway: str = "10.1.0.1", **fields) -> addresses.Block:
    return addresses.Block(network="net", subnet=subnet, gateway=gateway, **fields)


@pytest.mark.parametrize(
    ("block", "taken", "expected"),
    [
        (_block(), (), "10.1.0.2"),
        (_block(gateway="10.1.0.2"), ("10.1.0.1",), "10.1.0.3"),
        (_block(ip_range="10.1.0.4/30"), (), "10.1.0.4"),
        (_block(ip_range="10.1.0.4/30"), ("10.1.0.4", "10.1.0.5"), "10.1.0.6"),
        (_block(reserved=frozenset({"10.1.0.2", "10.1.0.3"})), (), "10.1.0.4"),
        (_block("fd00::/64", "fd00::1"), ("fd00::2",), "fd00::3"),
        (_block("fd00::/64", "fd00::1", ip_range="fd00::8:0/112"), (), "fd00::8:0"),
    ],
)
def test_free_address(block: addresses.Block, taken: tuple[str, ...], expected: str) -> None:
    assert addresses.free_address(block, taken) == expected


def test_exhausted_subnet_is_a_clear_error() -> None:
    taken = {f"10.1.0.{number}" for number in range(2, 7)}
    with pytest.raises(errors.ConflictError, match=r"every address of 10\.1\.0\.0/29 is taken") as caught:
        addresses.free_address(_block(), taken)
    assert "larger subnet" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("10.1.0.1", "gateway"),
        ("10.1.0.3", "reserved"),
        ("10.1.0.7", "not a host address"),
        ("10.1.0.0", "not a host address"),
        ("fd00::1", "no IPv4 address"),
    ],
)
def test_static_address_that_cannot_be(wanted: str, why: str) -> None:
    with pytest.raises(errors.UsageError, match=why):
        addresses.static_address(_block(reserved=frozenset({"10.1.0.3"})), wanted)


def test_static_address_has_one_spelling() -> None:
    assert addresses.static_address(_block("fd00::/64", "fd00::1"), "FD00:0:0::00ab") == "fd00::ab"


@pytest.mark.parametrize("ip_range", ["10.2.0.0/30", "10.1.0.0/28", "fd00::/64", "x"])
def test_range_lies_within_the_subnet(ip_range: str) -> None:
    with pytest.raises(errors.UsageError, match="ip_range"):
        addresses.block_of("net", "10.1.0.0/29", "10.1.0.1", ip_range=ip_range)


def test_automatic_ipv6_subnet_is_unique_local_stable_and_free() -> None:
    first = addresses.free_subnet6("cpb1", [])
    assert ipaddress.ip_network(first).subnet_of(ipaddress.ip_network("fd00::/8"))
    assert addresses.free_subnet6("cpb1", ["10.0.0.0/8"]) == first
    assert addresses.free_subnet6("cpb2", []) != first
    second = addresses.free_subnet6("cpb1", [first])
    assert not addresses.overlaps(second, [first])


def test_mac_is_local_unicast_and_derived() -> None:
    mac = addresses.mac_of("10.1.2.3")
    assert mac == bytes([2, 0x42, 10, 1, 2, 3])
    assert mac[0] & 1 == 0
    six = addresses.mac_of("fd00::2")
    assert len(six) == 6
    assert six[:2] == b"\x02\x42"

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
        ("fd00::/64", [], errors.UsageError),
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


def test_free_address_skips_gateway_and_taken() -> None:
    assert addresses.free_address("n", "10.1.0.0/29", "10.1.0.1", ()) == "10.1.0.2"
    assert addresses.free_address("n", "10.1.0.0/29", "10.1.0.2", {"10.1.0.1"}) == "10.1.0.3"


def test_exhausted_subnet_is_a_clear_error() -> None:
    taken = {f"10.1.0.{number}" for number in range(2, 7)}
    with pytest.raises(errors.ConflictError, match=r"10\.1\.0\.0/29") as caught:
        addresses.free_address("net", "10.1.0.0/29", "10.1.0.1", taken)
    assert "larger subnet" in caught.value.hint


def test_static_address_is_not_the_gateway() -> None:
    with pytest.raises(errors.UsageError, match="gateway"):
        addresses.static_address("net", "10.1.0.0/24", "10.1.0.1", "10.1.0.1")


def test_mac_is_local_unicast_and_derived() -> None:
    mac = addresses.mac_of("10.1.2.3")
    assert mac == bytes([2, 0x42, 10, 1, 2, 3])
    assert mac[0] & 1 == 0

"""Too many containers for a subnet are refused before anything changes."""

from __future__ import annotations

import pytest

from composer import errors
from composer.model.container import NetworkSpec
from composer.model.stack import Pool
from composer.network import addresses
from composer.planner import capacity

SMALL = Pool(subnet="10.1.0.0/29")


def _spec(*pools: Pool) -> NetworkSpec:
    return NetworkSpec(stack="s", key="n", name="s_n", pools=pools)


@pytest.mark.parametrize(
    "pool",
    [
        SMALL,
        Pool(subnet="10.1.0.0/29", gateway="10.1.0.6"),
        Pool(subnet="10.1.0.0/29", ip_range="10.1.0.4/30"),
        Pool(subnet="10.1.0.0/29", aux_addresses={"a": "10.1.0.2", "b": "10.1.0.1"}),
        Pool(subnet="fd00::/126"),
        Pool(subnet="fd00::/64", ip_range="fd00::10/124", aux_addresses={"a": "fd00::11"}),
    ],
)
def test_the_room_is_what_the_address_manager_gives(pool: Pool) -> None:
    assert pool.subnet is not None
    gateway = addresses.gateway_of("n", pool.subnet, pool.gateway)
    block = addresses.block_of(
        "n", pool.subnet, gateway, ip_range=pool.ip_range, reserved=pool.aux_addresses.values()
    )
    room = capacity.room_in(pool)
    assert room is not None
    taken: set[str] = set()
    for _ in range(room):
        taken.add(addresses.free_address(block, taken))
    assert len(taken) == room
    with pytest.raises(errors.ConflictError):
        addresses.free_address(block, taken)


@pytest.mark.parametrize(("count", "is_refused"), [(5, False), (6, True)])
def test_the_sixth_of_five_is_refused(count: int, *, is_refused: bool) -> None:
    members = [{"s_n": None}] * count + [{"other": None}] * 9
    if not is_refused:
        capacity.refuse_overfull([_spec(SMALL)], members)
        return
    with pytest.raises(errors.ConflictError, match=r"6 containers need an address, 10\.1\.0\.0/29 has 5"):
        capacity.refuse_overfull([_spec(SMALL)], members)


def test_an_automatic_subnet_is_not_counted() -> None:
    assert capacity.room_in(Pool()) is None
    capacity.refuse_overfull([_spec(), _spec(Pool(gateway="10.1.0.1"))], [{"s_n": None}] * 2000)

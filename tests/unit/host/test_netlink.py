"""Netlink messages: packing, parsing, and one round trip with the kernel."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.host import netlink, netns


def test_attributes_round_trip() -> None:
    packed = netlink._text(3, "eth0") + netlink._number(27, 7) + netlink._attribute(18 | 0x8000, b"abcde")
    assert len(packed) % 4 == 0
    assert netlink.attributes_in(packed) == {3: b"eth0\0", 27: struct.pack("=I", 7), 18: b"abcde"}


@given(st.binary(max_size=200))
def test_attributes_of_any_bytes(data: bytes) -> None:
    netlink.attributes_in(data)


def test_link_is_read_back() -> None:
    body = netlink._LINK.pack(0, 1, 5, 1, 0)
    body += netlink._text(3, "cpb1") + netlink._number(27, 9) + netlink._text(20, "ours")
    body += netlink._attribute(18, netlink._text(1, "bridge"))
    assert netlink.link_from(body) == netlink.Link(
        index=5, name="cpb1", kind="bridge", group=9, alias="ours", is_up=True
    )


def test_default_and_odd_routes_are_left_out() -> None:
    destination = netlink._attribute(1, bytes([10, 1, 0, 0])) + netlink._number(4, 3)
    plain = netlink._ROUTE.pack(2, 16, 0, 0, 254, 3, 0, 1, 0)
    assert netlink.route_from(plain + destination) == netlink.Route(subnet="10.1.0.0/16", index=3)
    assert netlink.route_from(plain) is None
    broadcast = netlink._ROUTE.pack(2, 32, 0, 0, 255, 3, 0, 3, 0)
    assert netlink.route_from(broadcast + destination) is None


@pytest.mark.root
def test_bridge_pair_address_and_route() -> None:
    host = netns.make(lambda _descriptor: None)
    inside = netns.make(lambda _descriptor: None)

    def on_host() -> None:
        with netlink.Netlink() as kernel:
            kernel.change([netlink.create_bridge("b0", group=77, mac=b"\x02\x42\0\0\0\1")])
            index = netlink.index_of("b0")
            kernel.change(
                [
                    netlink.add_address(index, "10.9.0.1", 24, "b0"),
                    netlink.set_up("b0", alias="mine"),
                    netlink.create_veth(
                        "v0",
                        group=77,
                        master=index,
                        peer="eth0",
                        peer_mac=b"\x02\x42\0\0\0\2",
                        namespace=inside.descriptor,
                    ),
                    netlink.set_up("v0", alias="mine too", is_hairpin=True),
                ]
            )
            links = {link.name: link for link in kernel.links()}
            assert links["b0"] == netlink.Link(
                index=index, name="b0", kind="bridge", alias="mine", group=77, is_up=True, mtu=1500
            )
            assert (links["v0"].kind, links["v0"].master, links["v0"].group) == ("veth", index, 77)
            assert kernel.link("v0") == links["v0"]
            assert kernel.link("none") is None
            assert netlink.Address(index=index, address="10.9.0.1", prefix=24) in kernel.addresses()
            assert netlink.Route(subnet="10.9.0.0/24", index=index) in kernel.routes()
            assert kernel.change([netlink.set_up("none")], tolerate=[errno.ENODEV]) == (errno.ENODEV,)
            with pytest.raises(errors.NetworkFailure, match="bridge b0: File exists"):
                kernel.change([netlink.create_bridge("b0", group=1, mac=b"\x02\x42\0\0\0\1")])

    def in_container() -> None:
        with netlink.Netlink() as kernel:
            kernel.change(
                [
                    netlink.add_address(netlink.index_of("eth0"), "10.9.0.2", 24, "eth0"),
                    netlink.set_up("eth0"),
                    netlink.add_default_route("10.9.0.1", "default"),
                ]
            )
            kernel.change(
                [
                    netlink.add_address(netlink.index_of("eth0"), "fd00:9::2", 64, "eth0"),
                    netlink.add_default_route("fd00:9::1", "default of IPv6"),
                ]
            )
            assert {"10.9.0.2", "fd00:9::2"} <= {one.address for one in kernel.addresses()}
            assert "fd00:9::/64" in {route.subnet for route in kernel.routes()}

    def clear() -> None:
        with netlink.Netlink() as kernel:
            kernel.change([netlink.delete_group(77, "group")])
            assert {link.name for link in kernel.links()} & {"b0", "v0"} == set()

    try:
        netns.run_in(host.descriptor, on_host)
        netns.run_in(inside.descriptor, in_container)
        netns.run_in(host.descriptor, clear)
    finally:
        host.close()
        inside.close()

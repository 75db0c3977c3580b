"""Options of network drivers: typed, or refused with a sentence."""

from __future__ import annotations

import pytest

from composer.model import driveroptions
from composer.model.driveroptions import BridgeOptions, EndpointOptions, Gateway, ParentOptions

BRIDGE = "com.docker.network.bridge."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, BridgeOptions()),
        ({f"{BRIDGE}name": "br7"}, BridgeOptions(name="br7")),
        ({"com.docker.network.driver.mtu": "1400"}, BridgeOptions(mtu=1400)),
        ({f"{BRIDGE}enable_icc": "False", f"{BRIDGE}enable_ip_masquerade": "0"},
         BridgeOptions(allows_neighbours=False, masquerades=False)),
        ({f"{BRIDGE}host_binding_ipv4": "127.0.0.1"}, BridgeOptions(host_binding="127.0.0.1")),
        ({f"{BRIDGE}gateway_mode_ipv6": "routed", f"{BRIDGE}gateway_mode_ipv4": ""},
         BridgeOptions(gateway6=Gateway.ROUTED)),
        ({"com.docker.network.container_iface_prefix": "net"}, BridgeOptions(prefix="net")),
        ({f"{BRIDGE}default_bridge": "false", "com.docker.network.enable_ipv6": "false"}, BridgeOptions()),
    ],
)  # fmt: skip
def test_bridge(given: dict[str, str], expected: BridgeOptions) -> None:
    assert driveroptions.bridge_options(given) == expected


@pytest.mark.parametrize(
    ("driver", "given", "expected"),
    [
        ("macvlan", {"parent": "eth0"}, ParentOptions(parent="eth0")),
        ("macvlan", {"parent": "eth0", "macvlan_mode": "vepa"}, ParentOptions(parent="eth0", mode="vepa")),
        ("ipvlan", {"parent": "eth0", "ipvlan_mode": "l3", "ipvlan_flag": "private"},
         ParentOptions(parent="eth0", mode="l3", flag="private")),
    ],
)  # fmt: skip
def test_parent(driver: str, given: dict[str, str], expected: ParentOptions) -> None:
    assert driveroptions.parent_options(driver, given) == expected


@pytest.mark.parametrize(
    ("driver", "given", "words"),
    [
        ("bridge", {"x": "y"}, "unknown option 'x' of the bridge driver"),
        ("bridge", {f"{BRIDGE}host_binding_ipv4": "::1"}, "no IPv4 address"),
        ("bridge", {f"{BRIDGE}host_binding_ipv4": "here"}, "host_binding_ipv4"),
        ("bridge", {f"{BRIDGE}gateway_mode_ipv4": "magic"}, "none of nat, nat-unprotected"),
        ("bridge", {"com.docker.network.driver.mtu": "12"}, "no MTU"),
        ("bridge", {"com.docker.network.container_iface_prefix": "a/b"}, "no name of an interface"),
        ("macvlan", {}, "needs the interface of the host"),
        ("macvlan", {"parent": "eth0", "ipvlan_mode": "l2"}, "unknown option 'ipvlan_mode'"),
        ("ipvlan", {"parent": "eth0", "ipvlan_mode": "l9"}, "none of l2, l3, l3s"),
    ],
)
def test_refused(driver: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        driveroptions.check(driver, given)


def test_endpoint() -> None:
    given = {
        driveroptions.ENDPOINT_IFNAME: "lan0",
        driveroptions.ENDPOINT_SYSCTLS: "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.mtu=1400",
    }
    assert driveroptions.endpoint_options(given) == EndpointOptions(
        interface="lan0",
        sysctls={"net.ipv4.conf.IFNAME.log_martians": "1", "net.ipv6.conf.IFNAME.mtu": "1400"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "net.ipv4.ip_forward=1",
        "kernel.core_pattern=x",
        "net.ipv4.conf.IFNAME.x",
        "net.ipv4.conf.eth0.x=1",
        "net.ipv4.conf.IFNAME.../../x=1",
        "net.ipv4.conf.all.IFNAME.x=1",
    ],
)
def test_sysctls_of_anything_else_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no sysctl of the interface"):
        driveroptions.endpoint_options({driveroptions.ENDPOINT_SYSCTLS: text})


@pytest.mark.parametrize("text", ["02:42:AC:11:65:43", "02-42-ac-11-65-43"])
def test_mac_address(text: str) -> None:
    assert driveroptions.mac_address(text) == bytes.fromhex("0242ac116543")


@pytest.mark.parametrize("text", ["", "02:42", "02:42:ac:11:65:4g", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_no_mac_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        driveroptions.mac_address(text)

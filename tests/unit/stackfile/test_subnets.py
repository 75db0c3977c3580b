"""Addresses: what is no subnet, and what lies outside of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from composer import errors
from composer.model.stack import Pool, Stack
from composer.stackfile import subnets

Load = Callable[..., Stack]
FILE = "services: {a: {image: x, networks: {n: {%s}}}}\nnetworks: {n: {ipam: {config: [%s]}}}\n"


@pytest.mark.parametrize(
    ("attachment", "config", "words"),
    [
        ("", "{subnet: abc}", "no subnet"),
        ("", "{subnet: 10.0.0.1/24}", "no subnet"),
        ("", "{subnet: 'fd00::1/64'}", "no subnet"),
        ("", "{subnet: 10.0.0.0/24, gateway: x}", "no address"),
        ("", "{subnet: 10.0.0.0/24, gateway: 10.0.1.1}", "not in the subnet"),
        ("", "{subnet: 10.0.0.0/24, gateway: 'fd00::1'}", "not in the subnet"),
        ("", "{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/23}", "not in the subnet"),
        ("", "{subnet: 10.0.0.0/24, ip_range: x}", "no range"),
        ("", "{subnet: 10.0.0.0/24, aux_addresses: {r: 10.1.0.5}}", "not in the subnet"),
        ("", "{subnet: 10.0.0.0/24, aux_addresses: {r: y}}", "no address"),
        ("", "{subnet: 10.0.0.0/24}, {subnet: 10.0.1.0/24}", "more than one IPv4 subnet"),
        ("", "{subnet: 'fd00::/64'}, {subnet: 'fd01::/64'}", "more than one IPv6 subnet"),
        ("ipv4_address: 10.0.1.5", "{subnet: 10.0.0.0/24}", "not in the subnet"),
        ("ipv4_address: 10.0.0", "{subnet: 10.0.0.0/24}", "no IPv4 address"),
        ("ipv4_address: 'fd00::5'", "{subnet: 10.0.0.0/24}", "no IPv4 address"),
        ("ipv4_address: 10.0.0.5", "{}", "no subnet of its own"),
        ("ipv6_address: 'fd00::5'", "{subnet: 10.0.0.0/24}", "no subnet of its own"),
        ("ipv6_address: 'fd01::5'", "{subnet: 'fd00::/64'}", "not in the subnet"),
        ("link_local_ips: [10.0.0.1]", "{}", "no link-local address"),
        ("mac_address: 'x'", "{}", "no hardware address"),
        ("mac_address: '01:00:5e:00:00:01'", "{}", "not the address of one interface"),
        ("interface_name: a-name-that-is-too-long", "{}", "no name for an interface"),
        ("interface_name: lo", "{}", "no name for an interface"),
        ("driver_opts: {com.example: x}", "{}", "unknown option"),
        (
            "driver_opts: {com.docker.network.endpoint.sysctls: kernel.x=1}",
            "{}",
            "no sysctl of the interface",
        ),
        ("aliases: ['a b']", "{}", "no host name"),
    ],
)
def test_refused(stack_of: Load, attachment: str, config: str, words: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(FILE % (attachment, config))
    (problem,) = caught.value.problems
    assert words in problem.message


def test_accepted(stack_of: Load) -> None:
    attachment = "ipv4_address: 10.0.0.5, ipv6_address: 'fd00::5', link_local_ips: [169.254.8.8, 'fe80::8']"
    stack = stack_of(FILE % (attachment, "{subnet: 10.0.0.0/24, gateway: 10.0.0.9}, {subnet: 'fd00::/64'}"))
    network = stack.networks["n"]
    assert network.pools == (Pool(subnet="10.0.0.0/24", gateway="10.0.0.9"), Pool(subnet="fd00::/64"))
    assert network.enable_ipv6, "whoever writes an IPv6 subnet wants IPv6"


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("driver: overlay", "several hosts"),
        ("driver: host", "there is one host network"),
        ("driver: weave", "not supported"),
        ("driver: macvlan", "needs the interface of the host"),
        ("driver: ipvlan, driver_opts: {ipvlan_mode: l3}", "needs the interface of the host"),
        ("driver: macvlan, driver_opts: {parent: eth0, macvlan_mode: x}", "none of bridge, private"),
        ("driver_opts: {parent: eth0}", "unknown option 'parent' of the bridge driver"),
        ("driver_opts: {com.docker.network.driver.mtu: huge}", "no MTU"),
        ("driver_opts: {com.docker.network.bridge.enable_icc: maybe}", "neither true nor false"),
        ("driver_opts: {com.docker.network.bridge.name: seventeen-letters}", "no name of an interface"),
        ("enable_ipv4: false", "needs enable_ipv6"),
    ],
)
def test_networks_that_cannot_be(stack_of: Load, network: str, words: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(f"services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {{{network}}}}}\n")
    (problem,) = caught.value.problems
    assert words in problem.message


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ("{a: {interface_name: w0}, b: {interface_name: w0}}", "is the interface of network a already"),
        ("{a: {}, h: {}}", "the network host excludes others"),
        ("{a: {}, b: {}}, mac_address: '02:00:00:00:00:01'", "mac_address of a service on several networks"),
        ("{a: {}}, external_links: ['x:y:z']", "no link"),
    ],
)
def test_attachments_that_cannot_be(stack_of: Load, services: str, words: str) -> None:
    networks = "networks: {a: {}, b: {}, h: {external: true, name: host}}\n"
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(f"services: {{s: {{image: x, networks: {services}}}}}\n{networks}")
    assert words in " ".join(problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "version", "answer"),
    [
        ("127.0.0.1", None, True),
        ("1.2.3", None, False),
        ("1.2.3.256", None, False),
        ("", None, False),
        ("::1", None, True),
        ("::1", 4, False),
        ("10.0.0.1", 6, False),
    ],
)
def test_is_address(text: str, version: int | None, answer: bool) -> None:
    assert subnets.is_address(text, version) is answer

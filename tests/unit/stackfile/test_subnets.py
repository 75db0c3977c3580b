"""Addresses: what is no subnet, and what lies outside of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from composer import errors
from composer.model.stack import Stack
from composer.stackfile import subnets

Load = Callable[..., Stack]
FILE = "services: {a: {image: x, networks: {n: {%s}}}}\nnetworks: {n: {ipam: {config: [%s]}}}\n"


@pytest.mark.parametrize(
    ("attachment", "config", "words"),
    [
        ("", "{subnet: abc}", "no IPv4 subnet"),
        ("", "{subnet: 10.0.0.1/24}", "no IPv4 subnet"),
        ("", "{subnet: 'fd00::/64'}", "unsupported"),
        ("", "{subnet: 10.0.0.0/24, gateway: x}", "no IPv4 address"),
        ("", "{subnet: 10.0.0.0/24, gateway: 10.0.1.1}", "not in the subnet"),
        ("", "{subnet: 10.0.0.0/24}, {subnet: 10.0.1.0/24}", "more than one subnet is unsupported"),
        ("ipv4_address: 10.0.1.5", "{subnet: 10.0.0.0/24}", "not in the subnet"),
        ("ipv4_address: 10.0.0", "{subnet: 10.0.0.0/24}", "no IPv4 address"),
        ("ipv4_address: 10.0.0.5", "{}", "no subnet of its own"),
        ("aliases: ['a b']", "{}", "no host name"),
    ],
)
def test_refused(stack_of: Load, attachment: str, config: str, words: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(FILE % (attachment, config))
    (problem,) = caught.value.problems
    assert words in problem.message


def test_accepted(stack_of: Load) -> None:
    stack = stack_of(FILE % ("ipv4_address: 10.0.0.5", "{subnet: 10.0.0.0/24, gateway: 10.0.0.9}"))
    assert (stack.networks["n"].subnet, stack.networks["n"].gateway) == ("10.0.0.0/24", "10.0.0.9")


@pytest.mark.parametrize(
    ("text", "answer"),
    [("127.0.0.1", True), ("1.2.3", False), ("1.2.3.256", False), ("", False), ("::1", False)],
)
def test_is_ipv4(text: str, answer: bool) -> None:
    assert subnets.is_ipv4(text) is answer

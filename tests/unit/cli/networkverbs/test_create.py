"""Flags of ``network create`` to the network that they ask for."""

from __future__ import annotations

import argparse

import pytest

from composer import errors
from composer.cli.networkverbs import connect, create
from composer.model.stack import Pool


def _options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    create.add_options(parser)
    return parser.parse_args([*arguments, "net"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ()),
        (("--subnet", "10.9.0.0/24"), (Pool(subnet="10.9.0.0/24"),)),
        (
            (
                "--subnet",
                "10.9.0.0/24",
                "--subnet",
                "fd09::/64",
                "--gateway",
                "fd09::9",
                "--gateway",
                "10.9.0.9",
            ),
            (Pool(subnet="10.9.0.0/24", gateway="10.9.0.9"), Pool(subnet="fd09::/64", gateway="fd09::9")),
        ),
        (
            ("--subnet", "10.9.0.0/24", "--ip-range", "10.9.0.128/25", "--aux-address", "router=10.9.0.200"),
            (Pool(subnet="10.9.0.0/24", ip_range="10.9.0.128/25", aux_addresses={"router": "10.9.0.200"}),),
        ),
    ],
)
def test_pools(arguments: tuple[str, ...], expected: tuple[Pool, ...]) -> None:
    assert create.pools_of(_options(*arguments)) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--subnet", "10.9.0.1/24"), "host bits set"),
        (("--gateway", "10.9.0.1"), "10.9.0.1 is in no --subnet"),
        (("--subnet", "10.9.0.0/24", "--gateway", "10.8.0.1"), "10.8.0.1 is in no --subnet"),
        (("--subnet", "10.9.0.0/24", "--subnet", "10.8.0.0/24"), "one subnet of each family"),
        (("--subnet", "10.9.0.0/24", "--gateway", "10.9.0.1", "--gateway", "10.9.0.2"), "one --gateway"),
        (("--driver", "overlay"), "no network driver 'overlay'"),
        (("--driver", "macvlan"), "needs the interface of the host"),
        (("--opt", "nonsense=1"), "unknown option 'nonsense'"),
        (("--ipv4", "false"), "without IPv4 needs --ipv6"),
        (("--ipam-driver", "x"), "no address manager"),
    ],
)
def test_refused(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(errors.UsageError, match=words):
        create.spec_of(_options(*arguments))


def test_whole() -> None:
    spec = create.spec_of(
        _options("--internal", "--label", "a=b", "--subnet", "fd09::/64", "--ipv4", "false", "--attachable")
    )
    assert (spec.stack, spec.name, spec.internal, spec.enable_ipv4, spec.enable_ipv6) == (
        "default",
        "net",
        True,
        False,
        True,
    )
    assert spec.labels == {"a": "b"}


@pytest.mark.parametrize("name", ["host", "none", "bridge", "default", "../x", "a b"])
def test_names_that_cannot_be(name: str) -> None:
    options = _options()
    options.name = name
    with pytest.raises(errors.UsageError, match="cannot be the name"):
        create.spec_of(options)


def test_membership_of_connect() -> None:
    parser = argparse.ArgumentParser()
    connect.add_options(parser)
    options = parser.parse_args(
        [
            "--alias",
            "db",
            "--ip",
            "10.0.0.9",
            "--link",
            "other:it",
            "--link",
            "that",
            "--gw-priority",
            "3",
            "n",
            "c",
        ]
    )
    membership = connect.membership_of(options)
    assert membership["aliases"] == ["db"]
    assert membership["links"] == {"it": "other", "that": "that"}
    assert (membership["ipv4_address"], membership["gw_priority"]) == ("10.0.0.9", 3)
    options.driver_opt = ["x=y"]
    with pytest.raises(errors.UsageError, match="unknown option"):
        connect.membership_of(options)

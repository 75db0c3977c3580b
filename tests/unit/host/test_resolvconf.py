"""What a container's resolv.conf says, from the stack's word and the host's."""

from __future__ import annotations

import pytest

from composer.host import resolvconf
from composer.host.resolvconf import Settings
from composer.model.stack import Resolver

HOST = Settings(servers=("192.0.2.1",), search=("corp.example",), options=("edns0", "ndots:3"))


@pytest.mark.parametrize(
    ("asked", "server", "expected"),
    [
        (
            Resolver(),
            "127.0.0.11",
            Settings(servers=("127.0.0.11",), search=("corp.example",), options=("ndots:0", "edns0")),
        ),
        (
            Resolver(servers=("192.0.2.9",), search=("a.example",), options=("timeout:3",)),
            "127.0.0.11",
            Settings(servers=("127.0.0.11",), search=("a.example",), options=("ndots:0", "timeout:3")),
        ),
        (
            Resolver(options=("ndots:2",), search=(".",)),
            "127.0.0.11",
            Settings(servers=("127.0.0.11",), search=(), options=("ndots:2",)),
        ),
        (Resolver(), "", HOST),
        (
            Resolver(servers=("192.0.2.9",)),
            "",
            Settings(servers=("192.0.2.9",), search=("corp.example",), options=("edns0", "ndots:3")),
        ),
    ],
)
def test_inside(asked: Resolver, server: str, expected: Settings) -> None:
    assert resolvconf.inside(asked, HOST, server=server) == expected


def test_parsed() -> None:
    text = "search a b\n# nameserver 9.9.9.9\nnameserver 192.0.2.1 ; x\nsearch c\noptions edns0 trust-ad\nsortlist\n"
    assert resolvconf.parsed(text) == Settings(
        servers=("192.0.2.1",), search=("c",), options=("edns0", "trust-ad")
    )

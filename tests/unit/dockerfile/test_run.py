from __future__ import annotations

import pytest

from composer.dockerfile import run


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 1.1.1.1\n# nameserver 2.2.2.2\nnameserver 1.1.1.1\n", ("1.1.1.1",)),
        ("nameserver 127.0.0.53\noptions edns0\n", ()),
        ("nameserver ::1\nnameserver 2001:db8::1 # c\nsearch x\nnameserver\n", ("2001:db8::1",)),
    ],
)
def test_name_servers(text: str, servers: tuple[str, ...]) -> None:
    assert run.name_servers_in(text) == servers


@pytest.mark.parametrize(
    ("code", "part"), [(127, "not found"), (126, "executed"), (137, "memory"), (1, ""), (100, "")]
)
def test_hints(code: int, part: str) -> None:
    hint = run.hint_for(code, ("sh", "-c", "x"))
    assert part in hint
    assert bool(hint) is bool(part)

from __future__ import annotations

from pathlib import Path

import pytest

from composer.dockerfile import run


@pytest.mark.parametrize(
    ("text", "reaches_loopback", "servers"),
    [
        ("nameserver 1.1.1.1\nnameserver 127.0.0.1\n", False, ("1.1.1.1",)),
        ("nameserver 127.0.0.53\n", False, ("9.9.9.9",)),
        ("nameserver 127.0.0.53\n", True, ("127.0.0.53",)),
        ("nameserver ::1\nnameserver 2001:db8::1 # c\nsearch x\n", False, ("2001:db8::1",)),
    ],
)
def test_name_servers(
    text: str,
    servers: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    reaches_loopback: bool,
) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    (tmp_path / "stub.conf").write_text("nameserver 9.9.9.9\n")
    files = (str(tmp_path / "resolv.conf"), str(tmp_path / "stub.conf"))
    monkeypatch.setattr(run, "_RESOLVER_FILES", files)
    assert run.resolver_of_host(reaches_loopback=reaches_loopback).servers == servers


@pytest.mark.parametrize(
    ("code", "part"), [(127, "not found"), (126, "executed"), (137, "memory"), (1, ""), (100, "")]
)
def test_hints(code: int, part: str) -> None:
    hint = run.hint_for(code, ("sh", "-c", "x"))
    assert part in hint
    assert bool(hint) is bool(part)

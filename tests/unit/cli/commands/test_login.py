"""``login`` and ``logout``: what is asked, what is refused, and that no secret is shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from composer import errors
from composer.cli.commands import login, logout
from tests.fakes import registry as fake
from tests.fakes.command_line import Stage


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", "/dev/null")
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Stdin(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("q.io", "q.io"),
        ("Q.io:5000", "q.io:5000"),
        ("https://q.io/v2/", "q.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_servers(text: str, meaning: str) -> None:
    assert login.server_named(text) == meaning


@pytest.mark.parametrize("text", ["", "https://", "a b", "user@host"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(errors.UsageError, match="invalid registry"):
        login.server_named(text)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-u", "a", "-p", "x", "--password-stdin", "q.io"], "mutually exclusive"),
        (["--password-stdin", "q.io"], "needs --username"),
        (["-u", "a", "q.io"], "no terminal"),
        (["q.io"], "no terminal"),
    ],
)
def test_what_cannot_be_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(""))
    with pytest.raises(errors.UsageError, match=said):
        Stage(None, []).run(login, argv)


def test_a_login_is_kept_used_again_and_forgotten(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake.serving() as server:
        server.scheme, server.users = "basic", {"ann": "s3cret"}
        monkeypatch.setattr("sys.stdin", Stdin("s3cret\r\n"))
        stage = Stage(None, [])
        assert stage.run(login, ["-u", "ann", "--password-stdin", server.host]) == 0
        assert stage.out.getvalue() == "Login Succeeded\n"
        assert "unencrypted" in stage.err.getvalue()
        assert "s3cret" not in stage.err.getvalue()
        assert server.host in json.loads((home / ".docker/config.json").read_text())["auths"]
        again = Stage(None, [])
        assert again.run(login, [server.host]) == 0
        assert "credentials kept" in again.err.getvalue()
        out = Stage(None, [])
        out.run(logout, [server.host])
        out.run(logout, [server.host])
        assert out.out.getvalue() == (
            f"Removing login credentials for {server.host}\nNot logged in to {server.host}\n"
        )


def test_a_password_on_the_command_line_is_warned_of(home: Path) -> None:
    with fake.serving() as server:
        server.scheme, server.users = "bearer", {"ann": "other"}
        stage = Stage(None, [])
        with pytest.raises(errors.RegistryDenied, match="ann"):
            stage.run(login, ["-u", "ann", "-p", "s3cret", server.host])
        assert "every user of this host" in stage.err.getvalue()
        assert not (home / ".docker").exists()

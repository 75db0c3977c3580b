"""Credentials: files of Docker and Podman, helpers, and that no secret is ever shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from composer import errors
from composer.registry.credentials import Credentials, Keyring

HELPER = """#!/bin/sh
# Keeps one set of credentials per server in a file beside itself, as the protocol asks.
here=$(dirname "$0"); env >"$here/environment"
read -r line
case $1 in
  get) [ -e "$here/$line" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "$here/$line";;
  store) server=$(echo "$line" | sed 's/.*"ServerURL": "\\([^"]*\\)".*/\\1/'); echo "$line" >"$here/$server";;
  erase) rm -f "$here/$line";;
esac
"""


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A directory on ``PATH`` with ``docker-credential-test``."""
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    return directory


def keyring(tmp_path: Path, **environment: str) -> Keyring:
    return Keyring({"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin", **environment})


def user(tmp_path: Path, registry: str, repository: str = "", **environment: str) -> str:
    found = keyring(tmp_path, **environment).find(registry, repository)
    return found.username if found else ""


@pytest.mark.parametrize(
    "key", ["q.io", "https://q.io", "https://q.io/", "http://q.io/v1/", "https://q.io/v2/"]
)
def test_the_ways_to_write_a_registry(tmp_path: Path, key: str) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: auth("ann", "a:b")}})
    assert keyring(tmp_path).find("q.io", "x/y") == Credentials(username="ann", password="a:b")
    assert keyring(tmp_path).find("q.io:5000") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_the_names_of_docker_hub(tmp_path: Path, key: str) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: auth("ann", "x")}})
    assert user(tmp_path, "docker.io", "library/debian") == "ann"


def test_the_longest_namespace_wins(tmp_path: Path) -> None:
    auths = {
        "q.io": auth("all", "x"),
        "q.io/a": auth("a", "x"),
        "q.io/a/b": auth("ab", "x"),
        "q.io/ab": auth("no", "x"),
    }
    write(tmp_path / ".config/containers/auth.json", {"auths": auths})
    assert [user(tmp_path, "q.io", name) for name in ("a/b", "a/b/c", "a/c", "c", "")] == [
        "ab",
        "ab",
        "a",
        "all",
        "all",
    ]


def test_the_order_of_files(tmp_path: Path) -> None:
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "4"),
        "XDG_RUNTIME_DIR": str(tmp_path / "3"),
        "DOCKER_CONFIG": str(tmp_path / "2"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "1.json"),
    }
    places = ["4/containers/auth.json", "3/containers/auth.json", "2/config.json", "1.json"]
    for name in places:
        write(tmp_path / name, {"auths": {"q.io": auth(name, "x")}})
        assert user(tmp_path, "q.io", **environment) == name
    write(tmp_path / "1.json", {"auths": {"other.io": auth("other", "x")}})
    assert user(tmp_path, "q.io", **environment) == "2/config.json", (
        "one that does not know it is passed over"
    )


def test_an_identity_token(tmp_path: Path) -> None:
    entry = {**auth("<token>", ""), "identitytoken": "long-lived"}
    write(tmp_path / ".docker/config.json", {"auths": {"q.io": entry}})
    found = keyring(tmp_path).find("q.io")
    assert found is not None
    assert found.identity == "long-lived"
    assert "long-lived" not in repr(found)


def test_a_helper_is_asked(tmp_path: Path, helper: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "test", "auths": {"plain.io": auth("plain", "x")}})
    write(helper / "q.io", {"ServerURL": "q.io", "Username": "ann", "Secret": "s3cret"})
    found = keyring(tmp_path, LD_PRELOAD="/x.so", AWS_PROFILE="p", PYTHONPATH="/y").find("q.io")
    assert found == Credentials(username="ann", password="s3cret")
    passed = (helper / "environment").read_text()
    assert "AWS_PROFILE=p" in passed
    assert "LD_PRELOAD" not in passed
    assert "PYTHONPATH" not in passed
    assert user(tmp_path, "plain.io") == "plain", "what the helper does not know may stand in the file"
    write(helper / "t.io", {"ServerURL": "t.io", "Username": "<token>", "Secret": "long-lived"})
    assert keyring(tmp_path).find("t.io") == Credentials(identity="long-lived")


def test_a_helper_for_one_registry(tmp_path: Path, helper: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credHelpers": {"q.io": "test"}, "credsStore": "absent"})
    write(helper / "q.io", {"ServerURL": "q.io", "Username": "ann", "Secret": "s3cret"})
    assert user(tmp_path, "q.io") == "ann"
    with pytest.raises(errors.RegistryError, match="docker-credential-absent is not installed"):
        user(tmp_path, "other.io")


@pytest.mark.parametrize("name", ["../../tmp/evil", "a b", "-x", "a/b"])
def test_a_helper_is_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": name})
    with pytest.raises(errors.RegistryError, match="invalid credential helper"):
        user(tmp_path, "q.io")


def test_a_helper_that_fails_shows_no_secret(tmp_path: Path, helper: Path) -> None:
    (helper / "docker-credential-test").write_text('#!/bin/sh\necho "the secret is s3cret"; exit 1\n')
    write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    with pytest.raises(errors.RegistryError) as caught:
        user(tmp_path, "q.io")
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not JSON"), ('{"auths": {"q.io": {"auth": "%%%"}}}', "not base64")]
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / ".docker/config.json", {})
    (tmp_path / ".docker/config.json").write_text(text)
    with pytest.raises(errors.RegistryError, match=said) as caught:
        user(tmp_path, "q.io")
    assert "config.json" in caught.value.message


@pytest.mark.parametrize(
    "document", [[], {"auths": []}, {"auths": {"q.io": "x"}}, {"auths": {"q.io": {}}}, {}]
)
def test_a_file_of_another_shape_knows_nothing(tmp_path: Path, document: object) -> None:
    write(tmp_path / ".docker/config.json", document)
    assert user(tmp_path, "q.io") == ""


# ---------------------------------------------------------------------- keeping


def test_what_is_kept_leaves_the_rest_of_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / ".docker/config.json"
    write(file, {"auths": {"other.io": auth("other", "x")}, "detachKeys": "ctrl-e"})
    where = keyring(tmp_path).keep("q.io", Credentials(username="ann", password="pä:ss"))
    assert where == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["detachKeys"] == "ctrl-e"
    assert user(tmp_path, "other.io") == "other"
    assert keyring(tmp_path).find("q.io") == Credentials(username="ann", password="pä:ss")
    assert keyring(tmp_path).forget("q.io")
    assert json.loads(file.read_text())["auths"].keys() == {"other.io"}
    assert not keyring(tmp_path).forget("q.io")


def test_docker_hub_is_kept_under_the_name_that_docker_knows(tmp_path: Path) -> None:
    keyring(tmp_path).keep("docker.io", Credentials(username="ann", password="x"))
    kept = json.loads((tmp_path / ".docker/config.json").read_text())
    assert list(kept["auths"]) == ["https://index.docker.io/v1/"]


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    write(tmp_path / "dotfiles/config.json", {})
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").symlink_to(tmp_path / "dotfiles/config.json")
    keyring(tmp_path).keep("q.io", Credentials(username="ann", password="x"))
    assert (tmp_path / ".docker/config.json").is_symlink()
    assert user(tmp_path, "q.io") == "ann"


def test_a_helper_keeps_and_erases(tmp_path: Path, helper: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    where = keyring(tmp_path).keep("q.io", Credentials(username="ann", password="s3cret"))
    assert where == "docker-credential-test"
    assert "s3cret" not in (tmp_path / ".docker/config.json").read_text()
    assert base64.b64encode(b"ann:s3cret").decode() not in (tmp_path / ".docker/config.json").read_text()
    assert keyring(tmp_path).find("q.io") == Credentials(username="ann", password="s3cret")
    assert keyring(tmp_path).forget("q.io")
    assert keyring(tmp_path).find("q.io") is None


def test_the_helpers_of_registries_conf_come_in_their_order(tmp_path: Path, helper: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"q.io": auth("file", "x"), "r.io": auth("file", "x")}})
    write(helper / "q.io", {"ServerURL": "q.io", "Username": "helper", "Secret": "s3cret"})
    environment = {"HOME": str(tmp_path), "PATH": f"{helper}:/usr/bin:/bin"}

    def user_by(registry: str, *helpers: str) -> str:
        found = Keyring(environment, lambda: helpers).find(registry)
        return found.username if found else ""

    assert user_by("q.io", "test", "containers-auth.json") == "helper"
    assert user_by("q.io", "containers-auth.json", "test") == "file"
    assert user_by("r.io", "test", "containers-auth.json") == "file"
    assert user_by("r.io", "test") == ""
    assert user_by("q.io") == "file"

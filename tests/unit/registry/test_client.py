"""Pulling and pushing through authentication, indexes, mirrors and redirects, against the scripted registry."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.model import manifest, platforms, reference
from composer.model.distribution import Descriptor, PushRequest, Transfer, TransferState
from composer.registry.credentials import Credentials
from composer.registry.registry import Registry
from tests.fakes import registry as fake
from tests.fakes.blobs import FakeBlobs
from tests.fakes.registry import FakeRegistry, digest_of

OpenRegistry = Callable[..., Registry]

LAYER = b"a layer" * 1000


def nothing(_transfer: Transfer) -> None:
    return


def logged_in(home: Path, host: str, user: str = "ann", password: str = "secret") -> None:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


# ---------------------------------------------------------------------- authentication


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_private_image(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path, scheme: str
) -> None:
    server.scheme, server.users = scheme, {"ann": "secret"}
    image = server.add_image("team/app:1", LAYER)
    logged_in(tmp_path, server.host)
    registry_as().pull(f"{server.host}/team/app:1", blobs, report=nothing)
    assert blobs.has(image.layers[0])
    if scheme == "bearer":
        assert server.scopes == [["repository:team/app:pull"]], "one token was enough"


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_wrong_credentials_are_named_but_not_shown(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path, scheme: str
) -> None:
    server.scheme, server.users = scheme, {"ann": "other"}
    server.add_image("app:1", LAYER)
    logged_in(tmp_path, server.host)
    with pytest.raises(errors.RegistryDenied) as caught:
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    text = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert "ann" in text
    assert f"composer login {server.host}" in text
    assert "secret" not in text
    assert base64.b64encode(b"ann:secret").decode() not in text


def test_a_registry_that_wants_basic_of_nobody(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    server.scheme = "basic"
    with pytest.raises(errors.RegistryDenied, match="wants a login"):
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)


def test_credentials_never_reach_another_host(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path
) -> None:
    server.scheme, server.users, server.uses_cdn = "basic", {"ann": "secret"}, True
    image = server.add_image("app:1", LAYER)
    # The content network leads back: also then it goes on without credentials.
    server.faults[image.layers[0]] = [fake.redirect_to(f"http://{server.host}/elsewhere")]
    logged_in(tmp_path, server.host)
    with pytest.raises(errors.RegistryDenied):
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    assert blobs.has(image.layers[0])
    at_the_cdn = [one for one in server.seen if one.server == "cdn"]
    assert len(at_the_cdn) >= 2
    assert {one.authorization for one in at_the_cdn} == {""}
    assert [one.authorization for one in server.seen if one.path == "/elsewhere"] == [""]


def test_a_token_that_expires_between_layers_is_renewed(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    server.scheme = "bearer"
    image = server.add_image("app:1", LAYER, b"two")
    server.faults[image.layers[1]] = [fake.token_expired]
    registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    assert all(blobs.has(digest) for digest in image.layers)


# ---------------------------------------------------------------------- choice


def test_the_platform_s_manifest_is_chosen(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    mine = server.add_image("app:mine", LAYER, architecture=platforms.this_host().architecture)
    other = server.add_image("app:other", b"other", architecture="s390x")
    index = server.add_index(
        "app:1", (other, "linux/s390x"), (mine, platforms.of_host()), (other, "unknown/unknown")
    )
    arrived = registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    assert (arrived.pulled.manifest.digest, arrived.pulled.index_digest) == (mine.digest, index)
    wanted = platforms.parse("linux/s390x")
    arrived = registry_as().pull(f"{server.host}/app:1", blobs, platform=wanted, report=nothing)
    assert arrived.pulled.manifest.digest == other.digest
    with pytest.raises(errors.ImageError, match="no image for linux/mips64le") as caught:
        registry_as().pull(
            f"{server.host}/app:1", blobs, platform=platforms.parse("linux/mips64le"), report=nothing
        )
    assert "linux/s390x" in caught.value.hint
    with pytest.raises(errors.ImageError, match="for linux/s390x only"):
        registry_as().pull(f"{server.host}/app:other", blobs, platform=platforms.this_host(), report=nothing)


def test_by_digest(server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs) -> None:
    image = server.add_image("app:1", LAYER)
    arrived = registry_as().pull(f"{server.host}/app@{image.digest}", blobs, report=nothing)
    assert arrived.pulled.manifest.digest == image.digest
    assert registry_as().digest_of(f"{server.host}/app:1") == image.digest


def test_a_manifest_that_is_not_its_digest(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    image = server.add_image("app:1", LAYER)
    server.manifest_faults = [lambda handler, content: handler.answer(200, content + b" ")]
    with pytest.raises(errors.DigestMismatch):
        registry_as().pull(f"{server.host}/app@{image.digest}", blobs, report=nothing)


def test_a_manifest_larger_than_allowed_is_not_read_on(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    server.manifest_faults = [
        lambda handler, _content: handler.answer(200, b" " * (manifest.LARGEST + 10_000))
    ]
    with pytest.raises(errors.RegistryError, match="more than"):
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)


def test_an_index_that_holds_itself_ends(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    child = {"os": "linux", "architecture": platforms.this_host().architecture}
    digest = ""
    for depth in range(5):
        inner = {"mediaType": manifest.OCI_INDEX, "digest": digest, "size": 1, "platform": child}
        content = {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": [inner] if depth else []}
        raw = json.dumps(content).encode()
        digest = digest_of(raw)
        server.add_manifest("app:1", raw, manifest.OCI_INDEX)
    with pytest.raises(errors.ImageError, match="indexes of indexes"):
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)


def test_every_tag_of_a_repository(server: FakeRegistry, registry_as: OpenRegistry) -> None:
    for tag in ("a", "b", "c", "d", "e"):
        server.add_image(f"app:{tag}", LAYER)
    assert registry_as().tags(f"{server.host}/app") == ("a", "b", "c", "d", "e")


# ---------------------------------------------------------------------- mirrors


def with_conf(text: str, tmp_path: Path) -> dict[str, str]:
    conf = tmp_path / "own.conf"
    conf.write_text(text)
    return {"CONTAINERS_REGISTRIES_CONF": str(conf)}


def test_a_mirror_is_asked_first_and_then_the_registry(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path
) -> None:
    image = server.add_image("hub/library/debian:12", LAYER)
    conf = f"""
        [[registry]]
        prefix = "docker.io"
        location = "{server.host}/hub"
        [[registry.mirror]]
        location = "{server.host}/cache"
    """
    registry = registry_as(**with_conf(conf, tmp_path))
    arrived = registry.pull("debian:12", blobs, report=nothing)
    assert str(arrived.name) == "docker.io/library/debian:12"
    assert arrived.pulled.manifest.digest == image.digest
    asked = [one.path for one in server.requests("GET", "manifests")]
    assert asked == ["/v2/cache/library/debian/manifests/12", "/v2/hub/library/debian/manifests/12"]
    with pytest.raises(errors.RegistryNotFound, match="before that"):
        registry.pull("nowhere:1", blobs, report=nothing)


def test_a_mirror_that_fails_in_the_middle_is_left_for_the_registry(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path
) -> None:
    content = random.Random(6).randbytes(100_000)
    for place in ("cache/app:1", "hub/app:1"):
        image = server.add_image(place, content, b"other")
    server.faults[image.layers[0]] = [fake.reset_at(40_000), fake.status(404)]
    conf = f"""
        [[registry]]
        prefix = "example.org"
        location = "{server.host}/hub"
        [[registry.mirror]]
        location = "{server.host}/cache"
    """
    registry_as(**with_conf(conf, tmp_path)).pull("example.org/app:1", blobs, report=nothing)
    assert blobs.path(image.layers[0]).read_bytes() == content
    asked = [(one.path.split("/")[2], one.range) for one in server.requests("GET", image.layers[0])]
    assert [place for place, _ in asked] == ["cache", "cache", "hub"]
    assert asked[-1][1].startswith("bytes="), "what the mirror sent is not fetched again"


def test_a_blocked_registry_is_not_even_asked(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path
) -> None:
    conf = f'[[registry]]\nlocation = "{server.host}"\nblocked = true\n'
    with pytest.raises(errors.RegistryError, match="blocked"):
        registry_as(**with_conf(conf, tmp_path)).pull(f"{server.host}/app:1", blobs, report=nothing)
    assert server.seen == []


# ---------------------------------------------------------------------- unreachable


def test_nobody_listens(registry_as: OpenRegistry, blobs: FakeBlobs) -> None:
    with pytest.raises(errors.RegistryUnreachable, match=r"cannot connect to 127\.0\.0\.1:1: .*refused"):
        registry_as().pull("127.0.0.1:1/app:1", blobs, report=nothing)


def test_a_name_that_does_not_resolve(registry_as: OpenRegistry, blobs: FakeBlobs) -> None:
    with pytest.raises(errors.RegistryUnreachable, match="cannot be resolved"):
        registry_as().pull("registry.invalid/app:1", blobs, report=nothing)


def test_a_proxy_that_is_not_there(registry_as: OpenRegistry, blobs: FakeBlobs) -> None:
    registry = registry_as(HTTPS_PROXY="http://user:hush@127.0.0.1:1")
    with pytest.raises(errors.RegistryUnreachable, match="proxy") as caught:
        registry.pull("registry.invalid/app:1", blobs, report=nothing)
    assert "hush" not in f"{caught.value.message}{caught.value.hint}"


def test_everything_goes_through_a_proxy(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, tmp_path: Path
) -> None:
    """The scripted server stands for the proxy: it takes whole addresses, of a host that does not exist."""
    image = server.add_image("app:1", LAYER)
    conf = with_conf('[[registry]]\nlocation = "registry.invalid"\ninsecure = true\n', tmp_path)
    registry = registry_as(**conf, HTTP_PROXY=f"http://ann:hush@{server.host}")
    registry.pull("registry.invalid/app:1", blobs, report=nothing)
    assert blobs.has(image.layers[0])
    assert {one.path.partition("/v2/")[0] for one in server.seen} == {"http://registry.invalid"}
    assert {one.authorization for one in server.seen} == {""}, "the proxy's password is the proxy's alone"
    with pytest.raises(errors.RegistryUnreachable):
        registry_as(**conf, HTTP_PROXY=f"http://{server.host}", NO_PROXY=".invalid").pull(
            "registry.invalid/app:1", blobs, report=nothing
        )


# ---------------------------------------------------------------------- push


@pytest.fixture
def image(blobs: FakeBlobs) -> PushRequest:
    config = b'{"os":"linux","architecture":"amd64"}'
    layers = [random.Random(4).randbytes(2_000_000), b"small"]
    parts = [
        Descriptor(media_type=fake.LAYER, digest=blobs.put(content), size=len(content)) for content in layers
    ]
    described = Descriptor(media_type=manifest.OCI_CONFIG, digest=blobs.put(config), size=len(config))
    value = manifest.Manifest(media_type=manifest.OCI_MANIFEST, config=described, layers=tuple(parts))
    return PushRequest(
        manifest=manifest.to_json(value),
        media_type=manifest.OCI_MANIFEST,
        config=described,
        layers=tuple(parts),
        origins={parts[0].digest: "other/app"},
    )


def push(registry: Registry, server: FakeRegistry, image: PushRequest, blobs: FakeBlobs) -> list[Transfer]:
    heard: list[Transfer] = []
    registry.push(reference.parse(f"{server.host}/team/app:1"), image, blobs, report=heard.append)
    return heard


def test_a_push_brings_everything(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest, tmp_path: Path
) -> None:
    server.scheme, server.users = "bearer", {"ann": "secret"}
    logged_in(tmp_path, server.host)
    push(registry_as(), server, image, blobs)
    assert server.manifests["team/app:1"] == (image.manifest, manifest.OCI_MANIFEST)
    for blob in (*image.layers, image.config):
        assert len(server.blobs[blob.digest]) == blob.size
    assert "repository:team/app:pull,push" in server.scopes[0]
    again = push(registry_as(), server, image, blobs)
    assert {one.state for one in again} == {TransferState.WAITING, TransferState.PRESENT}
    assert len(server.requests("PATCH")) == 3


def test_a_blob_of_another_repository_is_mounted(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest
) -> None:
    server.scheme = "bearer"
    server.mountable = {("other/app", image.layers[0].digest)}
    heard = push(registry_as(), server, image, blobs)
    assert TransferState.MOUNTED in {one.state for one in heard if one.digest == image.layers[0].digest}
    assert image.layers[0].digest not in server.blobs
    assert any("repository:other/app:pull" in scopes for scopes in server.scopes)


@pytest.mark.parametrize("kept", [0, 1_000_000])
def test_an_upload_that_is_cut_goes_on(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest, kept: int
) -> None:
    server.upload_faults = [fake.upload_cut_at(kept)]
    push(registry_as(), server, with_one_blob(image), blobs)
    assert len(server.blobs[image.layers[0].digest]) == image.layers[0].size


def test_an_upload_that_is_forgotten_begins_again(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest
) -> None:
    def forget(handler: fake._Handler, _content: bytes) -> None:
        server.uploads.clear()
        handler.reset()

    server.upload_faults = [forget]
    push(registry_as(), server, with_one_blob(image), blobs)
    assert len(server.blobs[image.layers[0].digest]) == image.layers[0].size


def test_an_upload_whose_last_answer_is_lost_is_not_sent_again(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest
) -> None:
    def take_and_vanish(handler: fake._Handler, _content: bytes) -> None:
        server.add_blob(handler._drain())
        handler.reset()

    server.upload_faults = [take_and_vanish]
    push(registry_as(), server, with_one_blob(image), blobs)
    assert len(server.requests("PATCH")) == 1


def test_a_token_that_expires_during_an_upload(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest
) -> None:
    server.scheme = "bearer"

    def expire(handler: fake._Handler, content: bytes) -> None:
        handler._drain()
        fake.token_expired(handler, content)

    server.upload_faults = [expire]
    push(registry_as(), server, with_one_blob(image), blobs)
    assert image.layers[0].digest in server.blobs


def test_no_right_to_push(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, image: PushRequest
) -> None:
    server.upload_faults = [fake.status(403)] * 10
    with pytest.raises(errors.RegistryDenied, match="pushing to team/app"):
        push(registry_as(), server, image, blobs)
    assert "team/app:1" not in server.manifests


def with_one_blob(image: PushRequest) -> PushRequest:
    """The same with one blob to send, so that the fault meets it."""
    return attrs.evolve(image, layers=image.layers[:1], config=image.layers[0], origins={})


# ---------------------------------------------------------------------- login


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_login_checks_and_keeps_and_logout_forgets(
    server: FakeRegistry, registry_as: OpenRegistry, tmp_path: Path, scheme: str
) -> None:
    server.scheme, server.users = scheme, {"ann": "secret"}
    registry = registry_as()
    with pytest.raises(errors.RegistryDenied):
        registry.login(server.host, Credentials(username="ann", password="wrong"))
    assert not (tmp_path / ".docker/config.json").exists()
    where = registry.login(server.host, Credentials(username="ann", password="secret"))
    assert where == str(tmp_path / ".docker/config.json")
    assert registry_as().user_of(server.host) == Credentials(username="ann", password="secret")
    assert registry.logout(server.host)
    assert registry_as().user_of(server.host) is None
    assert not registry.logout(server.host)

"""composer against Debian's docker-registry, with skopeo as the witness of what went there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.peers.engines import Docker, Engine, Podman
from tests.peers.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.peer]

COMPOSER = Path(sys.executable).with_name("composer")


@attrs.frozen
class Home:
    """A store and a home directory of a test."""

    root: Path

    def call(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run composer to its end."""
        own = {
            k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE", "DOCKER", "REGISTRY", "XDG"))
        }
        conf = self.root / "registries.conf"
        conf.touch()
        return subprocess.run(
            [str(COMPOSER), *arguments],
            input=stdin,
            cwd=self.root,
            env={
                **own,
                "HOME": str(self.root),
                "COMPOSER_DATA": str(self.root / "data"),
                "COMPOSER_RUN": str(self.root / "run"),
                "CONTAINERS_REGISTRIES_CONF": str(conf),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """What a command says that must succeed."""
        done = self.call(*arguments, stdin=stdin, **environment)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def ids(self) -> set[str]:
        return set(self.ok("image", "ls", "-q", "--no-trunc").split())

    def layers(self, name: str) -> list[str]:
        """The diffIDs: what an image is, however it is packed and described."""
        (found,) = json.loads(self.ok("image", "inspect", name))
        return found["RootFS"]["Layers"]


@pytest.fixture
def homes() -> Iterator[tuple[Home, Home]]:
    """The one who pushes and has busybox, and another who has nothing."""
    made = [Path(tempfile.mkdtemp(prefix="composer-registry-", dir="/dev/shm")) for _ in range(2)]
    try:
        pusher, puller = (Home(root) for root in made)
        pusher.ok("image", "bootstrap", "--busybox", "busybox")
        yield pusher, puller
    finally:
        for root in made:
            shutil.rmtree(root, ignore_errors=True)


def test_pushed_and_pulled_again(homes: tuple[Home, Home], registry: Registry, skopeo: Engine) -> None:
    pusher, puller = homes
    name = f"{registry.host}/team/busybox:1"
    pusher.ok("image", "tag", "busybox", name)
    said = pusher.ok("image", "push", name)
    assert "digest: sha256:" in said
    seen = json.loads(skopeo.ok("inspect", "--tls-verify=false", f"docker://{name}"))
    assert seen["Digest"] in said
    assert len(seen["Layers"]) == 1
    assert seen["Digest"] in puller.ok("image", "pull", name)
    assert puller.ids() == pusher.ids()
    # Again: nothing has to be sent and nothing fetched.
    assert "Already present" in pusher.ok("image", "push", name)
    assert "Status: Image is up to date" in puller.ok("image", "pull", name)
    puller.ok("image", "rm", name)
    assert "Status: Downloaded newer image" in puller.ok("image", "pull", name)
    assert puller.ok("image", "pull", "-q", name) == f"{name}\n"


def test_what_skopeo_brought(homes: tuple[Home, Home], registry: Registry, skopeo: Engine) -> None:
    pusher, puller = homes
    archive, name = pusher.root / "image.tar", f"{registry.host}/skopeo/busybox"
    pusher.ok("image", "save", "-o", str(archive), "busybox")
    for form, tag in (("v2s2", "docker"), ("oci", "oci")):
        for compression in ("gzip", "zstd") if form == "oci" else ("gzip",):
            target = f"{name}:{tag}-{compression}"
            skopeo.ok(
                "copy", "--insecure-policy", "--dest-tls-verify=false", "--format", form,
                "--dest-compress-format", compression, "--dest-compress",
                f"docker-archive:{archive}", f"docker://{target}",
            )  # fmt: skip
            puller.ok("image", "pull", target)
            assert puller.layers(target) == pusher.layers("busybox")
    puller.ok("image", "pull", "-a", name)


def test_a_second_repository_mounts_the_blobs(homes: tuple[Home, Home], registry: Registry) -> None:
    pusher, _ = homes
    first, second = f"{registry.host}/one/app:1", f"{registry.host}/two/app:1"
    for name in (first, second):
        pusher.ok("image", "tag", "busybox", name)
    assert "Mounted" not in pusher.ok("image", "push", first)
    assert "Mounted" in pusher.ok("image", "push", second)


def test_login_is_needed_kept_and_forgotten(homes: tuple[Home, Home], private_registry: Registry) -> None:
    pusher, puller = homes
    ((user, password),) = private_registry.users.items()
    host = private_registry.host
    name = f"{host}/app:1"
    pusher.ok("image", "tag", "busybox", name)
    refused = pusher.call("image", "push", name)
    assert refused.returncode == 18
    assert f"hint: Log in with `composer login {host}`" in refused.stderr
    wrong = pusher.call("login", "-u", user, "--password-stdin", host, stdin="guessed\n")
    assert wrong.returncode == 18
    assert "does not accept" in wrong.stderr
    assert "guessed" not in wrong.stderr
    assert "Login Succeeded" in pusher.ok(
        "login", "-u", user, "--password-stdin", host, stdin=f"{password}\n"
    )
    kept = pusher.root / ".docker/config.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    pusher.ok("image", "push", name)
    puller.ok("image", "pull", name, REGISTRY_AUTH_FILE=str(kept))
    assert "Removing login credentials" in pusher.ok("logout", host)
    assert pusher.call("image", "pull", name).returncode == 18
    assert "Not logged in" in pusher.ok("logout", host)


def test_a_registry_stands_in_for_docker_hub(homes: tuple[Home, Home], registry: Registry) -> None:
    pusher, puller = homes
    name = f"{registry.host}/hub/library/stand-in:1"
    pusher.ok("image", "tag", "busybox", name)
    pusher.ok("image", "push", name)
    conf = puller.root / "mirror.conf"
    conf.write_text(
        f'[[registry]]\nprefix = "docker.io"\n[[registry.mirror]]\nlocation = "{registry.host}/hub"\n'
    )
    said = puller.ok("image", "pull", "stand-in:1", CONTAINERS_REGISTRIES_CONF=str(conf))
    assert "docker.io/library/stand-in:1" in said
    assert puller.ids() == pusher.ids()


def test_images_of_a_stack(homes: tuple[Home, Home], registry: Registry) -> None:
    pusher, puller = homes
    image = f"{registry.host}/stack/app:1"
    text = f"""name: registrystack
services:
  app: {{image: "{image}", build: {{context: ., dockerfile_inline: "FROM busybox\\nENV A=1"}}}}
  other: {{image: "{registry.host}/stack/other"}}
"""
    for home in homes:
        (home.root / "compose.yaml").write_text(text)
    pusher.ok("build")
    pusher.ok("push")
    missing = puller.call("pull")
    assert missing.returncode == 18
    assert "does not have stack/other:latest" in missing.stderr
    puller.ok("pull", "--ignore-pull-failures")
    assert puller.ok("image", "inspect", "-f", "{{.Id}}", image) == pusher.ok(
        "image", "inspect", "-f", "{{.Id}}", image
    )
    assert "its image can be built" in puller.ok("pull", "--ignore-buildable", "app")
    resolved = json.loads(pusher.ok("config", "--resolve-image-digests", "--format", "json", "app"))
    digest = resolved["services"]["app"]["image"].partition("@")[2]
    locked = pusher.root / "compose.lock.yaml"
    pusher.call("push")
    pusher.ok("image", "tag", "busybox", f"{registry.host}/stack/other")
    pusher.ok("image", "push", f"{registry.host}/stack/other")
    pusher.ok("config", "--lock-image-digests", "-o", str(locked))
    assert f"{image}@{digest}" in locked.read_text()
    merged = json.loads(pusher.ok("-f", "compose.yaml", "-f", str(locked), "config", "--format", "json"))
    assert merged["services"]["app"]["image"] == f"{image}@{digest}"


def test_docker_and_podman_run_what_composer_pushed(
    homes: tuple[Home, Home], shared_registry: Registry, docker: Docker, podman: Podman
) -> None:
    pusher, puller = homes
    name = f"{shared_registry.host}/everywhere:1"
    (pusher.root / "registries.conf").write_text(
        f'[[registry]]\nlocation = "{shared_registry.host}"\ninsecure = true\n'
    )
    dockerfile = "FROM busybox\nENV GREETING=hello\nRUN echo there > /who\n"
    service = {"image": name, "build": {"context": ".", "dockerfile_inline": dockerfile}}
    (pusher.root / "compose.yaml").write_text(f"name: everywhere\nservices: {json.dumps({'a': service})}\n")
    pusher.ok("build")
    refused = puller.call("image", "pull", name)
    assert refused.returncode == 18, "http beyond the loopback has to be allowed"
    assert "does not speak TLS" in refused.stderr
    pusher.ok("push")
    identity = pusher.ok("image", "inspect", "-f", "{{.Id}}", name).strip().removeprefix("sha256:")
    for engine in (docker, podman):
        engine.ok("pull", name)
        said = engine.ok("run", "--rm", name, "sh", "-c", "echo $GREETING $(cat /who)")
        assert said == b"hello there\n"
        assert str(engine.inspect(name)["Id"]).removeprefix("sha256:") == identity


def test_composer_pulls_what_docker_and_podman_pushed(
    homes: tuple[Home, Home], shared_registry: Registry, docker: Docker, podman: Podman
) -> None:
    pusher, puller = homes
    archive = pusher.root / "image.tar"
    pusher.ok("image", "save", "-o", str(archive), "busybox")
    (puller.root / "registries.conf").write_text(
        f'[[registry]]\nlocation = "{shared_registry.host}"\ninsecure = true\n'
    )
    for engine, name in ((docker, "docker"), (podman, "podman")):
        target = f"{shared_registry.host}/from-{name}:1"
        engine.ok("load", "-i", str(archive))
        engine.ok("tag", "busybox", target)
        engine.ok("push", target)
        puller.ok("image", "pull", target)
        assert puller.layers(target) == pusher.layers("busybox")

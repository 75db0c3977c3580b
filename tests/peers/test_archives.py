"""What composer saves Docker and Podman load and run, and the other way round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.engines import Docker, Engine, Podman
from tests.peers.fixtures import need

pytestmark = [pytest.mark.root, pytest.mark.peer]


class Composer(Engine):
    """This composer, with a store of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            [str(Path(sys.executable).with_name("composer"))],
            {**os.environ, "COMPOSER_DATA": str(directory / "data"), "COMPOSER_RUN": str(directory / "run")},
        )


@pytest.fixture
def composer(tmp_path: Path) -> Composer:
    """With an image ``mine:1`` of a busybox and a layer on it, made by import."""
    need("busybox")
    one = Composer(tmp_path)
    one.ok("image", "bootstrap", "--busybox", "busybox")
    one.ok("image", "tag", "busybox", "mine:1")
    return one


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_takes_what_composer_saves(
    form: str, composer: Composer, podman: Podman, tmp_path: Path
) -> None:
    file = tmp_path / "mine.tar"
    composer.ok("image", "save", "--format", form, "-o", str(file), "mine:1")
    podman.ok("load", "-i", str(file))
    (found,) = json.loads(podman.ok("image", "inspect", "docker.io/library/mine:1"))
    assert f"sha256:{found['Id']}" == composer.inspect("mine:1")["Id"]
    said = podman.ok("run", "--rm", "--network=none", "docker.io/library/mine:1", "echo", "hello")
    assert said == b"hello\n"
    podman.ok("rmi", "docker.io/library/mine:1")


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_composer_takes_what_podman_saves(
    form: str, composer: Composer, podman: Podman, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.tar"
    composer.ok("image", "save", "-o", str(file), "mine:1")
    podman.ok("load", "-i", str(file))
    back = tmp_path / "back.tar"
    podman.ok("save", "--format", form, "-o", str(back), "docker.io/library/mine:1")
    before = composer.inspect("mine:1")["Id"]
    composer.ok("image", "rm", "-f", str(before))
    composer.ok("image", "load", "-i", str(back))
    assert composer.inspect("mine:1")["Id"] == before
    podman.ok("rmi", "docker.io/library/mine:1")


def test_docker_and_composer_exchange_images(composer: Composer, docker: Docker, tmp_path: Path) -> None:
    archive = composer.ok("image", "save", "mine:1")
    assert b"Loaded image: mine:1" in docker.ok("load", stdin=archive)
    before = composer.inspect("mine:1")["Id"]
    assert docker.inspect("mine:1")["Id"] == before
    assert docker.ok("run", "--rm", "--network=none", "mine:1", "echo", "hello") == b"hello\n"
    (tmp_path / "Dockerfile").write_text("FROM mine:1\nCOPY Dockerfile /made\nENV BY=docker\nCMD cat /made\n")
    docker.ok("build", "-t", "theirs:2", str(tmp_path))
    composer.ok("image", "load", stdin=docker.ok("save", "theirs:2"))
    ours, theirs = composer.inspect("theirs:2"), docker.inspect("theirs:2")
    for field in ("Id", "RepoTags", "RootFS", "Created", "Os", "Architecture"):
        assert ours[field] == theirs[field], field
    assert ours["Config"]["Env"] == theirs["Config"]["Env"]  # type: ignore[index]
    docker.ok("load", stdin=composer.ok("image", "save", "theirs:2"))
    assert docker.inspect("theirs:2")["Id"] == ours["Id"]
    docker.ok("rmi", "-f", "theirs:2", "mine:1")


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_skopeo_reads_both(form: str, composer: Composer, skopeo: Engine, tmp_path: Path) -> None:
    file = tmp_path / "mine.tar"
    composer.ok("image", "save", "--format", form, "-o", str(file), "mine:1")
    for transport in ("oci-archive", "docker-archive") if form == "docker-archive" else ("oci-archive",):
        seen = json.loads(skopeo.ok("inspect", f"{transport}:{file}"))
        assert seen["Architecture"] == "amd64"
    copied = tmp_path / "copied.tar"
    skopeo.ok("copy", f"{form}:{file}", f"docker-archive:{copied}:mine:3")
    composer.ok("image", "load", "-i", str(copied))
    assert composer.inspect("mine:3")["RootFS"] == composer.inspect("mine:1")["RootFS"]


def test_what_docker_exports_is_imported(composer: Composer, docker: Docker) -> None:
    docker.ok("load", stdin=composer.ok("image", "save", "mine:1"))
    docker.ok("create", "--name", "exported", "mine:1")
    try:
        root = docker.ok("export", "exported")
    finally:
        docker.ok("rm", "exported")
    composer.ok("image", "import", "-c", 'CMD ["sh"]', "-", "imported:1", stdin=root)
    assert composer.inspect("imported:1")["Config"] == {"Cmd": ["sh"]}
    docker.ok("rmi", "-f", "mine:1")


def test_a_tool_that_composer_has_no_part_in_reads_the_layers(composer: Composer, tmp_path: Path) -> None:
    """GNU tar lists the plain layer without a complaint."""
    file = tmp_path / "mine.tar"
    composer.ok("image", "save", "-o", str(file), "mine:1")
    (layer,) = composer.inspect("mine:1")["RootFS"]["Layers"]  # type: ignore[index]
    path = f"blobs/sha256/{layer.removeprefix('sha256:')}"
    plain = subprocess.run(["tar", "-xOf", str(file), path], capture_output=True, check=True).stdout
    done = subprocess.run(["tar", "-tvf", "-"], input=plain, capture_output=True, check=True)
    assert done.stderr == b""
    assert b"bin/busybox" in done.stdout

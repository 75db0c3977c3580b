"""The builders that are compared: each builds a directory and shows what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from tests.differential.builds import picture
from tests.differential.builds.cases import Case
from tests.differential.builds.picture import Picture
from tests.peers.composer import Composer
from tests.peers.engines import Docker, Podman

BASE = "busybox"


class Refused(Exception):
    """The builder said no; the message is what it said."""


class Contender(Protocol):
    """One builder."""

    def build(self, case: Case, context: Path, name: str, file: str = "Dockerfile") -> None:
        """Build and tag; raises ``Refused``."""

    def picture(self, name: str) -> Picture:
        """What an image is."""


class ComposerBuild:
    """``composer build`` of a stack of one service.

    With a supervisor's umask, which builds for ``up``: no image depends on it.
    """

    def __init__(self, root: Path, run: Path) -> None:
        self._composer = Composer(root, run, umask=0o077)
        self._composer.ok("image", "bootstrap", "--busybox", BASE)

    def build(self, case: Case, context: Path, name: str, file: str = "Dockerfile") -> None:
        """Build and tag."""
        build = {"context": str(context), "dockerfile": file, "args": dict(case.args)}
        if case.target and file == "Dockerfile":
            build["target"] = case.target
        stack = context.with_name(f"{context.name}-stack")
        stack.mkdir(exist_ok=True)
        document = {"name": "differential", "services": {"built": {"image": name, "build": build}}}
        (stack / "compose.yaml").write_text(json.dumps(document))
        done = self._composer.call("--project-directory", str(stack), "build")
        if done.returncode:
            raise Refused(done.stderr.decode())

    def save(self, name: str) -> bytes:
        """An image as an archive that the others load."""
        return self._composer.ok("image", "save", name)

    def picture(self, name: str) -> Picture:
        """What an image is."""
        return picture.of_archive(self.save(name))


class DockerBuild:
    """``docker build`` with the classic builder."""

    def __init__(self, docker: Docker, base: bytes) -> None:
        self._docker = docker
        docker.ok("load", stdin=base)

    def build(self, case: Case, context: Path, name: str, file: str = "Dockerfile") -> None:
        """Build and tag."""
        done = self._docker.call(
            "build", "-t", name, *_options(case, file), "-f", str(context / file), str(context)
        )
        if done.returncode:
            raise Refused(done.stderr.decode())

    def picture(self, name: str) -> Picture:
        """What an image is."""
        return picture.of_archive(self._docker.ok("save", name))


class BuildahBud:
    """``buildah bud``, which knows part of BuildKit's syntax."""

    def __init__(self, buildah: Podman, podman: Podman, base: bytes) -> None:
        self._buildah, self._podman = buildah, podman
        podman.ok("load", stdin=base)

    def build(self, case: Case, context: Path, name: str, file: str = "Dockerfile") -> None:
        """Build and tag."""
        done = self._buildah.call(
            *("bud", "--pull-never", "--identity-label=false", "--layers", "-t", f"docker.io/library/{name}"),
            *_options(case, file),
            *("-f", str(context / file), str(context)),
        )
        if done.returncode:
            raise Refused(done.stderr.decode())

    def picture(self, name: str) -> Picture:
        """What an image is."""
        return picture.of_archive(self._podman.ok("save", f"docker.io/library/{name}"))


def _options(case: Case, file: str) -> list[str]:
    arguments = [word for item in case.args.items() for word in ("--build-arg", "=".join(item))]
    return [*arguments, *(["--target", case.target] if case.target and file == "Dockerfile" else [])]

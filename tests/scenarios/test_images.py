"""Images made here are used by everybody, and everybody's images here: a registry in between.

Once with a busybox image, in seconds; once (slow, ``make images-proof``) with the images of
``examples/images``: PostgreSQL, Redis, nginx and a Python application on a Debian base, built with
``apt-get install``, pushed, pulled into an empty store and run as a stack.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from tests.peers.composer import Composer
from tests.peers.engines import Docker, Engine, Podman
from tests.peers.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.scenario]

EXAMPLE = Path(__file__).parents[2] / "examples" / "images"


@attrs.frozen(kw_only=True)
class Trial:
    """A command for an image by itself, and the end of what it must say."""

    image: str
    script: str
    answer: str


@attrs.frozen(kw_only=True)
class Stack:
    """A directory with a stack file and Dockerfiles, what its bases are, and how each image is tried.

    ``question`` is asked of a service of the running stack.
    """

    directory: Path
    bases: tuple[tuple[str, ...], ...]
    trials: tuple[Trial, ...]
    question: tuple[str, ...]
    answer: str


SMALL_FILES = {
    "compose.yaml": (
        "name: small\nservices:\n  one:\n    image: ${REGISTRY}/small/one:1\n    build: {context: .}\n"
        "    stop_signal: SIGKILL\n"
    ),
    "Dockerfile": (
        "FROM busybox AS made\nRUN mkdir /out && echo built > /out/text\n"
        "FROM busybox\nCOPY --from=made --chown=7:8 --chmod=640 /out/text /text\n"
        "USER 7\nENV WHO=small\nLABEL size=small\n"
        'ENTRYPOINT ["/bin/sh", "-c"]\nCMD ["sleep 1000"]\n'
    ),
}

EXAMPLES = Stack(
    directory=EXAMPLE,
    bases=(("debian:bookworm-slim",),),
    trials=(
        Trial(
            image="images/postgres:15",
            script=(
                "entrypoint pg_ctl -s -w start >/dev/null && psql -tAc 'select 40 + 2' "
                "&& pg_ctl -s -m fast stop"
            ),
            answer="42",
        ),
        Trial(
            image="images/redis:7",
            script="redis-server --daemonize yes >/dev/null; redis-cli ping; redis-cli shutdown nosave",
            answer="PONG",
        ),
        Trial(
            image="images/nginx:1",
            script="nginx && curl -s localhost",
            answer="It is nginx that says this.",
        ),
        Trial(
            image="images/web:1",
            script="python3 -c 'import app; print(app.app.test_client().get(\"/ping\").data.decode())'",
            answer="pong",
        ),
    ),
    question=("nginx", "curl", "-sf", "localhost/visits"),
    answer='{"rows":1,"visits":1}',
)


@pytest.fixture
def homes(shared_registry: Registry) -> Iterator[tuple[Composer, Composer]]:
    """Two machines: one that builds and one that has nothing."""
    places = [
        (
            Path(tempfile.mkdtemp(prefix="composer-images-", dir="/var/tmp")),
            Path(tempfile.mkdtemp(prefix="composer-images-", dir="/dev/shm")),
        )
        for _ in range(2)
    ]
    builder, user = (Composer(root, run, shared_registry.host) for root, run in places)
    yield builder, user
    for root, run in places:
        shutil.rmtree(root)
        shutil.rmtree(run)


@pytest.fixture
def others(docker: Docker, podman: Podman, skopeo: Engine) -> tuple[Docker, Podman, Engine]:
    """The engines that use what composer made."""
    return docker, podman, skopeo


@pytest.fixture
def clock(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says how long it took since it was last asked: these are the figures of the documentation."""
    last = time.monotonic()

    def lap(what: str) -> None:
        nonlocal last
        now = time.monotonic()
        with capsys.disabled():
            print(f"\n  {what}: {now - last:.1f} s", end="", flush=True)
        last = now

    return lap


def config_of(engine: Engine, image: str) -> Mapping[str, object]:
    """What an engine says of an image's configuration, without what is empty."""
    found = engine.inspect(image)["Config"]
    assert isinstance(found, dict)
    return {key: found[key] for key in ("Cmd", "Entrypoint", "WorkingDir", "User", "Env") if found.get(key)}


def prove(
    stack: Stack,
    homes: tuple[Composer, Composer],
    others: tuple[Docker, Podman, Engine],
    clock: Callable[[str], None],
) -> None:
    """Build, push, forget, pull, run; and the same images with skopeo, Podman and Docker."""
    builder, user = homes
    docker, podman, skopeo = others
    names = {trial.image: f"{builder.registry}/{trial.image}" for trial in stack.trials}
    for base in stack.bases:
        builder.ok("image", "bootstrap", *base, timeout=900)
    clock("base image")
    builder.run(stack.directory, "build", "--quiet")
    clock("build")
    builder.run(stack.directory, "push", "--quiet")
    clock("push")
    user.run(stack.directory, "pull", "--quiet")
    clock("pull into an empty store")
    for name in names.values():
        seen = json.loads(skopeo.ok("inspect", "--tls-verify=false", f"docker://{name}"))
        assert len(seen["Layers"]) == len(builder.inspect(name)["RootFS"]["Layers"])  # type: ignore[index]
        assert user.inspect(name)["Id"] == builder.inspect(name)["Id"]
    user.run(stack.directory, "up", "-d", "--wait", "--no-build")
    try:
        assert user.run(stack.directory, "exec", "-T", *stack.question).strip() == stack.answer
    finally:
        user.run(stack.directory, "down", "-v")
    clock("up, one request, down")
    for label, engine in (("composer", user), ("podman", podman), ("docker", docker)):
        pull = ["--tls-verify=false"] if engine is podman else []
        for trial in stack.trials:
            name = names[trial.image]
            if engine is not user:
                engine.ok("pull", *pull, name)
                assert config_of(engine, name) == config_of(builder, name)
            verbs = ["container", "run"] if engine is user else ["run"]
            said = engine.ok(*verbs, "--rm", "--entrypoint", "sh", name, "-ec", trial.script).decode()
            assert said.strip().splitlines()[-1] == trial.answer, f"{label} {trial.image}"
        clock(f"{label}: each image by itself")


def test_a_small_stack(
    homes: tuple[Composer, Composer],
    others: tuple[Docker, Podman, Engine],
    tmp_path: Path,
    clock: Callable[[str], None],
) -> None:
    for name, text in SMALL_FILES.items():
        (tmp_path / name).write_text(text)
    small = Stack(
        directory=tmp_path,
        bases=(("--busybox", "busybox"),),
        trials=(Trial(image="small/one:1", script='cat /text; echo "$WHO $(id -u)"', answer="small 7"),),
        question=("one", "stat", "-c", "%a %u:%g", "/text"),
        answer="640 7:8",
    )
    prove(small, homes, others, clock)


@pytest.mark.slow
def test_the_images_of_the_example(
    homes: tuple[Composer, Composer], others: tuple[Docker, Podman, Engine], clock: Callable[[str], None]
) -> None:
    prove(EXAMPLES, homes, others, clock)


OTHERS_DOCKERFILE = (
    b"FROM busybox\nRUN mkdir -m 2750 /d && echo made > /d/f && chown -R 5:6 /d && ln -s d /l && rm /bin/vi\n"
    b'RUN rm -r /d && mkdir /d && echo again > /d/g\nENV BY=other\nUSER 5\nCMD ["cat", "/l/g"]\n'
)


def test_images_that_docker_and_podman_built(
    homes: tuple[Composer, Composer], others: tuple[Docker, Podman, Engine], buildah: Podman
) -> None:
    builder, user = homes
    docker, podman, _ = others
    builder.ok("image", "bootstrap", "--busybox", "busybox")
    archive = builder.ok("image", "save", "busybox")
    docker.ok("load", stdin=archive)
    podman.ok("load", stdin=archive)
    by_docker, by_podman = f"{user.registry}/by/docker:1", f"{user.registry}/by/podman:1"
    docker.ok("build", "-t", by_docker, "-", stdin=OTHERS_DOCKERFILE)
    docker.ok("push", by_docker)
    buildah.ok("bud", "--pull-never", "-t", by_podman, "-f", "-", ".", stdin=OTHERS_DOCKERFILE)
    podman.ok("push", "--tls-verify=false", by_podman)
    for name in (by_docker, by_podman):
        said = user.ok("container", "run", "--rm", name).decode()
        assert said.splitlines()[-1] == "again"
        listed = user.ok(
            "container", "run", "--rm", name, "sh", "-c", "ls /d; test -e /bin/vi || echo none; id -u"
        )
        assert listed.decode().splitlines()[-3:] == ["g", "none", "5"]

"""Builds with the kernel's overlayfs and a real OCI runtime, on a busybox image."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

PROGRAM = """
import json, sys
from pathlib import Path
from composer import errors
from composer.dockerfile.builder import DockerfileBuilder
from composer.host import mounts, process
from composer.host.database import Database
from composer.host.paths import Paths
from composer.image.bootstrap import bootstrap_busybox
from composer.image.store import Store
from composer.model.protocols import BuildRequest
from composer.runtime.driver import OciRuntime

class Handle:
    path = ""
    def close(self): pass

class Network:
    def build_namespace(self): return Handle()

mounts.enter_private_namespace()
paths = Paths(Path(sys.argv[1]), Path(sys.argv[2]))
paths.make()
store = Store(paths, Database(paths.database))
if store.find("busybox") is None:
    bootstrap_busybox(store, "busybox", say=lambda line: None)
builder = DockerfileBuilder(store, OciRuntime(paths), Network())
said = []
try:
    image = builder.build(BuildRequest(context=Path(sys.argv[3])), said.append, process.StopFlag())
    result = {"id": image.id, "layers": [str(p) for p in store.layer_paths(image)], "error": "", "output": ""}
except errors.ComposerError as error:
    result = {"id": "", "layers": [], "error": error.message, "output": getattr(error, "output", "")}
left = [p.name for p in (paths.data / "layers/staging").iterdir()]
print(json.dumps({**result, "said": said, "staging": left}))
"""


class Host:
    """A private store, and builds in processes of their own (each has its mount namespace)."""

    def __init__(self, data: Path, run: Path) -> None:
        self.data = data
        self.run = run
        self.context = data / "context"
        self.context.mkdir()

    def arguments(self) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(self.data / "data"), str(self.run), str(self.context)]

    def build(self, dockerfile: str) -> dict[str, object]:
        import json

        (self.context / "Dockerfile").write_text(dockerfile)
        done = subprocess.run(self.arguments(), capture_output=True, text=True, check=False, cwd=Path.cwd())
        assert done.returncode == 0, done.stderr
        result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return result


@pytest.fixture
def host() -> Iterator[Host]:
    data = Path(tempfile.mkdtemp(prefix="composer-build-", dir="/var/tmp"))  # overlayfs needs a real disk
    run = Path(tempfile.mkdtemp(prefix="composer-build-", dir="/dev/shm"))
    before = Path("/proc/self/mounts").read_text()
    yield Host(data, run)
    assert Path("/proc/self/mounts").read_text() == before
    shutil.rmtree(data)
    shutil.rmtree(run)


DOCKERFILE = """\
FROM busybox AS compile
ARG WHO=world
COPY src /src
RUN sed "s/NAME/$WHO/" /src/greeting > /greeting && mkdir /var/made && chown 7:8 /greeting
FROM busybox
ENV PLACE=/srv/app
WORKDIR $PLACE
COPY --from=compile /greeting hello/
COPY --chown=root:root --chmod=0750 src/run.sh .
RUN ["./run.sh", "now"]
RUN rm run.sh && adduser -D web
USER web
RUN <<EOF
id -un > /tmp/who
EOF
"""


def layer_of(result: dict[str, object], name: str) -> Path | None:
    layers = result["layers"]
    assert isinstance(layers, list)
    for layer in reversed(layers):
        if os.path.lexists(f"{layer}/{name}"):
            return Path(layer) / name
    return None


def test_stages_commands_and_copies(host: Host) -> None:
    (host.context / "src").mkdir()
    (host.context / "src/greeting").write_text("hello NAME\n")
    (host.context / "src/run.sh").write_text('#!/bin/sh\necho "$1 $PWD $PLACE" > ran\n')
    first = host.build(DOCKERFILE)
    assert first["error"] == ""
    greeting = layer_of(first, "srv/app/hello/greeting")
    assert greeting is not None
    assert greeting.read_text() == "hello world\n"
    assert (greeting.stat().st_uid, greeting.stat().st_gid) == (7, 8)
    ran = layer_of(first, "srv/app/ran")
    assert ran is not None
    assert ran.read_text() == "now /srv/app /srv/app\n"
    removed = layer_of(first, "srv/app/run.sh")
    assert removed is not None
    assert removed.is_char_device()
    who = layer_of(first, "tmp/who")
    assert who is not None
    assert who.read_text() == "web\n"
    assert layer_of(first, "src") is None
    assert first["staging"] == []

    second = host.build(DOCKERFILE)
    assert second["id"] == first["id"]
    said = second["said"]
    assert isinstance(said, list)
    assert sum(line.endswith("CACHED") for line in said) == 10
    assert not any("output" in line for line in said)


def test_a_failing_command_shows_its_output(host: Host) -> None:
    result = host.build("FROM busybox\nRUN echo begun; nothing-like-this\n")
    assert result["error"] == "Dockerfile:2: RUN echo begun; nothing-like-this exited with 127"
    assert str(result["output"]).splitlines()[0] == "begun"
    assert "not found" in str(result["output"])
    assert result["staging"] == []


def test_mount_stubs_stay_out_of_layers(host: Host) -> None:
    result = host.build(
        "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /sh\n"
        'SHELL ["/sh", "sh", "-c"]\nRUN echo > /made\n'
    )
    assert result["error"] == ""
    layers = result["layers"]
    assert isinstance(layers, list)
    assert os.listdir(layers[-1]) == ["made"]


def test_a_killed_build_leaves_staging_that_the_next_one_sweeps(host: Host) -> None:
    (host.context / "Dockerfile").write_text(
        "FROM busybox\nRUN echo one > /one\nRUN cat /dev/zero > /dev/null\n"
    )
    begun = subprocess.Popen([*host.arguments()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    staging = host.data / "data/layers/staging"
    try:
        deadline = 1000
        while deadline and not (
            staging.is_dir() and len(list(staging.glob(f"{begun.pid}-*/upper"))) == 1 and _runs(host)
        ):
            deadline -= 1
            begun.poll()
            os.sched_yield()
            _pause()
        assert deadline, "the command never ran"
    finally:
        begun.kill()
        begun.wait()
        for pid in _commands(host):
            os.kill(pid, 9)
    assert list(staging.iterdir())
    result = host.build("FROM busybox\nRUN echo one > /one\n")
    assert result["error"] == ""
    assert "#2 CACHED" in str(result["said"])
    result = host.build("FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n")
    assert result["staging"] == []


def _pause() -> None:
    """Give the processor away for a moment while polling for another process's progress."""
    import select

    select.select([], [], [], 0.01)


def _commands(host: Host) -> list[int]:
    """The pids of the command and of the runtime that belong to this store."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"cat\0/dev/zero" in command or str(host.run).encode() in command:
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def _runs(host: Host) -> bool:
    del host
    return any(
        b"cat\0/dev/zero" in _command_line(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()
    )


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""

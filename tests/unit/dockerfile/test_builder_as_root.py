"""Builds with the kernel's overlayfs and a real OCI runtime, on a busybox image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import buildhost
from tests.buildhost import Host

pytestmark = pytest.mark.root


@pytest.fixture
def host() -> Iterator[Host]:
    with buildhost.opened() as made:
        yield made


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
RUN rm run.sh && echo web:x:1000:1000::/:/bin/sh >> /etc/passwd
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
        'SHELL ["/sh", "-c"]\nRUN echo > /made\n'
    )
    assert result["error"] == ""
    layers = result["layers"]
    assert isinstance(layers, list)
    assert os.listdir(layers[-1]) == ["made"]


RELEASE = """
import sys
from pathlib import Path
from composer.host.paths import Paths
from composer.runtime.driver import OciRuntime

paths = Paths(Path(sys.argv[1]), Path(sys.argv[2]))
runtime = OciRuntime(paths)
for bundle in (paths.run / "containers").glob("build-*"):
    runtime.remove(bundle.name)
    print(bundle.name)
"""


def test_a_killed_build_is_continued_by_the_next_one(host: Host) -> None:
    first = "FROM busybox\nRUN echo one > /one\n"
    (host.context / "Dockerfile").write_text(first + "RUN echo begun; exec sleep 1000\n")
    begun = subprocess.Popen(
        [*host.arguments(), "loudly"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert begun.stdout is not None
    assert any(line.endswith(" begun\n") for line in begun.stdout)
    begun.kill()
    begun.communicate()
    (staged,) = (host.data / "data/layers/staging").iterdir()
    assert staged.name.startswith(f"{begun.pid}.")
    # The container of the dead build has a name that says whose it was.
    released = subprocess.run(
        [sys.executable, "-c", RELEASE, *host.arguments()[3:5]], capture_output=True, text=True, check=True
    )
    assert released.stdout.startswith(f"build-{begun.pid}-")

    result = host.build(first + "RUN echo two > /two\n")
    assert result["error"] == ""
    assert "#2 CACHED" in str(result["said"])
    assert not staged.exists()
    assert result["staging"] == []

"""Builds from the command line: a stack whose images are built on each other, and images by themselves."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile

import pytest

from tests.scenarios.conftest import COMPOSER, Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]

STACK = """
services:
  app:
    build:
      context: .
      dockerfile_inline: |
        FROM basis
        RUN --mount=type=secret,id=tok test "$(cat /run/secrets/tok)" = hidden && cat /made > /copied
        RUN grep -q 1.2.3.4 /etc/hosts && test $(ulimit -n) = 777
      additional_contexts: {basis: "service:base"}
      secrets: [tok]
      labels: {who: me}
      extra_hosts: ["h:1.2.3.4"]
      ulimits: {nofile: 777}
    command: ["cat", "/copied"]
  base:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
        RUN echo base > /made
    command: ["true"]
secrets:
  tok: {environment: TOK}
"""


def test_a_service_is_built_on_another(store: Store) -> None:
    stack = store.stack("builds", STACK)
    app, base = f"{stack.name}-app", f"{stack.name}-base"
    plan = stack.call("plan", TOK="hidden").stdout
    assert f"#1 build image {base}: the image is missing" in plan
    assert f"#2 build image {app}: the image is missing after #1" in plan
    said = stack.ok("build", "app", TOK="hidden")
    assert said.index(f"[{base}]") < said.index(f"[{app}]")
    assert stack.call("run", "--rm", "app", TOK="hidden").stdout.split() == ["base"]
    (image,) = json.loads(store.call("image", "inspect", app).stdout)
    assert image["Config"]["Labels"]["who"] == "me"
    assert "CACHED" in stack.ok("build", TOK="other")  # a secret's value is in no key
    assert "hidden" not in json.dumps(image)


def test_up_builds_what_is_missing_in_order(store: Store) -> None:
    stack = store.stack("buildsup", STACK)
    stack.ok("up", "-d", TOK="hidden")
    assert "base" in stack.ok("logs", "app", TOK="hidden")
    stack.ok("down", "--rmi", "all", TOK="hidden")


def test_one_image_with_outputs_and_stdin(store: Store) -> None:
    context = store.root / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nARG N=0\nCOPY f /$N\n")
    (context / "f").write_text("content")
    done = store.call("image", "build", "-q", "-t", "one", "--build-arg", "N=1", "-o", "out", "context")
    assert done.returncode == 0, done.stderr
    identity = done.stdout.strip()
    assert (store.root / "out/1").read_text() == "content"
    # Known without being made again, and made again when something changed.
    assert (
        store.call("image", "build", "-q", "-t", "one", "--build-arg", "N=1", "context").stdout.strip()
        == identity
    )
    (context / "f").write_text("changed")
    assert (
        store.call("image", "build", "-q", "-t", "one", "--build-arg", "N=1", "context").stdout.strip()
        != identity
    )

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(context, ".")
    piped = subprocess.run(
        [str(COMPOSER), "image", "build", "-q", "-o", "-", "-"],
        input=stream.getvalue(), capture_output=True, env=store.environment, cwd=store.root, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(piped.stdout.partition(b"sha256:")[0])) as archive:
        assert "0" in {name.removeprefix("./") for name in archive.getnames()}


def test_a_failure_shows_its_output_and_its_place(store: Store) -> None:
    context = store.root / "failing"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo before; exit 3\n")
    done = store.call("image", "build", "failing")
    assert done.returncode == 19
    assert "Dockerfile:2: RUN echo before; exit 3 exited with 3" in done.stderr
    assert "before" in done.stderr
    assert "Traceback" not in done.stderr

"""`cp` with real containers: running, stopped, with volumes and binds where the container has them."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import COMPOSER, Stack, Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]

FILE = """
services:
  web:
    image: busybox
    command: sh -c 'mkdir -p /data/sub; echo one > /data/f; chown 7:8 /data/f; ln -s /data /link; touch /ready; sleep 600'
    stop_grace_period: 0s
    scale: 2
    healthcheck: {test: test -e /ready, interval: 1s}
    volumes: ["kept:/vol", "./bound:/bound:ro"]
volumes: {kept: {}}
"""


@pytest.fixture(scope="module")
def stack(store: Store) -> Iterator[Stack]:
    made = store.stack("cp", FILE)
    (made.directory / "bound").mkdir()
    (made.directory / "bound" / "b").write_text("bound")
    made.ok("up", "-d", "--wait")
    return made


def _by_hand(stack: Stack, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(COMPOSER), "container", *words],
        input=stdin, cwd=stack.directory, env=stack.store.environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_out_of_a_service(stack: Stack, tmp_path: Path) -> None:
    shown = stack.ok("cp", "web:/data", str(tmp_path / "new"))
    assert "Successfully copied 4B to" in shown
    assert (tmp_path / "new" / "f").read_text() == "one\n"
    assert (tmp_path / "new" / "f").stat().st_uid == os.getuid()
    stack.ok("cp", "-a", "web:/data/f", f"{tmp_path}/kept")
    assert ((tmp_path / "kept").stat().st_uid, (tmp_path / "kept").stat().st_gid) == (7, 8)
    stack.ok("cp", "web:/link", str(tmp_path / "link"))
    assert os.readlink(tmp_path / "link") == "/data"
    stack.ok("cp", "-L", "web:/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed" / "f").exists()


def test_into_one_and_into_all_of_a_service(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    os.chown(tmp_path / "hello", 5, 6)
    stack.ok("cp", "--index", "2", str(tmp_path / "hello"), "web:/tmp/")
    assert stack.call("exec", "-T", "--index", "1", "web", "test", "-e", "/tmp/hello").returncode == 1
    assert stack.ok("exec", "-T", "--index", "2", "web", "cat", "/tmp/hello").startswith("hello")
    stack.ok("cp", "--all", "-q", str(tmp_path / "hello"), "web:/tmp/everywhere")
    for index in ("1", "2"):
        owner = stack.ok("exec", "-T", "--index", index, "web", "stat", "-c", "%u", "/tmp/everywhere")
        assert owner.startswith("5\n"), "as Docker: the owner is kept on the way in"


def test_mounts_are_where_the_container_has_them(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "v").write_text("v")
    stack.ok("cp", str(tmp_path / "v"), "web:/vol/")
    assert (stack.store.root / "data" / "volumes" / f"{stack.name}_kept" / "_data" / "v").read_text() == "v"
    stack.ok("cp", "web:/bound/b", str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "bound"
    refused = stack.call("cp", str(tmp_path / "v"), "web:/bound/")
    assert refused.returncode == 1
    assert "Read-only" in refused.stderr


def test_a_file_that_is_mounted_is_written_into(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 mine\n")
    stack.ok("cp", str(tmp_path / "hosts"), "web:/etc/hosts")
    assert stack.ok("exec", "-T", "web", "cat", "/etc/hosts").startswith("127.0.0.1 mine")
    assert "/etc/hosts" in stack.ok("exec", "-T", "web", "cat", "/proc/self/mounts")


def test_tars_both_ways(stack: Stack) -> None:
    name = f"{stack.name}-web-1"
    out = _by_hand(stack, "cp", f"{name}:/data", "-")
    with tarfile.open(fileobj=io.BytesIO(out.stdout)) as archive:
        assert archive.getnames() == ["data", "data/f", "data/sub"]
        assert (archive.getmember("data/f").uid, archive.getmember("data/f").gid) == (7, 8)
    back = _by_hand(stack, "cp", "-", f"{name}:/tmp", stdin=out.stdout)
    assert back.returncode == 0, back.stderr
    assert stack.ok("exec", "-T", "--index", "1", "web", "cat", "/tmp/data/f").startswith("one")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("web:/nowhere", "out", "no /nowhere in the container"),
        ("nowhere", "web:/tmp", "cannot copy nowhere"),
        ("web:/data", "nodir/x", "cannot copy into"),
        ("bound/b", "web:/nodir/x", "no such directory in the container: /nodir"),
        ("bound/b", "web:/nodir/", "does not exist"),
        ("bound", "web:/data/f", "over the file"),
    ],
)
def test_refusals(stack: Stack, source: str, target: str, message: str) -> None:
    done = stack.call("cp", source, target)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_stopped_container_is_copied_from_and_to(stack: Stack, tmp_path: Path) -> None:
    name = f"{stack.name}-web-2"
    (tmp_path / "late").write_text("late")
    assert _by_hand(stack, "stop", name).returncode == 0
    for target in (f"{name}:/data/", f"{name}:/vol/"):
        done = _by_hand(stack, "cp", str(tmp_path / "late"), target)
        assert done.returncode == 0, done.stderr
    assert _by_hand(stack, "cp", f"{name}:/data/f", str(tmp_path / "f")).returncode == 0
    assert (tmp_path / "f").read_text() == "one\n"
    refused = _by_hand(stack, "cp", str(tmp_path / "late"), f"{name}:/bound/")
    assert refused.returncode == 1
    assert (stack.store.root / "data" / "volumes" / f"{stack.name}_kept" / "_data" / "late").exists()
    assert list((stack.store.run / "views").iterdir()) == []
    assert _by_hand(stack, "start", name).returncode == 0
    assert stack.ok("exec", "-T", "--index", "2", "web", "cat", "/data/late").startswith("late")


def test_a_container_does_not_start_while_it_is_copied_from(stack: Stack) -> None:
    name = f"{stack.name}-web-2"
    assert _by_hand(stack, "stop", name).returncode == 0
    copying = subprocess.Popen(
        [str(COMPOSER), "container", "cp", "-", f"{name}:/tmp"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=stack.directory, env=stack.store.environment,
    )  # fmt: skip
    views = stack.store.run / "views"
    from tests.scenarios.conftest import eventually

    eventually(lambda: views.exists() and list(views.iterdir()))
    starting = subprocess.Popen(
        [str(COMPOSER), "container", "start", name], cwd=stack.directory, env=stack.store.environment
    )
    with pytest.raises(subprocess.TimeoutExpired):
        starting.wait(1.5)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w"):
        pass
    _, said = copying.communicate(content.getvalue(), timeout=30)
    assert copying.returncode == 0, said
    assert starting.wait(30) == 0

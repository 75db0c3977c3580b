"""Volumes that are mounted, shared, filled, or somebody else's; read back from inside."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer.host import mounts
from tests.scenarios.conftest import Stack, Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]


@attrs.frozen
class Case:
    """A service's attributes, a command inside, and what its output must match."""

    body: str
    command: str
    expected: str


MS_SHARED = 1 << 20

CASES: dict[str, Case] = {
    "tmpfs volume": Case("volumes: ['memory:/m']", "grep ' /m ' /proc/mounts; stat -c %a /m",
                         r"tmpfs /m tmpfs rw,noexec,.*size=2048k(.|\n)*700"),
    "shared by two": Case("volumes: ['memory:/other/place']", "cat /other/place/of-first", "first"),
    "volume that binds": Case("volumes: ['bound:/b']", "cat /b/file; touch /b/x 2>&1; true", r"of host\n.*Read-only"),
    "filled on first use": Case("volumes: ['filled:/etc']", "cat /etc/group; stat -c '%u %a' /etc", r"root(.|\n)*0 755"),
    "nocopy": Case("volumes: [{type: volume, source: empty, target: /etc, volume: {nocopy: true}}]",
                   "ls /etc/group 2>&1; true", "No such file"),
    "created host path": Case("volumes: ['./made/here:/b']", "ls -d /b", "/b"),
    "read-only bind": Case("volumes: ['./host:/b:ro']", "touch /b/x 2>&1; true", "Read-only"),
    "shared propagation": Case("volumes: [{type: bind, source: ./host, target: /b, bind: {propagation: rslave}}]",
                               "grep ' /b ' /proc/self/mountinfo", r"master:\d+|/b .* - "),
    "bind without what is below": Case(
        "volumes: [{type: bind, source: /sys, target: /b, read_only: true, bind: {recursive: disabled}}]",
        "grep -c ' /b/' /proc/mounts; true", "^0$"),
    "tmpfs options": Case("tmpfs: ['/t:exec,uid=7,gid=8,size=1m,mode=750']", "stat -c '%u %g %a' /t; grep ' /t ' /proc/mounts",
                          r"7 8 750\ntmpfs /t tmpfs rw,nosuid,nodev,relatime"),
    "tmpfs long": Case("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0o711}}]",
                       "stat -c %a /t; df -k /t", r"711\n(.|\n)*\s1024\s"),
    "volumes of a container": Case("volumes_from: ['container:{unique}first:ro']", "cat /anon/of-first; touch /anon/x 2>&1; true",
                                   r"first\n.*Read-only"),
}  # fmt: skip

FIRST = """
  first:
    image: busybox
    container_name: {unique}first
    stop_signal: SIGKILL
    volumes: ["memory:/m", {type: volume, target: /anon, volume: {labels: {my.label: mine}}}]
    command: [sh, -c, 'echo first > /m/of-first; echo first > /anon/of-first; touch /ready; exec sleep 1000']
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms}
"""

VOLUMES = """
volumes:
  memory: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=2m,noexec,mode=700'}}
  bound: {driver: local, driver_opts: {type: none, device: ./host, o: bind}}
  filled: {driver_opts: {type: tmpfs, device: tmpfs}}
  empty: {labels: {a: b}}
"""


def _service_of(name: str) -> str:
    return re.sub(r"\W", "-", name)


def _text(unique: str) -> str:
    services = FIRST.replace("{unique}", unique)
    for name, case in CASES.items():
        services += f"""
  {_service_of(name)}:
    image: busybox
    stop_signal: SIGKILL
    command: sleep 1000
    depends_on: {{first: {{condition: service_healthy}}}}
    {case.body.replace("{unique}", unique)}
"""
    return f"services:{services}{VOLUMES}"


@pytest.fixture(scope="module")
def stack(store: Store) -> Iterator[Stack]:
    made = store.stack("volumes", _text(f"v{os.getpid()}"))
    (made.directory / "host").mkdir()
    (made.directory / "host" / "file").write_text("of host\n")
    override = "volumes: {bound: {driver_opts: {o: 'bind,ro', device: %s}}}\n" % (made.directory / "host")
    (made.directory / "compose.override.yaml").write_text(override)
    made.ok("up", "-d")
    yield made
    made.ok("down", "-v", "-t", "0")
    assert not list((store.run / "volumes").iterdir())


@pytest.mark.parametrize("name", CASES)
def test_its_effect_inside(stack: Stack, name: str) -> None:
    done = stack.call("exec", "-T", _service_of(name), "sh", "-c", CASES[name].command)
    assert done.returncode == 0, done.stderr
    assert re.search(CASES[name].expected, done.stdout), done.stdout


def test_a_mounted_volume_is_nowhere_on_the_host(stack: Stack) -> None:
    assert f"{stack.name}_memory" not in Path("/proc/self/mounts").read_text()


def test_what_a_container_mounts_in_a_shared_bind_shows_on_the_host(store: Store) -> None:
    stack = store.stack(
        "shared",
        """services:
  a:
    image: busybox
    privileged: true
    stop_signal: SIGKILL
    volumes: [{type: bind, source: ./host, target: /b, bind: {propagation: rshared}}]
    command: [sh, -c, 'mount -t tmpfs of-container /b/sub && touch /b/sub/file /ready; exec sleep 1000']
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms}
""",
    )
    host = stack.directory / "host"
    host.mkdir()
    mounts.mount(str(host), str(host), "", mounts.MS_BIND)
    try:
        mounts.mount("none", str(host), "", MS_SHARED)
        (host / "sub").mkdir()
        stack.ok("up", "-d", "--wait")
        assert (host / "sub" / "file").exists()
        stack.ok("down", "-t", "0")
        mounts.unmount(host / "sub")
    finally:
        mounts.unmount(host)


def test_a_restarted_container_finds_what_the_others_still_have(stack: Stack) -> None:
    """Also when the supervisor whose mount namespace it all began in is gone."""
    stack.ok("exec", "-T", "tmpfs-volume", "sh", "-c", "echo kept > /m/kept")
    os.kill(stack.supervisor, signal.SIGKILL)
    stack.ok("restart", "-t", "0", "tmpfs-volume")
    assert "kept" in stack.ok("exec", "-T", "tmpfs-volume", "cat", "/m/kept")


def test_labels_are_those_of_the_file_and_ours(stack: Stack) -> None:
    (found,) = json.loads(stack.ok("volume", "inspect", f"{stack.name}_empty"))
    assert found["Labels"]["a"] == "b"
    assert found["Labels"]["com.docker.compose.volume"] == "empty"


EXTERNAL = """
services: {{a: {{image: busybox, command: cat /v/of-owner, volumes: ['v:/v']}}}}
volumes: {{v: {{external: true, name: {name}}}}}
"""


def test_an_external_volume_is_used_and_never_removed(store: Store) -> None:
    name = f"shared{os.getpid()}"
    user = store.stack("external", EXTERNAL.format(name=name))
    refused = user.call("up", "-d")
    assert refused.returncode == 1
    assert f"external volume {name} not found" in refused.stderr
    owner = store.stack(
        "owner",
        "services: {a: {image: busybox, command: sh -c 'echo of owner > /v/of-owner', volumes: ['v:/v']}}\n"
        f"volumes: {{v: {{name: {name}}}}}\n",
    )
    owner.ok("up", "--abort-on-container-exit")
    assert "of owner" in user.ok("up", "--abort-on-container-exit")
    user.ok("down", "-v")
    assert (store.root / "data" / "volumes" / name / "_data" / "of-owner").exists()
    owner.ok("down", "-v")
    assert not (store.root / "data" / "volumes" / name).exists()


def test_a_volume_that_cannot_be_mounted_is_named(store: Store) -> None:
    stack = store.stack(
        "unmountable",
        "services: {a: {image: busybox, volumes: ['v:/v']}}\n"
        "volumes: {v: {driver_opts: {type: ext4, device: /dev/nothing}}}\n",
    )
    done = stack.call("up", "-d")
    assert done.returncode == 1
    assert f"cannot mount volume {stack.name}_v (ext4 /dev/nothing)" in done.stderr
    stack.ok("down", "-v")

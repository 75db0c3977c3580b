"""``composer network ...`` on containers of a stack and of none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.scenarios.conftest import Stack, Store, eventually
from tests.scenarios.test_networks import SLEEP, addresses_of, inside

pytestmark = [pytest.mark.root, pytest.mark.scenario]

NAME = f"hand{os.getpid()}"


def ok(store: Store, *arguments: str) -> str:
    done = store.call(*arguments)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


@pytest.fixture(autouse=True)
def _gone_in_the_end(store: Store) -> Iterator[None]:
    """What a failing test leaves: the container of no stack, and the network that no ``down`` removes."""
    yield
    store.call("container", "rm", "-f", f"{NAME}-c")
    for stack in store.stacks:
        for container in ("a-1", "b-1"):
            store.call("network", "disconnect", "-f", NAME, f"{stack.name}-{container}")
    store.call("network", "rm", "-f", NAME)


@pytest.fixture(scope="module")
def stack(store: Store) -> Stack:
    made = store.stack("verbs", f"services:\n  a:\n    {SLEEP}\n  b:\n    {SLEEP}\n")
    made.ok("up", "-d")
    return made


def test_a_network_is_made_shown_used_and_removed(store: Store, stack: Stack) -> None:
    identity = ok(
        store, "network", "create", "--ipv6", "--subnet", "10.214.1.0/24", "--label", "x=y", NAME
    ).strip()
    assert len(identity) == 64
    assert store.call("network", "create", NAME).returncode == 1
    (document,) = json.loads(ok(store, "network", "inspect", identity[:12]))
    assert document["IPAM"]["Config"][0] == {"Subnet": "10.214.1.0/24", "Gateway": "10.214.1.1"}
    assert document["EnableIPv6"] is True
    assert document["Labels"] == {"x": "y"}
    names = ok(store, "network", "ls", "--format", "{{.Name}}").split()
    assert {NAME, "host", "none", f"{stack.name}_default"} <= set(names)
    assert (
        ok(store, "network", "ls", "-q", "--filter", "dangling=true", "--filter", f"name={NAME}").strip()
        == identity[:12]
    )

    ok(store, "network", "connect", "--alias", "also", "--ip", "10.214.1.50", NAME, f"{stack.name}-a-1")
    ok(store, "network", "connect", "--link", f"{stack.name}-a-1:it", NAME, f"{stack.name}-b-1")
    assert "10.214.1.50/24" in inside(stack, "a", "ip -o addr show eth1")
    assert "10.214.1.50" in addresses_of(stack, "b", "also")
    assert "10.214.1.50" in addresses_of(stack, "b", "it")
    assert addresses_of(stack, "a", "it") == set()
    again = store.call("network", "connect", NAME, f"{stack.name}-a-1")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    (document,) = json.loads(ok(store, "network", "inspect", NAME))
    assert {one["Name"] for one in document["Containers"].values()} == {
        f"{stack.name}-a-1",
        f"{stack.name}-b-1",
    }
    used = store.call("network", "rm", NAME)
    assert (used.returncode, f"used by {stack.name}-a-1" in used.stderr) == (1, True)
    stack.ok("restart", "-t", "0", "a")
    assert "10.214.1.50/24" in inside(stack, "a", "ip -o addr"), "it outlives a restart"
    assert "up-to-date" in stack.call("up", "-d").stderr or stack.rows()["a-1"]["State"] == "running"
    assert "10.214.1.50/24" in inside(stack, "a", "ip -o addr"), "and an up that has nothing to do"

    for container in ("a-1", "b-1"):
        ok(store, "network", "disconnect", NAME, f"{stack.name}-{container}")
    assert "10.214.1." not in inside(stack, "a", "ip -o addr")
    assert store.call("network", "disconnect", NAME, f"{stack.name}-a-1").returncode == 1
    ok(store, "network", "disconnect", "-f", NAME, f"{stack.name}-a-1")
    assert ok(store, "network", "rm", NAME).strip() == NAME
    assert store.call("network", "rm", NAME).returncode == 1
    ok(store, "network", "rm", "-f", NAME)
    assert store.call("network", "rm", "host").returncode == 1


def test_what_a_hand_disconnects_stays_so_until_up(stack: Stack, store: Store) -> None:
    default = f"{stack.name}_default"
    ok(store, "network", "disconnect", default, f"{stack.name}-a-1")
    assert inside(stack, "a", "ls /sys/class/net").split() == ["lo"]
    pid = stack.pid("a-1")
    eventually(lambda: addresses_of(stack, "b", "a") == set())
    plan = stack.call("plan").stdout
    assert f"reconnect container {stack.name}-a-1: network {default} was detached" in plan
    stack.ok("up", "-d")
    assert inside(stack, "a", "ls /sys/class/net").split() == ["eth0", "lo"]
    assert stack.pid("a-1") == pid, "it was not made again"
    eventually(lambda: len(addresses_of(stack, "b", "a")) == 1)


def test_prune_leaves_what_is_used(store: Store, stack: Stack) -> None:
    ok(store, "network", "create", NAME)
    assert (
        store.call("network", "prune", "--filter", "label!=x").returncode == 0
    )  # nobody agrees: nothing goes
    out = ok(store, "network", "prune", "-f")
    assert out.split("\n")[0] == "Deleted Networks:"
    assert NAME in out
    assert f"{stack.name}_default" not in out
    assert ok(store, "network", "prune", "-f") == ""


def test_a_container_of_no_stack_on_it(store: Store) -> None:
    ok(store, "network", "create", NAME)
    identity = ok(
        store, "container", "run", "-d", "--name", f"{NAME}-c", "--network", NAME, "busybox", "sleep", "1000"
    ).strip()
    try:
        (document,) = json.loads(ok(store, "container", "inspect", identity))
        assert document["NetworkSettings"]["Networks"][NAME]["IPAddress"]
        other = ok(
            store, "container", "run", "--rm", "--network", NAME, "busybox", "ping", "-c1", f"{NAME}-c"
        )
        assert "1 packets received" in other
    finally:
        ok(store, "container", "rm", "-f", identity)
    eventually(lambda: store.call("network", "rm", NAME).returncode == 0)

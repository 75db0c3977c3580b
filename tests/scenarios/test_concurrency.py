"""Many at once: two ``up`` of one stack, ten stacks, ``up`` against ``down``."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.conftest import Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]

SMALL = """
services:
  a: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, ports: ["127.0.0.1::80"]}
  b: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, networks: [default, other]}
networks: {other: {}}
"""


def test_two_ups_of_one_stack(store: Store) -> None:
    stack = store.stack("twice", SMALL)
    running = [stack.start("up", "-d") for _ in range(2)]
    outputs = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], outputs
    assert sorted(stack.rows()) == ["a-1", "b-1"]
    assert "nothing to do" in stack.ok("up", "-d")
    stack.ok("down")


def test_ten_stacks_at_once(store: Store) -> None:
    stacks = [store.stack(f"many{number}x", SMALL) for number in range(10)]
    running = [stack.start("up", "-d") for stack in stacks]
    outputs = [one.communicate(timeout=90)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 10, outputs
    addresses, ports = [], []
    for stack in stacks:
        for row in stack.rows().values():
            assert row["State"] == "running"
            addresses += list(row["Addresses"].values())
            ports += [publisher["PublishedPort"] for publisher in row["Publishers"]]
    assert len(addresses) == len(set(addresses)) == 30, json.dumps(addresses)
    assert len(ports) == len(set(ports)) == 10
    running = [stack.start("down") for stack in stacks]
    outputs = [one.communicate(timeout=90)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 10, outputs


def test_up_against_down(store: Store) -> None:
    stack = store.stack("race", SMALL)
    for _ in range(4):
        running = [stack.start("up", "-d"), stack.start("down")]
        outputs = [one.communicate(timeout=60)[0] for one in running]
        assert [one.returncode for one in running] == [0, 0], outputs
        states = {row["State"] for row in stack.rows().values()}
        assert states in ({"running"}, set())
    stack.ok("up", "-d")
    assert "nothing to do" in stack.ok("up", "-d")
    stack.ok("down")

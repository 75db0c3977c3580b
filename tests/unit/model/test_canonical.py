"""Specifications go into records and come back equal."""

from __future__ import annotations

import attrs

from composer.model import canonical
from composer.model.container import ContainerFile, ContainerMount, ContainerSpec, NetworkMembership
from composer.model.limits import Limits
from composer.model.quantity import ByteSize, Duration
from composer.model.stack import Healthcheck, MountKind, PublishedPort, RestartKind, RestartPolicy

FULL = ContainerSpec(
    stack="s", service="web", number=2, name="s-web-2", image="i", image_id="sha256:1", one_off=True,
    command=("a", "b"), entrypoint=(), environment={"B": "2", "A": "1"}, working_dir="/w", user="1:2", hostname="h",
    ports=(PublishedPort(target=80, published=8080, host_ip="127.0.0.1"),),
    mounts=(ContainerMount(kind=MountKind.TMPFS, target="/t", tmpfs_size=ByteSize(5), tmpfs_mode=0o700),),
    files=(ContainerFile(target="/f", digest="d", uid=3, is_secret=True),),
    networks={"n": NetworkMembership(aliases=("x",), ipv4_address="10.0.0.2")},
    healthcheck=Healthcheck(test=("CMD", "x"), interval=Duration(5), retries=2),
    restart=RestartPolicy(kind=RestartKind.ON_FAILURE, max_retries=3), stop_signal="SIGINT",
    init=True, labels={"l": "v"}, limits=Limits(memory=ByteSize(9), cpus=0.5, pids=7), cap_add=("A",), tty=True,
)  # fmt: skip


def test_round_trip() -> None:
    again = canonical.from_json(ContainerSpec, canonical.to_json(FULL))
    assert again == FULL
    assert isinstance(again.limits.memory, ByteSize)
    assert again.healthcheck is not None
    assert isinstance(again.healthcheck.interval, Duration)


def test_equal_values_give_equal_text() -> None:
    swapped = attrs.evolve(FULL, environment={"A": "1", "B": "2"})
    assert canonical.to_json(swapped) == canonical.to_json(FULL)
    assert canonical.to_json(attrs.evolve(FULL, number=3)) != canonical.to_json(FULL)


def test_what_a_newer_version_added_is_ignored() -> None:
    text = canonical.to_json(FULL)[:-1] + ',"later":1}'
    assert canonical.from_json(ContainerSpec, text) == FULL

"""The container of ``run``: the service's, with what the command line changes."""

import pytest

from composer import errors
from composer.model.container import ContainerMount
from composer.model.stack import MountKind, PublishedPort
from composer.planner import oneoff
from composer.planner.oneoff import OneOff
from tests.builders import data_at, service, stack

PORT = PublishedPort(target=80, published=8080)


def spec(**wanted: object):
    made = stack(
        service(
            "web",
            command=("serve",),
            environment={"A": "1", "B": "1"},
            ports=(PORT,),
            mounts=(data_at("/data"),),
        )
    )
    return oneoff.spec_of(made, "web", {}, OneOff(name="once", **wanted))  # type: ignore[arg-type]


def test_what_is_left_out() -> None:
    made = spec()
    assert (made.name, made.one_off, made.ports, made.command) == ("once", True, (), ("serve",))
    assert made.labels["com.docker.compose.oneoff"] == "True"
    assert [membership.aliases for membership in made.networks.values()] == [()]


def test_what_is_changed() -> None:
    made = spec(environment={"B": "2"}, labels={"x": "y"}, user="5", cap_add=("SYS_TIME",))
    assert (made.environment, made.user, made.cap_add) == ({"A": "1", "B": "2"}, "5", ("SYS_TIME",))
    assert made.labels["x"] == "y"
    assert "web" in next(iter(spec(use_aliases=True).networks.values())).aliases


def test_an_entrypoint_takes_the_command_away() -> None:
    assert spec(entrypoint=("sh",)).command == ()
    assert spec(entrypoint=("sh",), command=("x",)).command == ("x",)


def test_ports() -> None:
    more = PublishedPort(target=99)
    assert spec(service_ports=True, ports=(more,)).ports == (PORT, more)
    assert spec(ports=(more,)).ports == (more,)


def test_mounts_come_over_the_services() -> None:
    bind = ContainerMount(kind=MountKind.BIND, source="/here", target="/data")
    assert spec(mounts=(bind,)).mounts == (bind,)
    named = ContainerMount(kind=MountKind.VOLUME, source="data", target="/more")
    assert [mount.source for mount in spec(mounts=(named,)).mounts] == ["demo_data", "demo_data"]
    with pytest.raises(errors.UsageError, match="no volume nowhere"):
        spec(mounts=(ContainerMount(kind=MountKind.VOLUME, source="nowhere", target="/x"),))

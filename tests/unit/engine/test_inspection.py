"""A container's document: Docker's fields, filled from what was observed."""

import attrs
import pytest

from composer.engine.inspection import Surroundings, document_of
from composer.model.container import (
    ContainerMount,
    ContainerSpec,
    ContainerState,
    Health,
    NetworkMembership,
    NetworkSpec,
    ObservedContainer,
    Wish,
)
from composer.model.image import ImageConfig
from composer.model.limits import BlockIo, DeviceRate, Limits, Ulimit
from composer.model.protocols import Endpoint, NetworkState
from composer.model.quantity import ByteSize
from composer.model.stack import Healthcheck, MountKind, Namespaces, PublishedPort, RestartKind, RestartPolicy

ID = "a" * 64
SPEC = ContainerSpec(
    stack="demo", service="web", number=1, name="demo-web-1", image="busybox", image_id="sha256:b"
)
CONTAINER = ObservedContainer(
    id=ID, spec=SPEC, generation=1, state=ContainerState.RUNNING, wish=Wish.RUNNING, pid=42, created_at=1.5, started_at=2.0
)  # fmt: skip


def _document(container: ObservedContainer = CONTAINER, around: Surroundings | None = None, **spec: object):
    changed = attrs.evolve(container, spec=attrs.evolve(container.spec, **spec))
    return document_of(changed, around or Surroundings(data="/data", run="/run"))


def test_fields_of_docker() -> None:
    document = _document()
    assert list(document) == [
        "Id", "Created", "Path", "Args", "State", "Image", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath",
        "Name", "RestartCount", "Driver", "Platform", "HostConfig", "GraphDriver", "Mounts", "Config",
        "NetworkSettings",
    ]  # fmt: skip
    assert document["Id"] == ID
    assert document["Name"] == "/demo-web-1"
    assert document["LogPath"] == "/data/log"
    assert document["Created"] == "1970-01-01T00:00:01.5Z"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"Status": "running", "Running": True, "Pid": 42, "ExitCode": 0}),
        ({"health": Health.HEALTHY}, {"Health": {"Status": "healthy"}}),
        (
            {"state": ContainerState.EXITED, "exit_code": 3, "finished_at": 9.0, "pid": 0, "wish": Wish.STOPPED},
            {"Status": "exited", "Running": False, "ExitCode": 3, "FinishedAt": "1970-01-01T00:00:09Z"},
        ),
        ({"state": ContainerState.CREATED, "started_at": 0.0}, {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}),
        ({"state": ContainerState.BROKEN}, {"Status": "dead", "Dead": True}),
        ({"state": ContainerState.EXITED, "exit_code": 137, "oom_killed": True}, {"OOMKilled": True}),
    ],
)  # fmt: skip
def test_state(changes: dict[str, object], expected: dict[str, object]) -> None:
    state = _document(attrs.evolve(CONTAINER, **changes))["State"]
    assert {key: state[key] for key in expected} == expected
    assert ("Health" in state) is ("Health" in expected)


IMAGE = ImageConfig(
    entrypoint=("/entry",), command=("serve",), environment={"A": "1", "B": "2"}, labels={"l": "image", "m": "image"},
    volumes=("/var/data",), exposed_ports=("443/tcp",), user="app", working_dir="/srv", stop_signal="SIGQUIT",
    healthcheck=Healthcheck(test=("CMD", "true")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "argv"),
    [
        ({}, ["/entry", "serve"]),
        ({"command": ("x",)}, ["/entry", "x"]),
        ({"entrypoint": ("/e",)}, ["/e"]),
        ({"entrypoint": (), "command": ("x", "y")}, ["x", "y"]),
    ],
)
def test_process(spec: dict[str, object], argv: list[str]) -> None:
    document = _document(around=Surroundings(image=IMAGE), **spec)
    assert [document["Path"], *document["Args"]] == argv
    assert [*(document["Config"]["Entrypoint"] or ()), *(document["Config"]["Cmd"] or ())] == argv


def test_config_is_the_containers_over_the_images() -> None:
    config = _document(around=Surroundings(image=IMAGE), environment={"B": "3"}, labels={"l": "own"})[
        "Config"
    ]
    assert config["Env"] == ["B=3", "A=1"]
    assert config["Labels"] == {"l": "own", "m": "image"}
    assert config["User"] == "app"
    assert config["WorkingDir"] == "/srv"
    assert config["StopSignal"] == "SIGQUIT"
    assert config["ExposedPorts"] == {"443/tcp": {}}
    assert config["Volumes"] == {"/var/data": {}}
    assert config["Healthcheck"] == {"Test": ["CMD", "true"]}
    assert config["Hostname"] == "a" * 12
    own = _document(around=Surroundings(image=IMAGE), user="", healthcheck=Healthcheck(disabled=True))[
        "Config"
    ]
    assert own["User"] == ""
    assert own["Healthcheck"] == {"Test": ["NONE"]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"limits": Limits(memory=ByteSize(64), cpus=1.5, pids=7)}, {"Memory": 64, "NanoCpus": 1_500_000_000, "PidsLimit": 7}),
        (
            {"limits": Limits(block_io=BlockIo(weight=300, device_read_bps=(DeviceRate(path="/dev/x", rate=5),)))},
            {"BlkioWeight": 300, "BlkioDeviceReadBps": [{"Path": "/dev/x", "Rate": 5}]},
        ),
        (
            {"restart": RestartPolicy(kind=RestartKind.ON_FAILURE, max_retries=3)},
            {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}},
        ),
        ({"ulimits": {"nofile": Ulimit(soft=1, hard=2)}}, {"Ulimits": [{"Name": "nofile", "Hard": 2, "Soft": 1}]}),
        ({"namespaces": Namespaces(network="host", pid="host")}, {"NetworkMode": "host", "PidMode": "host"}),
        ({"networks": {"demo_default": NetworkMembership()}}, {"NetworkMode": "demo_default"}),
        ({"ports": (PublishedPort(target=80, published=8080),)}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}),
        (
            {"mounts": (ContainerMount(kind=MountKind.BIND, source="/s", target="/t", read_only=True),)},
            {"Binds": ["/s:/t:ro"]},
        ),
        (
            {"mounts": (ContainerMount(kind=MountKind.TMPFS, target="/t", tmpfs_size=ByteSize(9), tmpfs_mode=0o700),)},
            {"Tmpfs": {"/t": "size=9,mode=700"}, "Binds": None},
        ),
        ({"auto_remove": True, "privileged": True, "cap_add": ("NET_ADMIN",)}, {"AutoRemove": True, "Privileged": True, "CapAdd": ["CAP_NET_ADMIN"]}),
    ],
)  # fmt: skip
def test_host_config(spec: dict[str, object], expected: dict[str, object]) -> None:
    host = _document(**spec)["HostConfig"]
    assert {key: host[key] for key in expected} == expected


def test_mounts() -> None:
    mounts = (
        ContainerMount(kind=MountKind.BIND, source="/s", target="/t"),
        ContainerMount(kind=MountKind.VOLUME, source="data", target="/d", read_only=True),
    )
    around = Surroundings(
        image=IMAGE, sources={"/d": ("data", "/v/data"), "/var/data": ("anonymous-1", "/v/1")}
    )
    found = _document(around=around, mounts=mounts)["Mounts"]
    assert [
        (one["Type"], one.get("Name"), one["Source"], one["Destination"], one["RW"]) for one in found
    ] == [
        ("bind", None, "/s", "/t", True),
        ("volume", "data", "/v/data", "/d", False),
        ("volume", "anonymous-1", "/v/1", "/var/data", True),
    ]


def test_networks_and_ports() -> None:
    network = NetworkState(
        spec=NetworkSpec(stack="demo", key="default", name="bridge"), subnet="172.20.0.0/24", gateway="172.20.0.1", bridge="b"
    )  # fmt: skip
    endpoint = Endpoint(
        container_id=ID, network="bridge", address="172.20.0.5", interface="eth0", names=("web",)
    )
    around = Surroundings(image=IMAGE, networks={"bridge": network}, endpoints={"bridge": endpoint})
    running = attrs.evolve(CONTAINER, ports=(PublishedPort(target=80, published=8080),))
    settings = _document(running, around, networks={"bridge": NetworkMembership()})["NetworkSettings"]
    assert settings["Ports"] == {
        "443/tcp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
    }
    assert settings["Networks"]["bridge"]["IPAddress"] == settings["IPAddress"] == "172.20.0.5"
    assert settings["Networks"]["bridge"]["IPPrefixLen"] == 24
    stopped = attrs.evolve(running, state=ContainerState.EXITED, pid=0, exit_code=0)
    settings = _document(stopped, around, networks={"bridge": NetworkMembership()})["NetworkSettings"]
    assert settings["Ports"] == {}
    assert settings["Networks"]["bridge"]["IPAddress"] == settings["IPAddress"] == ""

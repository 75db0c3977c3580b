"""Every attribute that can act on one host has its typed place in the ``Stack``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from composer.model.build import Build, BuildSecret
from composer.model.deploy import DeviceRequest, Hook, Watch
from composer.model.limits import BlockIo, DeviceRate, DeviceWeight, Limits, Ulimit
from composer.model.quantity import ByteSize, Duration
from composer.model.stack import (
    Attachment,
    Device,
    Logging,
    ModelDefinition,
    ModelUse,
    Mount,
    MountKind,
    Namespaces,
    NetworkDefinition,
    Pool,
    Provider,
    Resolver,
    Service,
    Stack,
    VolumeDefinition,
)
from composer.stackfile import attributes, bind, load
from composer.stackfile.locate import LoadRequest


def bound(directory: Path, text: str) -> Stack:
    (directory / "compose.yaml").write_text(text)
    document = load.read_document(
        LoadRequest(directory=str(directory), environment={"HOME": "/root", "GIVEN": "yes"})
    )
    return bind.bound(document, ())


def service(directory: Path, body: str, rest: str = "") -> Service:
    return bound(directory, f"name: s\nservices:\n  a:\n    image: i\n    {body}\n{rest}").services["a"]


DEVICE = DeviceRequest(capabilities=("gpu",), driver="nvidia", count=-1)

CASES: dict[str, tuple[str, str, object]] = {
    "annotations": ("annotations: [a=1]", "annotations", {"a": "1"}),
    "attach": ("attach: false", "attach", False),
    "cgroup": ("cgroup: host", "namespaces", Namespaces(cgroup="host")),
    "cgroup_parent": ("cgroup_parent: /p", "cgroup_parent", "/p"),
    "container_name": ("container_name: one", "container_name", "one"),
    "cpu_period": ("cpu_period: 50000", "limits", Limits(cpu_period=50_000)),
    "cpu_quota": ("cpu_quota: 20000", "limits", Limits(cpu_quota=20_000)),
    "cpu_rt_period": ("cpu_rt_period: 1000", "limits", Limits(cpu_realtime_period=1000)),
    "cpu_rt_runtime": ("cpu_rt_runtime: 950", "limits", Limits(cpu_realtime_runtime=950)),
    "cpu_shares": ("cpu_shares: 512", "limits", Limits(cpu_shares=512)),
    "cpus": ("cpus: 1.5", "limits", Limits(cpus=1.5)),
    "cpuset": ("cpuset: 0-1", "limits", Limits(cpuset="0-1")),
    "device_cgroup_rules": ('device_cgroup_rules: ["c 1:3 mr"]', "device_cgroup_rules", ("c 1:3 mr",)),
    "devices": (
        "devices: [/dev/null:/dev/nil:r, vendor.com/class=x]",
        "devices",
        (
            Device(source="/dev/null", target="/dev/nil", permissions="r"),
            Device(source="vendor.com/class=x", target="vendor.com/class=x", permissions="rwm"),
        ),
    ),
    "dns": ("dns: 9.9.9.9", "resolver", Resolver(servers=("9.9.9.9",))),
    "dns_opt": ("dns_opt: [ndots:2]", "resolver", Resolver(options=("ndots:2",))),
    "dns_search": ("dns_search: [a.b, c.d]", "resolver", Resolver(search=("a.b", "c.d"))),
    "domainname": ("domainname: d.e", "domainname", "d.e"),
    "expose": ("expose: [80, 90-92/udp]", "expose", ("80", "90-92/udp")),
    "external_links": ("external_links: [x:y]", "external_links", ("x:y",)),
    "extra_hosts": (
        'extra_hosts: {h: ["1.1.1.1", "::1"], g: host-gateway}',
        "resolver",
        Resolver(hosts={"g": ("host-gateway",), "h": ("1.1.1.1", "::1")}),
    ),
    "gpus": ("gpus: [{driver: nvidia, count: all}]", "device_requests", (DEVICE,)),
    "reserved devices": (
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}",
        "device_requests",
        (DeviceRequest(capabilities=("gpu",), count=2),),
    ),
    "group_add": ("group_add: [mail, 5]", "group_add", ("mail", "5")),
    "ipc": ("ipc: host", "namespaces", Namespaces(ipc="host")),
    "logging": (
        "logging: {driver: local, options: {max-size: 1m, max-file: 3}}",
        "logging",
        Logging(driver="local", options={"max-file": "3", "max-size": "1m"}),
    ),
    "mac_address": ("mac_address: 02:42:ac:11:65:43", "mac_address", "02:42:ac:11:65:43"),
    "mem_limit": ("mem_limit: 64m", "limits", Limits(memory=ByteSize(64 << 20))),
    "mem_reservation": ("mem_reservation: 1k", "limits", Limits(memory_reservation=ByteSize(1024))),
    "mem_swappiness": ("mem_swappiness: 10", "limits", Limits(memory_swappiness=10)),
    "memswap_limit": ("memswap_limit: -1", "limits", Limits(memory_swap=ByteSize(-1))),
    "network_mode": ("network_mode: none", "namespaces", Namespaces(network="none")),
    "oom_kill_disable": ("oom_kill_disable: true", "limits", Limits(oom_kill_disable=True)),
    "oom_score_adj": ("oom_score_adj: -500", "oom_score_adj", -500),
    "pid": ("pid: host", "namespaces", Namespaces(pid="host")),
    "platform": ("platform: linux/arm64", "platform", "linux/arm64"),
    "post_start": (
        "post_start: [{command: [a, b], user: root, environment: {A: 1, B: }}]",
        "post_start",
        (Hook(command=("a", "b"), user="root", environment={"A": "1"}),),
    ),
    "pre_stop": (
        "pre_stop: [{command: 'a b', privileged: true, working_dir: /w}]",
        "pre_stop",
        (Hook(command=("a", "b"), privileged=True, working_dir="/w"),),
    ),
    "privileged": ("privileged: true", "privileged", True),
    "pull_policy": ("pull_policy: always", "pull_policy", "always"),
    "runtime": ("runtime: runsc", "runtime", "runsc"),
    "security_opt": ("security_opt: [no-new-privileges]", "security_opt", ("no-new-privileges",)),
    "shm_size": ("shm_size: 1g", "shm_size", ByteSize(1 << 30)),
    "stdin_open": ("stdin_open: true", "stdin_open", True),
    "storage_opt": ("storage_opt: {size: 1G}", "storage_opt", {"size": "1G"}),
    "sysctls": ("sysctls: [net.core.somaxconn=9]", "sysctls", {"net.core.somaxconn": "9"}),
    "tty": ("tty: true", "tty", True),
    "ulimits": (
        "ulimits: {nproc: 9, nofile: {soft: 1, hard: 2}}",
        "ulimits",
        {"nofile": Ulimit(soft=1, hard=2), "nproc": Ulimit(soft=9, hard=9)},
    ),
    "use_api_socket": ("use_api_socket: true", "use_api_socket", True),
    "userns_mode": ("userns_mode: host", "namespaces", Namespaces(user="host")),
    "uts": ("uts: host", "namespaces", Namespaces(uts="host")),
    "volumes_from": ("volumes_from: [container:x:ro]", "volumes_from", ("container:x:ro",)),
    "blkio_config": (
        (
            "blkio_config: {weight: 300, weight_device: [{path: /dev/sda, weight: 400}],"
            " device_read_bps: [{path: /dev/sda, rate: 12mb}], device_write_iops: [{path: /dev/sdb, rate: 30}]}"
        ),
        "limits",
        Limits(
            block_io=BlockIo(
                weight=300,
                weight_device=(DeviceWeight(path="/dev/sda", weight=400),),
                device_read_bps=(DeviceRate(path="/dev/sda", rate=12 << 20),),
                device_write_iops=(DeviceRate(path="/dev/sdb", rate=30),),
            )
        ),
    ),
    "tmpfs": (
        "tmpfs: /t:size=1m,mode=700",
        "mounts",
        (Mount(kind=MountKind.TMPFS, target="/t", tmpfs_size=ByteSize(1 << 20), tmpfs_mode=0o700),),
    ),
    "bind": (
        (
            "volumes: [{type: bind, source: /s, target: /t,"
            " bind: {propagation: rslave, recursive: disabled, create_host_path: false, selinux: z}}]"
        ),
        "mounts",
        (
            Mount(
                kind=MountKind.BIND,
                source="/s",
                target="/t",
                create_host_path=False,
                propagation="rslave",
                recursive="disabled",
                selinux="z",
            ),
        ),
    ),
    "anonymous volume": (
        "volumes: [{type: volume, target: /t, volume: {subpath: d, nocopy: true, labels: {a: b}}}]",
        "mounts",
        (Mount(kind=MountKind.VOLUME, target="/t", subpath="d", nocopy=True, labels={"a": "b"}),),
    ),
    "image mount": (
        "volumes: [{type: image, source: other, target: /t, image: {subpath: d}}]",
        "mounts",
        (Mount(kind=MountKind.IMAGE, source="other", target="/t", subpath="d"),),
    ),
    "provider": (
        "provider: {type: cloud, options: {size: 1, zone: [a, b]}}",
        "provider",
        Provider(type="cloud", options={"size": ("1",), "zone": ("a", "b")}),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_attribute_has_its_typed_value(name: str, tmp_path: Path) -> None:
    body, field, expected = CASES[name]
    assert getattr(service(tmp_path, body), field) == expected


def test_develop(tmp_path: Path) -> None:
    body = (
        "develop: {watch: [{path: ./src, action: sync+exec, target: /app, ignore: [x/],"
        " exec: {command: make}, initial_sync: true}]}"
    )
    develop = service(tmp_path, body).develop
    assert develop is not None
    assert develop.watch == (
        Watch(
            path=str(tmp_path / "src"),
            action="sync+exec",
            target="/app",
            ignore=("x/",),
            exec=Hook(command=("make",)),
            initial_sync=True,
        ),
    )


def test_deploy_is_kept_whole_and_folded_into_the_service(tmp_path: Path) -> None:
    body = (
        "deploy: {mode: replicated, replicas: 3, labels: {a: b}, endpoint_mode: vip,"
        " update_config: {parallelism: 2, delay: 10s, order: start-first, max_failure_ratio: 0.5},"
        " restart_policy: {condition: on-failure, max_attempts: 4, window: 1m},"
        " placement: {constraints: [node.role==manager], preferences: [{spread: zone}]},"
        " resources: {limits: {cpus: '0.5', memory: 1m, pids: 7}, reservations: {memory: 1k}}}"
    )
    found = service(tmp_path, body)
    deploy = found.deploy
    assert deploy is not None
    assert deploy.update_config is not None
    assert deploy.restart_policy is not None
    assert (found.replicas, str(found.restart)) == (3, "on-failure:4 window 1m0s")
    assert found.limits == Limits(
        cpus=0.5, memory=ByteSize(1 << 20), pids=7, memory_reservation=ByteSize(1024)
    )
    assert (deploy.mode, deploy.endpoint_mode, deploy.labels) == ("replicated", "vip", {"a": "b"})
    assert deploy.update_config.delay == Duration.of_seconds(10)
    assert deploy.update_config.max_failure_ratio == 0.5
    assert deploy.restart_policy.window == Duration.of_seconds(60)
    assert deploy.placement.preferences[0].spread == "zone"
    assert deploy.resources.limits.pids == 7


def test_build(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("x")
    found = service(
        tmp_path,
        "build: {context: ., dockerfile: D, target: t, args: [A=1, GIVEN, MISSING], labels: [l=1], tags: [x:y],"
        " platforms: [linux/amd64], additional_contexts: {r: ./r}, cache_from: [c], cache_to: [d],"
        " no_cache: true, pull: true, secrets: [{source: k, target: id, mode: 0o400}],"
        " ssh: [default, k=/key], network: host, extra_hosts: [h=1.1.1.1], shm_size: 1m,"
        " ulimits: {nproc: 3}, privileged: true, entitlements: [network.host]}",
        "secrets:\n  k: {file: ./k}\n",
    ).build
    assert found == Build(
        context=str(tmp_path),
        dockerfile="D",
        target="t",
        args={"A": "1", "GIVEN": "yes"},
        labels={"l": "1"},
        tags=("x:y",),
        platforms=("linux/amd64",),
        additional_contexts={"r": str(tmp_path / "r")},
        cache_from=("c",),
        cache_to=("d",),
        no_cache=True,
        pull=True,
        secrets=(BuildSecret(source="k", target="id", mode=0o400),),
        ssh={"default": "", "k": "/key"},
        network="host",
        extra_hosts={"h": ("1.1.1.1",)},
        shm_size=ByteSize(1 << 20),
        ulimits={"nproc": Ulimit(soft=3, hard=3)},
        privileged=True,
        entitlements=("network.host",),
    )


def test_networks_volumes_and_models(tmp_path: Path) -> None:
    stack = bound(
        tmp_path,
        """
name: s
services:
  a:
    image: i
    models: {m: {endpoint_var: URL}}
    volumes: [v:/v]
    networks:
      n:
        aliases: [x]
        ipv4_address: 10.1.0.5
        ipv6_address: "fd00::5"
        link_local_ips: [169.254.1.1]
        mac_address: 02:42:ac:11:65:43
        interface_name: lan0
        priority: 5
        gw_priority: 6
        driver_opts: {a: b}
networks:
  n:
    driver: macvlan
    driver_opts: {parent: eth0}
    enable_ipv6: true
    enable_ipv4: false
    attachable: true
    internal: true
    ipam:
      config:
        - {subnet: 10.1.0.0/16, gateway: 10.1.0.1, ip_range: 10.1.5.0/24, aux_addresses: {r: 10.1.5.9}}
        - {subnet: "fd00::/64"}
volumes:
  v: {driver: local, driver_opts: {type: tmpfs, o: size=1m, device: tmpfs}, labels: [a=b]}
models:
  m: {model: ai/x, context_size: 1024, runtime_flags: [--fast]}
""",
    )
    assert stack.services["a"].networks == {
        "n": Attachment(
            aliases=("x",),
            ipv4_address="10.1.0.5",
            ipv6_address="fd00::5",
            link_local_ips=("169.254.1.1",),
            mac_address="02:42:ac:11:65:43",
            interface_name="lan0",
            priority=5,
            gw_priority=6,
            driver_opts={"a": "b"},
        )
    }
    assert stack.networks["n"] == NetworkDefinition(
        key="n",
        name="s_n",
        driver="macvlan",
        driver_opts={"parent": "eth0"},
        enable_ipv4=False,
        enable_ipv6=True,
        attachable=True,
        internal=True,
        pools=(
            Pool(
                subnet="10.1.0.0/16",
                gateway="10.1.0.1",
                ip_range="10.1.5.0/24",
                aux_addresses={"r": "10.1.5.9"},
            ),
            Pool(subnet="fd00::/64"),
        ),
    )
    assert stack.networks["n"].enable_ipv6
    assert stack.volumes["v"] == VolumeDefinition(
        key="v",
        name="s_v",
        driver_opts={"device": "tmpfs", "o": "size=1m", "type": "tmpfs"},
        labels={"a": "b"},
    )
    assert stack.models == {
        "m": ModelDefinition(key="m", name="m", model="ai/x", context_size=1024, runtime_flags=("--fast",))
    }
    assert stack.services["a"].models == {"m": ModelUse(endpoint_var="URL")}


def test_every_attribute_of_a_service_is_bound_somewhere() -> None:
    """What a new attribute of the specification needs is found here, not by a user."""
    elsewhere = {
        "blkio_config": "limits",
        "cgroup": "namespaces",
        "cpu_period": "limits",
        "cpu_quota": "limits",
        "cpu_rt_period": "limits",
        "cpu_rt_runtime": "limits",
        "cpu_shares": "limits",
        "cpus": "limits",
        "cpuset": "limits",
        "dns": "resolver",
        "dns_opt": "resolver",
        "dns_search": "resolver",
        "extra_hosts": "resolver",
        "env_file": "environment",
        "extends": "",
        "gpus": "device_requests",
        "ipc": "namespaces",
        "label_file": "labels",
        "mem_limit": "limits",
        "mem_reservation": "limits",
        "mem_swappiness": "limits",
        "memswap_limit": "limits",
        "network_mode": "namespaces",
        "oom_kill_disable": "limits",
        "pid": "namespaces",
        "pids_limit": "limits",
        "scale": "replicas",
        "tmpfs": "mounts",
        "userns_mode": "namespaces",
        "uts": "namespaces",
        "volumes": "mounts",
    }
    of_windows = {"cpu_count", "cpu_percent", "credential_spec", "isolation"}
    fields = {field.name for field in attrs.fields(Service)}
    assert {name for name in elsewhere.values() if name} <= fields
    assert set(attributes.SERVICE.fields) - set(elsewhere) - of_windows - fields == set()


def test_bridge_mode_is_the_default_network(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of("services: {a: {image: x, network_mode: bridge}}\n")
    assert list(stack.services["a"].networks) == ["default"]
    assert stack.networks["default"].name == f"{stack.name}_default"

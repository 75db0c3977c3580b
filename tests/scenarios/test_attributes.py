"""Every attribute of a service, set in a stack, and its effect read back from inside or from the kernel.

Nothing here asks composer what it thinks: the answers come from a shell in the container, from ``/proc``
and from cgroup files.  All services run in one stack, so that the table costs one ``up``.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.scenarios.conftest import Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

CGROUPS = "cat /proc/self/cgroup"
STATUS = "cat /proc/self/status"


@attrs.frozen
class Case:
    """An attribute, a command to run inside, and what its output must match (a regular expression)."""

    body: str
    command: str
    expected: str


HARD = resource.getrlimit(resource.RLIMIT_NPROC)[1]

CASES: dict[str, Case] = {
    "labels": Case("{labels: {x.y: z}, label_file: [labels.env]}", "true", ""),
    "annotations": Case("annotations: {a.b: c}", "true", ""),
    "cap_add": Case("cap_add: [NET_ADMIN]", "ip link add dummy9 type bridge && echo made", "made"),
    "cap_drop": Case("cap_drop: [ALL]", STATUS, r"CapBnd:\t0{16}"),
    "command": Case("working_dir: /", "cat /proc/1/cmdline | tr '\\0' ' '", "^sleep 1000 $"),
    "configs": Case("configs: [{source: c, target: /x/c, uid: '5', gid: '6', mode: 0o440}, inline]",
                    "stat -c '%u %g %a' /x/c; cat /x/c /inline", "5 6 440\nof config\ninline text"),
    "cgroup": Case("cgroup: host", "readlink /proc/self/ns/cgroup", re.escape(os.readlink("/proc/self/ns/cgroup"))),
    "cgroup_parent": Case("cgroup_parent: /{unique}/inner", "true", ""),
    "container_name": Case("container_name: {unique}named", "true", ""),
    "device_cgroup_rules": Case("device_cgroup_rules: ['c 10:200 rwm']", "mknod /t c 10 200 && echo made", "made"),
    "devices": Case("devices: ['/dev/null:/dev/nothing:rw']", "echo x > /dev/nothing && ls -l /dev/nothing", r"1,\s+3"),
    "dns of a host network": Case("{network_mode: host, dns: [192.0.2.53]}", "cat /etc/resolv.conf", r"^nameserver 192\.0\.2\.53$"),
    "dns_opt": Case("dns_opt: [timeout:3]", "cat /etc/resolv.conf", r"options ndots:0 timeout:3"),
    "dns_search": Case("dns_search: [a.example, b.example]", "cat /etc/resolv.conf", r"search a\.example b\.example"),
    "domainname": Case("{hostname: h, domainname: d.example}", "cat /proc/sys/kernel/domainname; grep h.d /etc/hosts",
                       r"d\.example\n[0-9.]+\s+h\.d\.example h"),
    "entrypoint": Case("entrypoint: [env, OF=entrypoint]", "cat /proc/1/environ | tr '\\0' '\\n'", "OF=entrypoint"),
    "env_file": Case("env_file: [one.env]", "echo $OF_FILE", "of file"),
    "environment": Case("environment: {A: b c}", "echo $A", "b c"),
    "extra_hosts": Case("extra_hosts: ['other:10.9.8.7', 'gw=host-gateway', 'six=[::1]']", "cat /etc/hosts; ip route",
                        r"(?P<gw>[0-9.]+)\tgw\n10\.9\.8\.7\tother\n::1\tsix\n(.|\n)*default via (?P=gw) "),
    "group_add": Case("group_add: [5, 4242]", "id -G", r"0 5 4242"),
    "hostname": Case("hostname: me", "hostname; echo $HOSTNAME", "me\nme"),
    "init": Case("init: true", "cat /proc/1/comm", "tini|catatonit|docker-init|dumb-init"),
    "ipc": Case("ipc: host", "readlink /proc/self/ns/ipc", re.escape(os.readlink("/proc/self/ns/ipc"))),
    "ipc none": Case("ipc: none", "grep -c /dev/shm /proc/mounts; true", "0"),
    "mem_limit": Case("mem_limit: 64m", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>&-; true",
                      "67108864"),
    "network_mode none": Case("network_mode: none", "ls /sys/class/net | tr '\\n' ' '", r"lo $"),
    "network_mode host": Case("network_mode: host", "readlink /proc/self/ns/net", re.escape(os.readlink("/proc/self/ns/net"))),
    "oom_score_adj": Case("oom_score_adj: 321", "cat /proc/1/oom_score_adj", "321"),
    "pid": Case("pid: host", "readlink /proc/self/ns/pid", re.escape(os.readlink("/proc/self/ns/pid"))),
    "pids_limit": Case("pids_limit: 77", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>&-; true", "77"),
    "privileged": Case("privileged: true", f"{STATUS}; ls /dev/kmsg; touch /sys/x 2>&1; grep sysfs /proc/mounts",
                       r"Seccomp:\t0(.|\n)*/dev/kmsg(.|\n)*sysfs rw"),
    "read_only": Case("read_only: true", "touch /x 2>&1; true", "Read-only"),
    "secrets": Case("secrets: [{source: f, uid: '7', mode: 0o400}, {source: e, target: /run/e}]",
                    "stat -c '%u %g %a' /run/secrets/f; cat /run/secrets/f /run/e; grep '/run/secrets/f tmpfs' /proc/mounts",
                    "7 0 400\nof secret\nof the shell(.|\n)*tmpfs ro"),
    "seccomp unconfined": Case("security_opt: [seccomp=unconfined]", STATUS, r"Seccomp:\t0"),
    "seccomp profile": Case("security_opt: ['seccomp:./profile.json']", "mkdir /d 2>&1; true", "Operation not permitted"),
    "seccomp unconfined, the older way": Case("security_opt: ['seccomp:unconfined']", STATUS, r"Seccomp:\t0"),
    "no-new-privileges off": Case("security_opt: ['no-new-privileges:false']", STATUS, r"NoNewPrivs:\t0"),
    "no-new-privileges on": Case("security_opt: ['no-new-privileges=true']", STATUS, r"NoNewPrivs:\t1"),
    "no-new-privileges": Case("security_opt: [no-new-privileges]", STATUS, r"NoNewPrivs:\t1"),
    "systempaths": Case("security_opt: [systempaths=unconfined]", "grep -c ' /proc/' /proc/mounts; true", "^0$"),
    "shm_size": Case("shm_size: 1m", "df -k /dev/shm", r"shm\s+1024"),
    "sysctls": Case("sysctls: {net.ipv4.ip_default_ttl: 99, kernel.msgmax: 4096}",
                    "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax", "99\n4096"),
    "tmpfs": Case("tmpfs: ['/t:size=1m,mode=700']", "stat -c %a /t; df -k /t", r"700\n(.|\n)*\s1024\s"),
    "tty": Case("tty: true", "readlink /proc/1/fd/0", "/dev/pts/0|/dev/console"),
    "stdin_open": Case("stdin_open: true", "readlink /proc/1/fd/0", "pipe|/dev/null"),
    "ulimits": Case("ulimits: {nproc: 50, nofile: {soft: 100, hard: 200}}",
                    "cat /proc/self/limits", r"Max processes\s+50\s+50(.|\n)*Max open files\s+100\s+200"),
    "user": Case("user: '1000:1001'", "id", r"uid=1000 gid=1001"),
    "userns_mode": Case("userns_mode: host", "readlink /proc/self/ns/user", re.escape(os.readlink("/proc/self/ns/user"))),
    "uts": Case("uts: host", "readlink /proc/self/ns/uts", re.escape(os.readlink("/proc/self/ns/uts"))),
    "working_dir": Case("working_dir: /w/x", "pwd", "/w/x"),
    "volume subpath": Case("volumes: [{type: volume, source: data, target: /p, volume: {subpath: sub}}]",
                           "cat /p/file", "below"),
    "image mount": Case("volumes: [{type: image, source: busybox, target: /p, image: {subpath: bin}}]",
                        "ls /p/busybox; touch /p/x 2>&1; true", r"/p/busybox\n.*Read-only"),
    "shared pid": Case("pid: service:peer", "cat /proc/1/cmdline | tr '\\0' ' '", "httpd -f -p 8080"),
    "shared ipc": Case("ipc: service:peer", "cat /dev/shm/mark", "of peer"),
    "shared network": Case("network_mode: service:peer", "ip -o addr show eth0; wget -qO- http://127.0.0.1:8080/mark",
                           r"eth0(.|\n)*of peer"),
    "volumes_from": Case("volumes_from: ['peer:ro']", "cat /anonymous/mark; touch /anonymous/x 2>&1; true",
                         r"of peer\n.*Read-only"),
    "links": Case("links: ['peer:the-peer']", "nslookup the-peer. 2>&1; wget -qO- http://the-peer:8080/mark",
                  r"of peer"),
    "mac_address": Case("mac_address: '02:aa:bb:cc:dd:ee'", "cat /sys/class/net/eth0/address", "02:aa:bb:cc:dd:ee"),
    "networks aliases": Case("networks: {default: {aliases: [also-me]}}", "nslookup also-me. | tail -3", r"Address: 1[0-9.]+"),
    "networks addresses": Case("networks: {dual: {ipv4_address: 10.213.7.77, ipv6_address: 'fd37:7::77'}}", "ip -o addr show eth0",
                               r"10\.213\.7\.77/24(.|\n)*fd37:7::77/64"),
    "networks interface_name": Case("networks: {dual: {interface_name: inner0}, default: {}}", "ls /sys/class/net | tr '\\n' ' '",
                                    r"^eth0 inner0 lo $"),
    "networks link_local_ips": Case("networks: {dual: {link_local_ips: [169.254.9.9]}}", "ip -o addr show eth0", r"169\.254\.9\.9/16"),
    "networks mac_address": Case("networks: {dual: {mac_address: '02:aa:bb:cc:dd:ef'}, default: {}}", "cat /sys/class/net/*/address",
                                 "02:aa:bb:cc:dd:ef"),
    "networks gw_priority": Case("networks: {default: {}, dual: {gw_priority: 1}}", "ip route show default", r"via 10\.213\.7\.1 "),
    "networks priority": Case("networks: {default: {}, dual: {priority: 1000}}", "ip -o addr show eth0", r"10\.213\.7\.\d+/24"),
    "networks driver_opts": Case("networks: {dual: {driver_opts: {com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1}}}",
                                 "cat /proc/sys/net/ipv4/conf/eth0/log_martians", "1"),
    "networks enable_ipv6": Case("networks: [dual]", "ip -6 route show default", r"via fd37:7::1 "),
    "networks mtu": Case("networks: [small]", "cat /sys/class/net/net0/mtu", "1380"),
    "networks internal": Case("networks: [closed]", "ip route | grep -c default; true", "^0$"),
    "dns": Case("dns: [192.0.2.53]", "cat /etc/resolv.conf", r"nameserver 127\.0\.0\.11"),
}  # fmt: skip

PROFILE = """
{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}],
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
"""

RESOURCES = """
volumes: {data: {}}
configs: {c: {file: ./config}, inline: {content: "inline text\\n"}}
secrets: {f: {file: ./secret}, e: {environment: FROM_SHELL}}
"""

PEER = """
  peer:
    image: busybox
    stop_signal: SIGKILL
    volumes: [/anonymous, "data:/data"]
    ipc: shareable
    command:
      - sh
      - -c
      - 'mkdir -p /data/sub; echo below > /data/sub/file; for d in /dev/shm /anonymous /; do echo of peer > $$d/mark; done;
        touch /ready; exec httpd -f -p 8080 -h /anonymous # peer'
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms}
"""

NETWORKS = """
networks:
  dual:
    enable_ipv6: true
    ipam: {config: [{subnet: 10.213.7.0/24}, {subnet: 'fd37:7::/64'}]}
  small:
    driver_opts: {com.docker.network.driver.mtu: 1380, com.docker.network.container_iface_prefix: net}
  closed:
    internal: true
"""


def _block_device() -> tuple[str, str] | None:
    """A whole disk of this host and its numbers, if there is one."""
    for entry in sorted(Path("/sys/block").glob("*")):
        if not entry.name.startswith(("loop", "ram", "zram")) and Path("/dev", entry.name).is_block_device():
            return f"/dev/{entry.name}", (entry / "dev").read_text().strip()
    return None


DISK = _block_device()
BLOCK_IO: dict[str, tuple[str, dict[str, str]]] = (
    {
        "blkio_config": (
            f"blkio_config: {{device_read_bps: [{{path: {DISK[0]}, rate: 1m}}]}}",
            {
                "blkio/blkio.throttle.read_bps_device": f"{DISK[1]} 1048576",
                "io.max": f"{DISK[1]} rbps=1048576 wbps=max riops=max wiops=max",
            },
        )
    }
    if DISK
    else {}
)

IN_CGROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "cpus": ("cpus: 0.25", {"cpu/cpu.cfs_quota_us": "25000", "cpu.max": "25000 100000"}),
    "cpu_quota": (
        "{cpu_quota: 30000, cpu_period: 60000}",
        {"cpu/cpu.cfs_quota_us": "30000", "cpu/cpu.cfs_period_us": "60000", "cpu.max": "30000 60000"},
    ),
    "cpu_shares": ("cpu_shares: 512", {"cpu/cpu.shares": "512"}),
    "cpuset": ("cpuset: '0'", {"cpuset/cpuset.cpus": "0", "cpuset.cpus": "0"}),
    "mem_reservation": (
        "mem_reservation: 32m",
        {"memory/memory.soft_limit_in_bytes": "33554432", "memory.low": "33554432"},
    ),
    "memswap_limit": (
        "{mem_limit: 64m, memswap_limit: 96m}",
        {"memory/memory.memsw.limit_in_bytes": "100663296", "memory.swap.max": "33554432"},
    ),
    "mem_swappiness": ("mem_swappiness: 17", {"memory/memory.swappiness": "17"}),
    "oom_kill_disable": ("oom_kill_disable: true", {"memory/memory.oom_control": "oom_kill_disable 1"}),
    **BLOCK_IO,
    "deploy limits": (
        "deploy: {resources: {limits: {cpus: '0.5', memory: 48m, pids: 9}}}",
        {"pids/pids.max": "9", "pids.max": "9"},
    ),
}


def _entry(name: str, body: str, unique: str) -> str:
    body = body.replace("{unique}", unique)
    inner = body[1:-1].replace(", ", "\n    ") if body.startswith("{") else body
    needs = "    depends_on: {peer: {condition: service_healthy}}\n"
    command = "    command: sh -c 'exec sleep 1000'\n    image: busybox\n    stop_signal: SIGKILL\n"
    return f"  {service_of(name)}:\n{command}{needs}    {inner}\n"


def service_of(name: str) -> str:
    return re.sub(r"\W", "-", name)


@pytest.fixture(scope="module")
def stack(store: Store) -> Iterator[Stack]:
    unique = f"c{os.getpid()}"
    bodies = {name: case.body for name, case in CASES.items()} | {
        name: body for name, (body, _) in IN_CGROUPS.items()
    }
    services = "".join(_entry(name, body, unique) for name, body in bodies.items())
    made = store.stack(
        "every",
        f"services:{PEER}{services}{RESOURCES}{NETWORKS}",
        **{
            "profile.json": PROFILE,
            "one.env": "OF_FILE=of file\n",
            "config": "of config\n",
            "secret": "of secret\n",
            "labels.env": "of.file=l\n",
        },
    )
    made.ok("up", "-d", FROM_SHELL="of the shell")
    yield made
    made.ok("down", "-v", "-t", "0")


@pytest.mark.parametrize("name", CASES)
def test_its_effect_inside(stack: Stack, name: str) -> None:
    case = CASES[name]
    done = stack.call("exec", "-T", service_of(name), "sh", "-c", case.command)
    assert done.returncode == 0, done.stderr
    assert re.search(case.expected, done.stdout), done.stdout


@pytest.mark.parametrize("name", IN_CGROUPS)
def test_its_effect_in_the_cgroup(stack: Stack, name: str) -> None:
    pid = stack.pid(f"{service_of(name)}-1")
    _, expected = IN_CGROUPS[name]
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        first = controllers.split(",")[0]
        for file in expected:
            directory = file.rpartition("/")[0]
            if directory in controllers.split(","):
                root = Path("/sys/fs/cgroup") / directory
            elif not directory and not controllers:
                root = Path("/sys/fs/cgroup")
            else:
                continue
            real = root / path.lstrip("/") / file.rpartition("/")[2]
            if real.exists():
                found[file] = real.read_text()
        del first
    if not found:
        pytest.skip(f"this host has none of {', '.join(expected)}")
    for file, content in found.items():
        assert expected[file] in content.split("\n"), f"{file}: {content}"


def test_a_cgroup_can_have_a_parent_of_its_own(stack: Stack) -> None:
    text = Path(f"/proc/{stack.pid('cgroup_parent-1')}/cgroup").read_text()
    assert f":/c{os.getpid()}/inner/composer-" in text


def _cgroups(name: str) -> list[Path]:
    """The cgroups of a name right below the root, on hosts of one hierarchy and of many."""
    root = Path("/sys/fs/cgroup")
    return [path for path in (root / name, *root.glob(f"*/{name}")) if path.is_dir()]


def test_a_parent_cgroup_goes_with_the_last_container(store: Store) -> None:
    name = f"parent{os.getpid()}"
    service = f"{{image: busybox, command: sleep 1000, stop_signal: SIGKILL, cgroup_parent: {name}}}"
    parented = store.stack("parent", f"services: {{a: {service}, b: {service}}}\n")
    parented.ok("up", "-d")
    assert _cgroups(name)
    parented.ok("stop", "a")
    assert _cgroups(name)
    parented.ok("down")
    assert not _cgroups(name)


def test_a_container_can_have_a_name_of_its_own(stack: Stack) -> None:
    assert f"c{os.getpid()}named" in stack.ok("ps", "--format", "json")


def test_labels_of_the_file_and_of_label_files(stack: Stack) -> None:
    (found,) = json.loads(stack.ok("container", "inspect", f"{stack.name}-labels-1"))
    labels = found["Config"]["Labels"]
    assert (labels["x.y"], labels["of.file"]) == ("z", "l")


def test_annotations_reach_the_runtime(stack: Stack) -> None:
    """They mean something to the runtime alone: what it was given is what can be read."""
    identity = str(stack.rows()["annotations-1"]["ID"])
    config = json.loads((stack.store.run / "containers" / identity / "config.json").read_text())
    assert config["annotations"]["a.b"] == "c"


def test_the_signal_and_the_grace_are_the_services(store: Store) -> None:
    stack = store.stack(
        "signals",
        """services:
  asked:
    image: busybox
    stop_signal: SIGUSR1
    command: [sh, -c, 'trap "exit 5" USR1; touch /ready; while :; do sleep 0.05; done']
    healthcheck: {test: [CMD, test, -e, /ready], interval: 50ms}
  deaf:
    image: busybox
    stop_grace_period: 300ms
    command: [sh, -c, 'trap "" TERM; while :; do sleep 0.05; done']
""",
    )
    stack.ok("up", "-d", "--wait")
    begun = time.monotonic()
    stack.ok("stop")
    assert time.monotonic() - begun < 8  # and not the ten seconds of the default
    assert {name: row["ExitCode"] for name, row in stack.rows().items()} == {"asked-1": 5, "deaf-1": 137}
    stack.ok("down")


def test_a_restart_policy_counts_waits_and_gives_up(store: Store) -> None:
    stack = store.stack(
        "policy",
        """services:
  a:
    image: busybox
    volumes: ["./out:/out"]
    command: [sh, -c, 'cat /proc/uptime >> /out/runs; exit 3']
    deploy: {restart_policy: {condition: on-failure, max_attempts: 2, delay: 700ms}}
""",
    )
    (stack.directory / "out").mkdir()
    runs = stack.directory / "out" / "runs"
    stack.ok("up", "-d")
    eventually(lambda: len(runs.read_text().splitlines()) == 3)
    eventually(lambda: stack.rows()["a-1"]["State"] == "exited")
    moments = [float(line.split()[0]) for line in runs.read_text().splitlines()]
    assert all(later - earlier >= 0.69 for earlier, later in itertools.pairwise(moments)), moments
    stack.ok("down")


def test_what_the_host_cannot_give_is_said(store: Store) -> None:
    most, ours = 10**9, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    body = f"{{image: busybox, ulimits: {{nofile: {most}}}, command: sleep 1000, stop_signal: SIGKILL}}"
    stack = store.stack("short", f"services: {{a: {body}}}\n")
    said = stack.call("up", "-d")
    assert said.returncode == 0, said.stderr
    if f"{ours}\n" == stack.ok("exec", "-T", "a", "sh", "-c", "ulimit -n"):
        assert f"ulimit nofile is {ours} and not {most}" in said.stderr
    stack.ok("down")

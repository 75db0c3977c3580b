"""Each flag of `container run` means what the attribute of a stack file means, because it becomes it."""

import argparse
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.cli import arguments, serviceflags
from composer.model.stack import Stack
from composer.stackfile import bind, load


def _options(*words: str) -> argparse.Namespace:
    parser = arguments.Parser(prog="x", description="x", conflicts="resolve")
    serviceflags.add_options(parser)
    return parser.parse_args(list(words))


def _loaded(text: str, directory: Path) -> Stack:
    request = load.LoadRequest(
        directory=str(directory), files=("-",), project_name="default", stdin=text.encode(), is_by_hand=True
    )
    document = load.read_document(request)
    return bind.bound(document, ())  # what cannot run yet has its meaning all the same


def _by_flags(directory: Path, *words: str, environment: dict[str, str] | None = None) -> Stack:
    tree = serviceflags.stack_of(_options(*words, "busybox"), "web", environment or {})
    return _loaded(serviceflags.as_text(tree), directory)


def _by_file(directory: Path, attributes: str, rest: str = "networks: {bridge: {name: bridge}}") -> Stack:
    service = "container_name: web, image: busybox"
    if "network_mode" not in attributes and "networks" not in attributes:
        service += ", networks: {bridge: {}}"
    return _loaded(f"services: {{web: {{{service}, {attributes}}}}}\n{rest}\n", directory)


TABLE = [
    ("-w /srv", "working_dir: /srv"),
    ("--workdir=/srv", "working_dir: /srv"),
    ("-u 1000:app", "user: '1000:app'"),
    ("-h box", "hostname: box"),
    ("--domainname example.org", "domainname: example.org"),
    ("--restart on-failure:3", "restart: on-failure:3"),
    ("--restart unless-stopped", "restart: unless-stopped"),
    ("--stop-signal SIGINT", "stop_signal: SIGINT"),
    ("--stop-timeout 7", "stop_grace_period: 7s"),
    ("--stop-timeout -1", "stop_grace_period: 87600h"),
    ("--ipc host", "ipc: host"),
    ("--pid container:db", "pid: 'container:db'"),
    ("--uts host", "uts: host"),
    ("--userns host", "userns_mode: host"),
    ("--cgroupns private", "cgroup: private"),
    ("--cgroup-parent /x", "cgroup_parent: /x"),
    ("--runtime crun", "runtime: crun"),
    ("--platform linux/amd64", "platform: linux/amd64"),
    ("--pull always", "pull_policy: always"),
    ("--shm-size 1g", "shm_size: 1g"),
    ("-m 64m", "mem_limit: 64m"),
    ("--memory-reservation 32m", "mem_reservation: 32m"),
    ("-m 64m --memory-swap -1", "mem_limit: 64m, memswap_limit: -1"),
    ("--memory-swappiness 10", "mem_swappiness: 10"),
    ("--cpuset-cpus 0-1", "cpuset: 0-1"),
    ("--mac-address 02:42:ac:11:00:02", "mac_address: '02:42:ac:11:00:02'"),
    ("--log-driver local --log-opt max-size=1m", "logging: {driver: local, options: {max-size: 1m}}"),
    ("--cpus 1.5", "cpus: 1.5"),
    ("-c 512", "cpu_shares: 512"),
    ("--cpu-period 50000 --cpu-quota 25000", "cpu_period: 50000, cpu_quota: 25000"),
    ("--cpu-rt-period 1000000 --cpu-rt-runtime 95000", "cpu_rt_period: 1000000, cpu_rt_runtime: 95000"),
    ("--oom-score-adj -500", "oom_score_adj: -500"),
    ("--oom-kill-disable -m 9m", "oom_kill_disable: true, mem_limit: 9m"),
    ("--pids-limit -1", "pids_limit: -1"),
    ("--blkio-weight 300", "blkio_config: {weight: 300}"),
    ("--blkio-weight-device /dev/sda:200", "blkio_config: {weight_device: [{path: /dev/sda, weight: 200}]}"),
    ("--device-read-bps /dev/sda:1mb", "blkio_config: {device_read_bps: [{path: /dev/sda, rate: 1mb}]}"),
    ("--device-write-bps /dev/sda:1mb", "blkio_config: {device_write_bps: [{path: /dev/sda, rate: 1mb}]}"),
    ("--device-read-iops /dev/sda:10", "blkio_config: {device_read_iops: [{path: /dev/sda, rate: 10}]}"),
    ("--device-write-iops /dev/sda:10", "blkio_config: {device_write_iops: [{path: /dev/sda, rate: 10}]}"),
    ("-t", "tty: true"),
    ("-i", "stdin_open: true"),
    ("-it", "tty: true, stdin_open: true"),
    ("--tty=false", "tty: false"),
    ("--init", "init: true"),
    ("--read-only", "read_only: true"),
    ("--privileged", "privileged: true"),
    ("--use-api-socket", "use_api_socket: true"),
    ("--cap-add NET_ADMIN --cap-add SYS_TIME --cap-drop ALL", "cap_add: [NET_ADMIN, SYS_TIME], cap_drop: [ALL]"),
    ("--group-add 44 --group-add audio", "group_add: ['44', audio]"),
    ("--security-opt no-new-privileges", "security_opt: [no-new-privileges]"),
    ("--device /dev/fuse:/dev/fuse:rw", "devices: ['/dev/fuse:/dev/fuse:rw']"),
    ("--device-cgroup-rule 'c 10:* rmw'", "device_cgroup_rules: ['c 10:* rmw']"),
    ("--dns 1.1.1.1 --dns-option ndots:2 --dns-search a.b", "dns: [1.1.1.1], dns_opt: ['ndots:2'], dns_search: [a.b]"),
    ("--dns-opt ndots:2", "dns_opt: ['ndots:2']"),
    ("--expose 80 --expose 90-91/udp", "expose: ['80', 90-91/udp]"),
    ("--tmpfs /run:size=64m,mode=1777", "tmpfs: ['/run:size=64m,mode=1777']"),
    ("-p 8080:80 -p 127.0.0.1::443 -p 9000-9001:9000-9001/udp", "ports: ['8080:80', '127.0.0.1::443', '9000-9001:9000-9001/udp']"),
    ("--add-host a:1.2.3.4 --add-host b=host-gateway", "extra_hosts: ['a:1.2.3.4', 'b=host-gateway']"),
    ("--link db:database", "external_links: ['db:database']"),
    ("--sysctl net.core.somaxconn=1024", "sysctls: {net.core.somaxconn: 1024}"),
    ("--storage-opt size=1g", "storage_opt: {size: 1g}"),
    ("--annotation a=b", "annotations: {a: b}"),
    ("--ulimit nofile=1024:2048 --ulimit nproc=5", "ulimits: {nofile: {soft: 1024, hard: 2048}, nproc: 5}"),
    ("--gpus all", "gpus: all"),
    ("--gpus 2", "gpus: [{count: 2}]"),
    ("--gpus '\"device=0,1\",driver=nvidia'", "gpus: [{device_ids: ['0', '1'], driver: nvidia}]"),
    ("--volumes-from db:ro", "volumes_from: ['container:db:ro']"),
    (
        "--health-cmd 'test -f /x' --health-interval 5s --health-timeout 2s --health-retries 4 --health-start-period 9s --health-start-interval 1s",
        "healthcheck: {test: 'test -f /x', interval: 5s, timeout: 2s, retries: 4, start_period: 9s, start_interval: 1s}",
    ),
    ("--no-healthcheck", "healthcheck: {disable: true}"),
    ("--entrypoint sh", "entrypoint: [sh]"),
    ("--entrypoint ''", "entrypoint: []"),
    ("-e A=1 -e B=$x -e C", "environment: {A: '1', B: '$$x'}"),
    ("-l a=b -l c", "labels: {a: b, c: ''}"),
    ("--network host", "network_mode: host"),
    ("--network none", "network_mode: none"),
    ("--network container:db", "network_mode: 'container:db'"),
    ("-v /host:/in:ro", "volumes: ['/host:/in:ro']"),
    ("-v ./rel:/in", "volumes: ['./rel:/in']"),
    ("-v /anonymous", "volumes: [/anonymous]"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "attributes"), TABLE)
def test_a_flag_is_its_attribute(words: str, attributes: str, tmp_path: Path) -> None:
    networks = "" if "network_mode" in attributes else "networks: {bridge: {name: bridge}}"
    assert _by_flags(tmp_path, *shlex.split(words)) == _by_file(tmp_path, attributes, networks)


@pytest.mark.parametrize(
    ("words", "attributes"),
    [
        (["busybox", "sh", "-c", "echo $HOME -x"], "command: [sh, -c, 'echo $$HOME -x']"),
        (["busybox", "--", "ls"], "command: [ls]"),
        (["--entrypoint", "sh", "busybox", "-c", "ls"], "entrypoint: [sh], command: [-c, ls]"),
    ],
)
def test_everything_after_the_image_is_the_command(words: list[str], attributes: str, tmp_path: Path) -> None:
    tree = serviceflags.stack_of(_options(*words), "web", {})
    assert _loaded(serviceflags.as_text(tree), tmp_path) == _by_file(tmp_path, attributes)


def test_the_table_names_every_flag_that_is_an_attribute() -> None:
    text = " ".join(words for words, _ in TABLE)
    missing = [
        row.flags
        for row in serviceflags.ROWS
        if not any(
            f"{name} " in f"{text} " or f"{name}=" in text or ("-it" in text and name in ("-i", "-t"))
            for name in row.flags.split()
        )
    ]
    assert missing == []


NETWORKS = "networks: {front: {name: front, external: true}, back: {name: back, external: true}}"


@pytest.mark.parametrize(
    ("words", "attributes", "rest"),
    [
        ("--network front", "networks: {front: {}}", "networks: {front: {name: front, external: true}}"),
        ("--network front --network back", "networks: {front: {}, back: {}}", NETWORKS),
        (
            "--network front --network-alias a --network-alias b --ip 10.0.0.2 --ip6 fd00::2 --link-local-ip 169.254.1.1",
            "networks: {front: {aliases: [a, b], ipv4_address: 10.0.0.2, ipv6_address: 'fd00::2', link_local_ips: [169.254.1.1]}}",
            "networks: {front: {name: front, external: true}}",
        ),
        (
            "--network name=front,alias=a,alias=b,ip=10.0.0.2,mac-address=02:42:ac:11:00:02,gw-priority=3,driver-opt=k=v --network back",
            "networks: {front: {aliases: [a, b], ipv4_address: 10.0.0.2, mac_address: '02:42:ac:11:00:02', gw_priority: 3, driver_opts: {k: v}}, back: {}}",
            NETWORKS,
        ),
        ("--network bridge", "networks: {bridge: {}}", "networks: {bridge: {name: bridge}}"),
        ("--network default --network-alias a", "networks: {bridge: {aliases: [a]}}", "networks: {bridge: {name: bridge}}"),
        ("-v data:/d:nocopy", "volumes: ['data:/d:nocopy']", "volumes: {data: {name: data}}\nnetworks: {bridge: {name: bridge}}"),
        (
            "--mount type=volume,src=data,dst=/d,volume-nocopy,readonly",
            "volumes: [{type: volume, source: data, target: /d, read_only: true, volume: {nocopy: true}}]",
            "volumes: {data: {name: data}}\nnetworks: {bridge: {name: bridge}}",
        ),
        (
            "--mount type=bind,source=/s,target=/t,bind-propagation=rslave",
            "volumes: [{type: bind, source: /s, target: /t, bind: {propagation: rslave, create_host_path: false}}]",
            "networks: {bridge: {name: bridge}}",
        ),
        (
            "--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700",
            "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0o700}}]",
            "networks: {bridge: {name: bridge}}",
        ),
        ("--mount target=/t", "volumes: [{type: volume, target: /t}]", "networks: {bridge: {name: bridge}}"),
        (
            "--mount type=image,src=tools,dst=/t,image-subpath=bin",
            "volumes: [{type: image, source: tools, target: /t, image: {subpath: bin}}]",
            "networks: {bridge: {name: bridge}}",
        ),
    ],
)  # fmt: skip
def test_networks_and_mounts(words: str, attributes: str, rest: str, tmp_path: Path) -> None:
    assert _by_flags(tmp_path, *words.split()) == _by_file(tmp_path, attributes, rest)


def test_files_of_variables_and_labels(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("\ufeff# note\nA=1\nB='quoted' $x\n\n  FROM_CALLER\nNOWHERE\nC=3\r\n")
    (tmp_path / "labels").write_text("x=1\ny\n")
    made = _by_flags(
        tmp_path, "--env-file", str(tmp_path / "env"), "-e", "A=2", "--label-file", str(tmp_path / "labels"),
        environment={"FROM_CALLER": "f"},
    )  # fmt: skip
    service = made.services["web"]
    assert service.environment == {"A": "2", "B": "'quoted' $x", "C": "3", "FROM_CALLER": "f"}
    assert service.labels == {"x": "1", "y": ""}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cpus", "many"], "--cpus: 'many' is not a number"),
        (["--sysctl", "x"], "--sysctl: 'x' is not KEY=VALUE"),
        (["-e", "=x"], "--env: '=x' is not KEY=VALUE"),
        (["--env-file", "/nonexistent"], "--env-file: cannot read /nonexistent"),
        (["--ulimit", "nofile=many"], "--ulimit: 'many' is not a whole number"),
        (["--mount", "type=bind"], "has no target"),
        (["--mount", "target=/x,what=1"], "--mount: 'what=1' is not known"),
        (["--mount", "target=/x,readonly=maybe"], "neither true nor false"),
        (["--mount", "type=tmpfs,target=/x,tmpfs-mode=9"], "not octal"),
        (["--device-read-bps", "/dev/sda"], "is not PATH:RATE"),
        (["--gpus", "count=x"], "--gpus: 'x' is not a whole number"),
        (["--gpus", "speed=1"], "unknown key 'speed'"),
        (["--network", "host", "--network", "front"], "goes with no other network"),
        (["--network", "front", "--network", "none"], "goes with no other network"),
        (["--network", "host", "--ip", "1.2.3.4"], "has no addresses of its own"),
        (["--network", "alias=x"], "names no network"),
        (["--network", "name=x,colour=red"], "unknown key 'colour'"),
        (["--no-healthcheck", "--health-cmd", "true"], "conflicts with --health"),
        (["--cpuset-mems", "0"], "--cpuset-mems is not supported: memory nodes"),
        (["-e", "A=\udcff"], "not UTF-8"),
    ],
)
def test_what_no_flag_means(words: list[str], message: str) -> None:
    with pytest.raises(errors.UsageError, match=message):
        serviceflags.as_text(serviceflags.stack_of(_options(*words, "busybox"), "web", {}))


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["-m", "1x"], "--memory"),
        (["-p", "99999:80"], "--publish"),
        (["-v", "data:relative"], "--volume"),
        (["--restart", "sometimes"], "--restart"),
        (["--health-interval", "often", "--health-cmd", "true"], "--health-interval"),
        (["--device-read-bps", "/dev/sda:fast"], "--device-read-bps"),
        (["--ulimit", "nofile=9:3"], "--ulimit"),
        (["--network", "front", "--ip", "nowhere"], "--network"),
        (["--security-opt", "nonsense"], "--security-opt"),
        (["--log-driver", "syslog"], "--log-driver"),
    ],
)
def test_what_the_loader_refuses_is_said_of_the_flag(words: list[str], flag: str, tmp_path: Path) -> None:
    text = serviceflags.as_text(serviceflags.stack_of(_options(*words, "busybox"), "web", {}))
    request = load.LoadRequest(
        directory=str(tmp_path), files=("-",), project_name="default", stdin=text.encode(), is_by_hand=True
    )
    with pytest.raises(errors.StackFileError) as caught:
        load.load_stack(request)
    assert serviceflags.translated(caught.value).message.startswith(f"{flag}: ")


TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@given(
    st.recursive(
        TEXTS | st.booleans() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    )
)
def test_what_is_written_is_read_back(value: object) -> None:
    def doubled(item: object) -> object:
        match item:
            case str():
                return item.replace("$", "$$")
            case dict():
                return {key: doubled(inner) for key, inner in item.items()}
            case list():
                return [doubled(inner) for inner in item]
        return item

    import yaml

    assert yaml.safe_load(serviceflags.as_text(value)) == doubled(value)


def test_the_reserved_name_is_for_flags_alone(tmp_path: Path) -> None:
    request = load.LoadRequest(
        directory=str(tmp_path), files=("-",), project_name="default", stdin=b"services: {a: {image: b}}"
    )
    with pytest.raises(errors.StackFileError, match="reserved"):
        load.load_stack(request)

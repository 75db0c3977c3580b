"""Small stacks, each with what is looked at from inside; both engines get all of them in one file.

``{name}`` in a command is the service's own name.  A case whose answers differ on purpose says why; the reason
is listed in docs/compatibility.md, and a difference that is gone fails the test as well.
"""

from __future__ import annotations

import re

import attrs

IMAGE, BUILT = "composer-differential:plain", "composer-differential:built"

DOCKERFILE = f"""
FROM {IMAGE}
ENV OF_IMAGE=image BOTH=image
WORKDIR /of/image
RUN mkdir -p /seeded /vol && echo seed > /seeded/file && chown 1000:1001 /seeded /seeded/file && chmod 750 /seeded \
 && echo inside > /vol/inside && chmod 1777 /vol
VOLUME /vol
USER user
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo of image; exec sleep 1000"]
"""


@attrs.frozen
class Case:
    """A service (flow style, without its image), a command inside or "" for log and exit code.

    ``others`` are further services of the case, in block style; ``why`` says that a difference is meant.
    """

    body: str
    command: str = ""
    others: str = ""
    image: str = IMAGE
    why: str = ""
    files: tuple[tuple[str, str], ...] = ()


_STATUS = "grep -E '^({})' /proc/self/status"
_CAPABILITIES = _STATUS.format("Cap")
_MOUNT = "grep ' {} ' /proc/mounts | cut -d' ' -f2-4"
_CGROUP = "cat /sys/fs/cgroup/{0} 2>/dev/null || cat /sys/fs/cgroup/{1} 2>/dev/null"
_INTERNAL = "sort; true"

CASES: dict[str, Case] = {
    # what a process is
    "plain": Case("{}", "id; pwd; umask; env | sort"),
    "environment": Case("environment: {A: 1, B: 'x y', C: , D: '', HOME: /elsewhere, PATH: /bin}", "env | sort"),
    "environment-list": Case("environment: [A=1, FROM_SHELL, NOT_IN_SHELL, 'Q=\"q\"']", "env | sort"),
    "env-file": Case("{env_file: [one.env], environment: {B: mine}}", "env | sort",
                     files=(("one.env", "A=1\nB=2\nC='q $A'\nD=\"x\\ny\"\nE=${A}z # note\n#F=1\n"),)),
    "command-text": Case("command: echo 'a  b' \"c d\" e\\ f $$HOME"),
    "command-list": Case("command: [echo, 'a  b', $$HOME]"),
    "command-of-image": Case("command: null", image=BUILT, command="cat /proc/1/cmdline | tr '\\0' ' '"),
    "entrypoint": Case("{entrypoint: [echo, first], command: [second, third]}"),
    "entrypoint-drops-command": Case("entrypoint: [echo, only]", image=BUILT),
    "entrypoint-text": Case("entrypoint: echo 'from text'"),
    "image-environment": Case("{environment: {BOTH: mine, ADDED: yes}}", "env | sort", image=BUILT),
    "image-user": Case("{}", "id; pwd; echo $$HOME", image=BUILT),
    "user-number": Case("user: '1234'", "id; env | grep HOME"),
    "user-pair": Case("user: '1234:4321'", "id"),
    "user-name": Case("user: user", "id; env | grep HOME"),
    "user-group-name": Case("user: 'user:tty'", "id -u; id -g; id -G"),
    "user-capabilities": Case("{user: '1234', cap_add: [NET_ADMIN]}", _CAPABILITIES),
    "group-add": Case("group_add: [tty, '777']", "id -G"),
    "working-dir": Case("working_dir: /made/here", "pwd; stat -c '%u %a' /made/here"),
    "init": Case("init: true", "ps | grep -c '[s]leep 1000'; cat /proc/1/comm | wc -l"),
    "tty": Case("tty: true", "ls -l /proc/1/fd/0 | sed 's/.*-> //'; env | grep TERM; true",
                why="`exec` without a terminal keeps the TERM of a container that has one"),
    "stdin": Case("stdin_open: true", "ls -l /proc/1/fd/0 | sed 's/.*-> //; s/[0-9]//g'"),
    "exec-environment": Case("environment: {A: 1}", "echo $$A; pwd; echo $$HOME"),
    # how it ends
    "exit-code": Case("command: sh -c 'echo out; sleep 0.3; echo err >&2; exit 3'"),
    "exit-by-signal": Case("command: sh -c 'kill -9 $$$$'"),
    "exit-by-term": Case("command: sh -c 'kill -15 $$$$; sleep 1; echo survived as 1'"),
    "log-unended": Case("command: printf 'no newline'",
                        why="a last line without its newline is shown by `logs`; Docker Compose drops it"),
    "log-long": Case("command: sh -c 'head -c 20000 /dev/zero | tr \"\\\\0\" x; echo; echo end'"),
    "log-odd": Case("command: printf 'tab\\there\\n\\n  spaces  \\n\\303\\244\\n'"),
    # names
    "hostname": Case("hostname: myhost", "hostname; cat /etc/hostname; echo $$HOSTNAME; grep myhost /etc/hosts | wc -l"),
    "domainname": Case("{hostname: h, domainname: d.example}", "hostname; cat /proc/sys/kernel/domainname; grep -w h /etc/hosts"),
    "hosts": Case("extra_hosts: ['a=10.0.0.1', 'b:10.0.0.2', 'c=[::1]']", "cat /etc/hosts | sort"),
    "resolver": Case("{dns_search: [a.example, b.example], dns_opt: ['timeout:3', 'ndots:2']}",
                     "grep -v '^#' /etc/resolv.conf | sort"),
    "resolver-default": Case("{}", "grep -v '^#' /etc/resolv.conf"),
    "name-of-service": Case("{}", "nslookup -type=a {name} | grep -c Address; nslookup -type=a plain | grep -c '^Name'"),
    "name-of-container": Case("container_name: differential-named", "nslookup -type=a differential-named | grep -c '^Name'"),
    "alias": Case("networks: {default: {aliases: [other-name]}}", "nslookup -type=a other-name | grep -c '^Name'"),
    "scaled": Case("scale: 3", "nslookup -type=a scaled | grep -c '^Address.*172\\|^Address.*10\\.\\|^Address.*192'"),
    "addresses": Case("networks: {fixed: {ipv4_address: 10.123.45.67}}", "ip -o -4 address show dev eth0 | tr -s ' ' | cut -d' ' -f2-4"),
    "two-networks": Case("networks: {default: {}, fixed: {}}", "ls /sys/class/net | sort; ip route | grep -c default"),
    "network-none": Case("network_mode: none", "ls /sys/class/net; cat /etc/resolv.conf | wc -l"),
    "network-of-service": Case("network_mode: service:hostname", "hostname; cat /etc/hostname; sort /etc/hosts; nslookup -type=a plain | grep -c '^Name'"),
    "internal": Case("networks: {shut: {}}", "ip route | grep -c default; true",
                     why="an internal network has no default route; dockerd 20.10 sets one that leads nowhere"),
    # files
    "tmpfs": Case("tmpfs: [/t]", _MOUNT.format("/t") + "; stat -c %a /t"),
    "tmpfs-options": Case("tmpfs: ['/t:size=1m,mode=700,exec,uid=7']", _MOUNT.format("/t") + "; stat -c '%a %u' /t"),
    "tmpfs-long": Case("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1048576, mode: 0o755}}]",
                       _MOUNT.format("/t") + "; stat -c %a /t"),
    "shm-size": Case("shm_size: 2m", _MOUNT.format("/dev/shm")),
    "volume": Case("volumes: ['data:/d']", "stat -c '%u %g %a' /d; ls /d; touch /d/x && echo written"),
    "volume-seeded": Case("volumes: ['seeded:/seeded']", "stat -c '%u %g %a' /seeded /seeded/file; cat /seeded/file",
                          image=BUILT),
    "volume-nocopy": Case("volumes: [{type: volume, source: empty, target: /seeded, volume: {nocopy: true}}]",
                          "stat -c '%u %g %a' /seeded; ls /seeded", image=BUILT),
    "volume-of-image": Case("{}", "cat /vol/inside; stat -c %a /vol; grep -c ' /vol ' /proc/mounts", image=BUILT),
    "volume-read-only": Case("volumes: ['data:/d:ro']", "touch /d/x 2>&1; true"),
    "volume-local-tmpfs": Case("volumes: ['memory:/m']", _MOUNT.format("/m")),
    "bind": Case("volumes: ['./host:/b:ro']", "cat /b/file; touch /b/x 2>&1; true"),
    "bind-file": Case("volumes: ['./host/file:/etc/one.conf']", "cat /etc/one.conf; ls -l /etc/one.conf | cut -c1-10"),
    "bind-over-image": Case("volumes: ['./host:/seeded']", "ls /seeded", image=BUILT),
    "bind-created": Case("volumes: ['./made/by/engine:/b']", "stat -c '%u %g %a' /b"),
    "volumes-from": Case("volumes_from: ['volume:ro']", "grep ' /d ' /proc/mounts | cut -d' ' -f2,4 | cut -c1-5",
                         why="the mode of volumes_from a service counts; Docker Compose drops it"),
    "read-only": Case("read_only: true", "touch /x 2>&1; touch /dev/shm/x && echo in memory"),
    "secret": Case("secrets: [s]", "cat /run/secrets/s; stat -c %a /run/secrets/s; grep -c ' /run/secrets/s ' /proc/mounts",
                   why="a secret from a file has mode 0444 where nothing is said; Docker Compose mounts the file as it is"),
    "secret-environment": Case("secrets: [{source: e, target: mine}]", "cat /run/secrets/mine"),
    "secret-long": Case("secrets: [{source: s, target: /x/y, uid: '7', gid: '8', mode: 0o440}]",
                        "cat /x/y; stat -c '%u %g %a' /x/y",
                        why="uid, gid and mode count for a secret from a file, too; Docker Compose mounts the file as it is"),
    "config": Case("configs: [c]", "cat /c; stat -c '%u %g %a' /c",
                   why="a config from a file has mode 0444 where nothing is said; Docker Compose mounts the file as it is"),
    "config-content": Case("configs: [{source: inline, target: /etc/inline, mode: 0o400}]",
                           "cat /etc/inline; stat -c '%u %g %a' /etc/inline"),
    # security
    "capabilities": Case("{}", _CAPABILITIES),
    "cap-add": Case("cap_add: [NET_ADMIN, SYS_TIME]", _CAPABILITIES),
    "cap-drop": Case("cap_drop: [ALL]", _CAPABILITIES),
    "cap-drop-add": Case("{cap_drop: [ALL], cap_add: [CHOWN]}", _CAPABILITIES),
    "seccomp": Case("{}", _STATUS.format("Seccomp:|NoNewPrivs")),
    "seccomp-unconfined": Case("security_opt: ['seccomp:unconfined']", _STATUS.format("Seccomp:|NoNewPrivs")),
    "no-new-privileges": Case("security_opt: ['no-new-privileges:true']", _STATUS.format("Seccomp:|NoNewPrivs")),
    "systempaths": Case("security_opt: ['systempaths=unconfined']", "grep -c ' /proc/' /proc/mounts; true"),
    "devices-default": Case("{}", "ls /dev | sort",
                            why="crun makes /dev/core, a link to the masked /proc/kcore, also where there is none"),
    "device": Case("devices: ['/dev/null:/dev/mine:rw']", "ls -l /dev/mine | tr -s ' ' | cut -d' ' -f1,3-6"),
    "mounts-of-system": Case("{}", "for p in /proc /dev /dev/pts /dev/mqueue /sys; do grep \" $$p \" /proc/mounts | cut -d' ' -f2,3; done"),
    "read-only-paths": Case("{}", "for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do grep \" $$p \" /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1; done"),
    # limits
    "memory": Case("mem_limit: 64m", _CGROUP.format("memory/memory.limit_in_bytes", "memory.max")),
    "memory-swap": Case("{mem_limit: 64m, memswap_limit: 96m}", _CGROUP.format("memory/memory.memsw.limit_in_bytes", "memory.swap.max")),
    "memory-swap-default": Case("mem_limit: 64m", _CGROUP.format("memory/memory.memsw.limit_in_bytes", "memory.swap.max")),
    "memory-reservation": Case("mem_reservation: 32m", _CGROUP.format("memory/memory.soft_limit_in_bytes", "memory.low")),
    "cpus": Case("cpus: 0.5", _CGROUP.format("cpu/cpu.cfs_quota_us", "cpu.max")),
    "cpu-shares": Case("cpu_shares: 300", _CGROUP.format("cpu/cpu.shares", "cpu.weight")),
    "cpuset": Case("cpuset: '0'", _CGROUP.format("cpuset/cpuset.cpus", "cpuset.cpus")),
    "pids": Case("pids_limit: 33", _CGROUP.format("pids/pids.max", "pids.max")),
    "pids-default": Case("{}", _CGROUP.format("pids/pids.max", "pids.max"),
                         why="processes are bounded at 4096 where nothing is said; Docker has no bound"),
    "deploy-limits": Case("deploy: {resources: {limits: {cpus: '0.25', memory: 48m}}}",
                          _CGROUP.format("memory/memory.limit_in_bytes", "memory.max") + "; "
                          + _CGROUP.format("cpu/cpu.cfs_quota_us", "cpu.max")),
    "ulimits": Case("ulimits: {nofile: {soft: 100, hard: 200}, nproc: 60, core: 0}",
                    "grep -E 'open files|processes|core' /proc/self/limits | tr -s ' '"),
    "oom-score": Case("oom_score_adj: 123", "cat /proc/1/oom_score_adj"),
    "sysctls": Case("sysctls: {net.core.somaxconn: 99, kernel.shmmax: 1000000}",
                    "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax"),
    # namespaces
    "ipc-shared": Case("ipc: service:shm-owner", "cat /dev/shm/mark",
                       others="ipc: shareable\n    command: sh -c 'echo shared > /dev/shm/mark; exec sleep 1000'"),
    "pid-shared": Case("pid: service:plain", "ps | grep -c '[s]leep 1000'"),
    "pid-of-host": Case("pid: host", "readlink /proc/self/ns/pid"),
    "uts-of-host": Case("uts: host", "readlink /proc/self/ns/uts"),
    "cgroup-private": Case("cgroup: private", "cut -d: -f3 /proc/self/cgroup | sort -u | grep -v '^/$' | wc -l"),
}  # fmt: skip

TOP = """
networks:
  fixed: {ipam: {config: [{subnet: 10.123.45.0/24}]}}
  shut: {internal: true}
volumes:
  data: {}
  seeded: {}
  empty: {}
  memory: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m,mode=700"}}
secrets:
  s: {file: ./secret.txt}
  e: {environment: FROM_SHELL}
configs:
  c: {file: ./config.txt}
  inline: {content: "inline ${FROM_SHELL}\\n"}
"""

FILES = {
    "secret.txt": "a secret\n",
    "config.txt": "a config\n",
    "host/file": "of host\n",
    **{name: text for case in CASES.values() for name, text in case.files},
}


def stack_file() -> str:
    """All of it as one stack file."""
    services = []
    for name, case in CASES.items():
        inner = (
            case.body[1:-1].split(", ") if case.body.startswith("{") and case.body != "{}" else [case.body]
        )
        body = [f"image: {case.image}", "stop_signal: SIGKILL"]
        body += [line for line in (_rejoined(inner)) if line != "{}"]
        if case.command and "command:" not in case.body and "entrypoint:" not in case.body:
            # An image with a shell for entrypoint wants one word.
            body.append("command: ['exec sleep 1000']" if case.image == BUILT else "command: sleep 1000")
        services.append(f"  {name}:\n" + "".join(f"    {line}\n" for line in body))
        if case.others:
            owner = re.search(r"service:([\w-]+)", case.body)
            assert owner
            services.append(
                f"  {owner[1]}:\n    image: {IMAGE}\n    stop_signal: SIGKILL\n    {case.others}\n"
            )
    return "name: differential\nservices:\n" + "".join(services) + TOP


def _rejoined(parts: list[str]) -> list[str]:
    """Pieces of a flow mapping, put together where a comma was inside of something."""
    lines: list[str] = []
    for part in parts:
        if lines and (
            lines[-1].count("{") > lines[-1].count("}") or lines[-1].count("[") > lines[-1].count("]")
        ):
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines


_CHANGING = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b(172|192|10|198)\.\d+\.\d+\.\d+\b(?!/)"), "ADDRESS"),
)


def steady(name: str, text: str) -> str:
    """An answer without what no two runs have in common."""
    if name != "addresses":
        for pattern, word in _CHANGING:
            text = pattern.sub(word, text)
    return text.replace("\r\n", "\n").strip()

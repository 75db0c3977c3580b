"""What a container may do, seen from inside: one of composer and, where Docker is there, one of Docker.

``python tests/tools/isolation_probe.py [--docker-host unix:///...]`` (root).  A small shell script runs in a
busybox container of each engine and prints facts as ``key: value``; the table shows them side by side and
marks what differs.  Nothing is tried that would change the host if an engine let it.  composer's stack lies
in a store of its own, which is gone afterwards.  A dockerd is never started: it is asked where it already
listens, and gets the same static busybox.  The exit code is 1 when a container of composer may more.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

IMAGE = "composer-probe-busybox"
STACK = f"""\
name: isolation-probe
services:
  probe: {{image: {IMAGE}, command: sleep 1000, stop_signal: SIGKILL}}
"""

SCRIPT = r"""
status() { awk -v key="$1:" '$1 == key { print $2 }' /proc/self/status; }
mount_of() { awk -v at="$1" '$2 == at { split($4, o, ","); line = $3; for (i in o)
  if (o[i] ~ /^(ro|nosuid|nodev|noexec)$/) seen[o[i]] = 1
  found = 1 } END { if (!found) { print "none"; exit }
  for (n = split("ro nosuid nodev noexec", w, " "), i = 1; i <= n; i++) if (w[i] in seen) line = line " " w[i]
  print line }' /proc/self/mounts; }
for key in CapBnd CapEff CapPrm CapInh CapAmb Seccomp Seccomp_filters NoNewPrivs; do
  echo "$key: $(status $key)"
done
echo "uid gid groups: $(id -u) $(id -g)"
echo "oom_score_adj: $(cat /proc/self/oom_score_adj)"
echo "open files: $(ulimit -n)"
echo "environment: $(env | sed 's/=.*//' | sort | tr '\n' ' ')"
echo "descriptors: $(ls /proc/self/fd | grep -v '^3$' | tr '\n' ' ')"
echo "security label: $(cat /proc/self/attr/current 2>/dev/null | tr -d '\0')"
echo "pids limit: $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)"
echo "size of /dev/shm: $(df -k /dev/shm | awk 'END { print $2 }')"
echo "mounts that propagate: $(grep -cE ' (shared|master):' /proc/self/mountinfo)"
for at in / /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup; do
  echo "mount $at: $(mount_of $at)"
done
for at in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
  /proc/scsi /proc/timer_list /sys/devices/virtual/powercap /sys/firmware; do
  if [ -d $at ]; then size=$(ls -A $at 2>/dev/null | wc -l); else size=$(head -c 64 $at 2>/dev/null | wc -c); fi
  if [ ! -e $at ]; then state=absent; elif [ "$size" = 0 ]; then state=masked; else state=READABLE; fi
  echo "masked $at: $state"
done
for at in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do
  if [ -e $at ]; then echo "read-only $at: $(mount_of $at)"; else echo "read-only $at: absent"; fi
done
echo "devices: $(find /dev -maxdepth 1 \( -type c -o -type b \) | sed 's,/dev/,,' | sort | tr '\n' ' ')"
attempt() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "may $name: YES"; else echo "may $name: no"; fi; }
if umount /proc/kcore 2>/dev/null; then echo "may unmask: YES"; else echo "may unmask: no"; fi
for call in /bin/call-*; do
  $call 2>/dev/null; code=$?
  case $code in 1|38) answer=denied;; *) answer="ALLOWED ($code)";; esac
  echo "system call ${call#/bin/call-}: $answer"
done
attempt "make a user namespace" unshare -U true
attempt "make a mount namespace" unshare -m true
attempt "mount a tmpfs" mount -t tmpfs none /mnt
attempt "open /proc/sys for writing" sh -c ': >> /proc/sys/kernel/domainname'
attempt "read the kernel log" dmesg
mknod /tmp/disk b 8 0 2>/dev/null
attempt "read a block device" head -c 1 /tmp/disk
rm -f /tmp/disk
"""

_NONE, _NEW_USER, _AF_ALG, _AF_VSOCK, _KEYRING = 0xFFFFFFFF, 0x10000000, 38, 40, 0xFFFFFFFD
CALLS: dict[str, tuple[int, int, int, int]] = {
    "acct": (163, 0, 0, 0),
    "add_key": (248, 0, 0, 0),
    "bpf": (321, 0, 0, 0),
    "clone3": (435, 0, 0, 0),
    "fsopen": (430, 0, 0, 0),
    "init_module": (175, 0, 0, 0),
    "io_uring_setup": (425, 1, 0, 0),
    "iopl": (172, 3, 0, 0),
    "kcmp": (312, 1, 1, 0),
    "kexec_load": (246, 0, 0, 0),
    "keyctl": (250, 0, _KEYRING, 0),
    "mount": (165, 0, 0, 0),
    "move_mount": (429, _NONE, 0, _NONE),
    "open_by_handle_at": (304, _NONE, 0, 0),
    "open_tree": (428, _NONE, 0, 1),
    "perf_event_open": (298, 0, 0, 0),
    "pivot_root": (155, 0, 0, 0),
    "quotactl": (179, 0, 0, 0),
    "reboot": (169, 0, 0, 0),  # without its magic numbers it does nothing
    "setns": (308, _NONE, 0, 0),
    "socket AF_ALG": (41, _AF_ALG, 5, 0),
    "socket AF_VSOCK": (41, _AF_VSOCK, 1, 0),
    "swapon": (167, 0, 0, 0),
    "umount2": (166, 0, 0, 0),
    "unshare user": (272, _NEW_USER, 0, 0),
    "userfaultfd": (323, 0, 0, 0),
}
"""System calls of x86-64 with three arguments that cannot do harm if an engine let them through."""

NAMESPACES = ("pid", "ipc", "uts", "mnt", "cgroup", "net", "user", "time")
_LONGEST_CELL = 46


def facts_in(text: str) -> dict[str, str]:
    """``key: value`` lines as a mapping; anything else is left out."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {key: " ".join(value.split()) for key, separator, value in pairs if separator}


def namespaces_of(links: Mapping[str, str], host: Mapping[str, str]) -> dict[str, str]:
    """Which namespaces are the container's own, by what ``/proc/self/ns`` says here and there."""
    return {f"namespace {name}": "host's" if links.get(name) == host.get(name) else "own" for name in host}


def table_of(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The facts as Markdown, a column per engine; a star marks rows that differ."""
    engines = list(columns)
    keys = list(dict.fromkeys(key for facts in columns.values() for key in facts))
    lines = ["| fact | " + " | ".join(engines) + " | |", "|---|" + "---|" * len(engines) + "---|"]
    for key in keys:
        cells = [columns[engine].get(key, "-") or "-" for engine in engines]
        mark = "*" if len(set(cells)) > 1 else ""
        shown = [cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 3]}..." for cell in cells]
        lines.append(f"| {key} | " + " | ".join(shown) + f" | {mark} |")
    return "\n".join(lines)


def busybox_archive() -> bytes:
    """A root file system with the host's static busybox and a link for each of its programs."""
    program = shutil.which("busybox", path=f"{os.environ.get('PATH', '')}:/bin:/usr/bin")
    if program is None:
        raise SystemExit("busybox is not installed (Debian: busybox-static)")
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for directory in ("bin", "dev", "proc", "sys", "tmp", "mnt", "etc"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(program, "bin/busybox", filter=_as_root)
        for name, (number, *arguments) in CALLS.items() if platform.machine() == "x86_64" else ():
            entry = tarfile.TarInfo(f"bin/call-{name.replace(' ', '-')}")
            content = program_that_calls(number, *arguments)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for name in names:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            if name != "busybox":
                tar.addfile(entry)
    return archive.getvalue()


def program_that_calls(number: int, *arguments: int) -> bytes:
    """A static x86-64 program of one system call; its exit code is the call's error number, 0 for none."""
    registers = (b"\xbf", b"\xbe", b"\xba")  # mov edi, esi, edx
    code = b"\xb8" + struct.pack("<I", number)  # mov eax
    code += b"".join(
        move + struct.pack("<I", value) for move, value in zip(registers, arguments, strict=True)
    )
    code += b"\x0f\x05"  # syscall
    code += b"\x31\xff\x85\xc0\x79\x04\xf7\xd8\x89\xc7"  # edi = eax < 0 ? -eax : 0
    code += b"\xb8" + struct.pack("<I", 60) + b"\x0f\x05"  # exit(edi)
    base, headers = 0x400000, 64 + 56
    size = headers + len(code)
    elf = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


def looser(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """The facts in which a container of ours may more than one of theirs."""
    return [key for key, value in ours.items() if key in theirs and not _is_as_tight(key, value, theirs[key])]


def _is_as_tight(key: str, ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if key.startswith("Cap"):
        return int(ours, 16) & ~int(theirs, 16) == 0
    if key in ("Seccomp", "NoNewPrivs"):
        return int(ours) >= int(theirs)
    if key in ("open files", "pids limit", "size of /dev/shm", "mounts that propagate"):
        return _number(ours) <= _number(theirs)
    if key in ("devices", "descriptors", "environment"):
        return set(ours.split()) <= set(theirs.split())
    if key.startswith("read-only "):
        # crun 1.8 leaves nosuid, nodev and noexec out here.  procfs itself runs no program and opens no device,
        # whatever the mount says (SB_I_NOEXEC and SB_I_NODEV, fs/proc/root.c), so only "ro" counts.
        return ours == "absent" or "ro" in ours.split() or "ro" not in theirs.split()
    if key.startswith("mount "):
        return ours == "absent" or set(ours.split()) >= set(theirs.split())
    return ours in ("no", "own", "denied", "masked", "absent")


def _number(text: str) -> float:
    return float(text) if text.isdecimal() else math.inf


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mode = 0o755
    return entry


def _host_namespaces() -> dict[str, str]:
    own = Path("/proc/self/ns")  # we run in the host's; those of process 1 may be unreadable
    return {name: os.readlink(own / name) for name in NAMESPACES if (own / name).exists()}


def _probe(inside: list[str], environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Run the script by ``inside`` (an ``exec`` without the program); returns its facts."""

    def run(script: str) -> str:
        return subprocess.run(
            [*inside, "sh", "-c", script],
            env=environment, cwd=directory, capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    listed = run('for n in /proc/1/ns/*; do echo "${n##*/}: $(readlink $n)"; done')
    return {**facts_in(run(SCRIPT)), **namespaces_of(facts_in(listed), _host_namespaces())}


def probe_composer(composer: str, archive: Path) -> dict[str, str]:
    """The facts of a container of ``composer`` in a store of its own."""
    run_root = tempfile.mkdtemp(prefix="composer-probe-", dir="/dev/shm")
    with tempfile.TemporaryDirectory(prefix="composer-probe-") as work:
        project = Path(work) / "stack"
        project.mkdir()
        (project / "compose.yaml").write_text(STACK)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE")}
        environment = {**kept, "COMPOSER_DATA": f"{work}/data", "COMPOSER_RUN": run_root}

        def call(*arguments: str) -> None:
            done = subprocess.run(
                [composer, *arguments],
                cwd=project,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise SystemExit(f"composer {arguments[0]}: {done.stderr}")

        try:
            call("image", "import", str(archive), IMAGE)
            call("up", "-d", "--wait")
            return _probe([composer, "exec", "-T", "probe"], environment, project)
        finally:
            subprocess.run(
                [composer, "down", "-v"], cwd=project, env=environment, capture_output=True, check=False
            )
            shutil.rmtree(run_root, ignore_errors=True)


def probe_docker(host: str, archive: Path) -> dict[str, str] | None:
    """The facts of a container of the dockerd at ``host``, ``None`` when there is none."""
    docker = ["docker", "-H", host]
    if shutil.which("docker") is None:
        return None
    if subprocess.run([*docker, "version"], capture_output=True, check=False).returncode != 0:
        return None
    subprocess.run([*docker, "import", str(archive), IMAGE], capture_output=True, check=True)
    started = subprocess.run(
        [*docker, "run", "-d", "--rm", IMAGE, "sleep", "1000"], capture_output=True, text=True, check=True
    )
    name = started.stdout.strip()
    try:
        return _probe([*docker, "exec", name], dict(os.environ), Path("/"))
    finally:
        subprocess.run([*docker, "rm", "-f", name], capture_output=True, check=False)
        subprocess.run([*docker, "rmi", IMAGE], capture_output=True, check=False)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST", "unix:///run/docker.sock"))
    parser.add_argument("--composer", default=str(Path(sys.executable).with_name("composer")))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        archive = Path(work) / "busybox.tar"
        archive.write_bytes(busybox_archive())
        columns = {"composer": probe_composer(options.composer, archive)}
        of_docker = probe_docker(options.docker_host, archive)
        if of_docker is not None:
            columns["Docker"] = of_docker
    print(table_of(columns))
    worse = looser(columns["composer"], columns["Docker"]) if "Docker" in columns else []
    for key in worse:
        print(f"looser than Docker: {key}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

"""A hundred idle containers on one network of both families: ``up``, DNS of every name, ``down``, nothing left.

``python -m tests.benchmarks.hundred`` (root) writes the figures into ``docs/performance.md`` between the
markers; ``tests/scenarios/test_hundred.py`` runs the same once and looks at what it says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

from composer.host import netns
from composer.host.paths import Paths
from composer.model import names
from composer.network import dnswire, fence

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "performance.md"
BEGIN, END = "<!-- hundred:begin -->", "<!-- hundred:end -->"
KINDS = {dnswire.TYPE_A: 4, dnswire.TYPE_AAAA: 16}


@attrs.frozen(kw_only=True)
class Figures:
    """What one run showed; times in seconds."""

    containers: int
    up: float
    down: float
    questions: int
    answered: int
    """Questions with just the one address that the name has."""

    milliseconds: float
    """The median of an answer."""

    per_second: float
    load: float
    """The machine's load average before: what it was doing besides."""

    left: tuple[str, ...]
    """Links, tables, mounts and processes that were not there before."""


def run(containers: int) -> Figures:
    """Bring a stack up in a store of its own, ask for every name from its first container, take it down."""
    root = Path(tempfile.mkdtemp(prefix="composer-hundred-"))
    memory = Path(tempfile.mkdtemp(prefix="composer-hundred-", dir="/dev/shm"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE")},
        "COMPOSER_DATA": str(root / "data"),
        "COMPOSER_RUN": str(memory),
    }
    stack = f"hundred{os.getpid()}"
    services = [f"s{number:03}" for number in range(containers)]
    text = "".join(
        f"  {name}: {{image: busybox, command: sleep 100000, stop_signal: SIGKILL}}\n" for name in services
    )
    (root / "compose.yaml").write_text(
        f"name: {stack}\nservices:\n{text}networks: {{default: {{enable_ipv6: true}}}}\n"
    )

    def composer(*arguments: str) -> tuple[float, str]:
        begun = time.perf_counter()
        done = subprocess.run(
            [str(Path(sys.executable).with_name("composer")), *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"composer {' '.join(arguments)}: {done.stderr[-2000:]}")
        return time.perf_counter() - begun, done.stdout

    try:
        composer("image", "bootstrap", "--busybox", "busybox")
        load = os.getloadavg()[0]
        up, _ = composer("up", "-d")
        rows = _rows_in(composer("ps", "--no-trunc", "--format", "json")[1])
        first = next(int(row["Pid"]) for row in rows if row["Name"] == f"{stack}-s000-1")
        derived = _derived(root / "data", memory, stack, [str(row["ID"]) for row in rows])
        present = _things(str(memory), derived)
        assert len([thing for thing in present if thing.startswith("link")]) == containers + 1
        every = [*services, *(f"{stack}-{name}-1" for name in services)]
        answers, times = _ask(first, every)
        down, _ = composer("down", "-t", "0")
        left = _settled(str(memory), derived)
    finally:
        subprocess.run(
            [str(Path(sys.executable).with_name("composer")), "down", "-t", "0"],
            cwd=root,
            env=environment,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)
    return Figures(
        containers=containers,
        up=up,
        down=down,
        questions=len(every) * len(KINDS),
        answered=answers,
        milliseconds=statistics.median(times) * 1000,
        per_second=len(times) / sum(times),
        load=load,
        left=left,
    )


def _rows_in(listed: str) -> list[dict[str, object]]:
    if listed.startswith("["):
        return json.loads(listed)
    return [json.loads(line) for line in listed.splitlines()]


def _ask(pid: int, asked: list[str]) -> tuple[int, list[float]]:
    """How many names were answered with one address of each kind, and how long each answer took."""
    descriptor = netns.open_of(pid)

    def connected() -> socket.socket:
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asker.settimeout(5)
        asker.connect(("127.0.0.11", 53))
        return asker

    asker = netns.run_in(descriptor, connected)
    os.close(descriptor)
    answered, times = 0, []
    with asker:
        for number, name in enumerate(asked):
            for kind, size in KINDS.items():
                header = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0)
                question = header + dnswire.pack_name(name) + struct.pack("!HH", kind, dnswire.CLASS_IN)
                begun = time.perf_counter()
                asker.send(question)
                reply = asker.recv(4096)
                times.append(time.perf_counter() - begun)
                count = struct.unpack_from("!H", reply, 6)[0]
                answered += count == 1 and len(reply) == len(question) + 12 + size
    return answered, times


def _derived(data: Path, memory: Path, stack: str, identities: list[str]) -> frozenset[str]:
    """What the kernel's objects of this store are called: others may come and go meanwhile."""
    key = Paths(data, memory).key
    network = names.resource_name(stack, names.DEFAULT_NETWORK)
    table = names.table_name(stack, key)
    veths = {f"link {names.veth_name(identity, network, key)}" for identity in identities}
    tables = {f"table inet {table}", f"table inet {fence.name_of(table)}"}
    return frozenset({f"link {names.bridge_name(network, key)}", *veths, *tables})


def _things(marker: str, derived: frozenset[str]) -> set[str]:
    """Links and tables of the store, and what names it among mounts and processes."""
    found = {f"link {name}" for _, name in socket.if_nameindex()}
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    found = (found | set(tables.splitlines())) & derived
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found |= {f"mount {line}" for line in mounts if marker in line}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in command:
            found.add(f"process {command[:80]}")
    return found


def _settled(marker: str, derived: frozenset[str]) -> tuple[str, ...]:
    """What is left once the supervisor has ended and the kernel collected the namespaces (5 s at most)."""
    deadline = time.monotonic() + 5
    while (left := _things(marker, derived)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return tuple(sorted(left))


def text_of(found: Figures) -> str:
    """The figures as a paragraph and a table."""
    load = f"load {found.load:.0f} from elsewhere"
    where = f"{os.cpu_count()} cores, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}, {load}"
    return "\n".join(
        [
            f"{found.containers} idle containers on one network of both families ({where}):",
            "",
            "| | |",
            "|---|---|",
            f"| `up -d`, cold | {found.up:.2f} s ({found.up / found.containers * 1000:.0f} ms each) |",
            f"| names answered (service and container, A and AAAA) | {found.answered} of {found.questions} |",
            f"| an answer, one question at a time | {found.milliseconds:.2f} ms, {found.per_second:.0f} per second |",
            f"| `down` | {found.down:.2f} s |",
            f"| left behind (links, tables, mounts, processes) | {len(found.left)} |",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100, help="containers (default: 100)")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    text = text_of(run(options.n))
    print(text)
    if options.write:
        head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()

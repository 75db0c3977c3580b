"""composer against Docker Compose and podman-compose: the same idle stack, interleaved, one run.

``make bench`` (root).  For N = 1, 10 and 50 services of busybox ``sleep`` (``stop_signal: SIGKILL``):
cold ``up -d``, ``up -d`` with nothing to do, ``ps``, ``down``.  Each round runs every engine once, so
that whatever the machine does meanwhile strikes all alike; medians and their ratios to Docker Compose
are written, as a table and a picture, into ``docs/performance.md`` between the markers.

dockerd and Podman have stores of their own in a network namespace of their own (``tests/peers``): the
host's firewall is none of their business.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from tests.peers.engines import Docker, Podman
from tests.peers.network import Namespace

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "performance.md"
PICTURE = REPOSITORY / "docs" / "performance.svg"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
OPERATIONS = ("cold up", "no-op up", "ps", "down")


class Engine:
    """One contender: how to run its commands and with what environment."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.command = command
        self.environment = environment

    def run(self, directory: Path, *arguments: str) -> float:
        """Run a command to its end; returns the seconds it took."""
        begun = time.perf_counter()
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - begun
        if done.returncode != 0:
            raise SystemExit(f"{self.name} {' '.join(arguments)}: {done.stderr[-2000:]}")
        return elapsed


def busybox_archive() -> bytes:
    """A root file system with the host's static busybox."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return archive.getvalue()


PODMAN_LIMITS = "    ulimits: {nofile: 1024, nproc: 4096}\n"
"""podman 4.3 asks for more than the hard limits of some machines, unless told otherwise."""


def stack_of(count: int, limits: str = "") -> str:
    """N idle services."""
    services = "".join(
        f"  s{number:03}:\n    image: busybox\n    command: sleep 100000\n    stop_signal: SIGKILL\n{limits}"
        for number in range(count)
    )
    return f"name: bench{count}\nservices:\n{services}"


def one_round(engine: Engine, directory: Path) -> dict[str, float]:
    """Every operation once, in the order a day has."""
    taken = {"cold up": engine.run(directory, "up", "-d")}
    taken["no-op up"] = engine.run(directory, "up", "-d")
    taken["ps"] = engine.run(directory, "ps")
    taken["down"] = engine.run(directory, "down")
    return taken


def measure(
    engines: list[Engine], sizes: list[int], rounds: int, work: Path
) -> dict[tuple[int, str], dict[str, float]]:
    """Medians by (size, engine)."""
    medians = {}
    for size in sizes:
        samples: dict[str, list[dict[str, float]]] = {engine.name: [] for engine in engines}
        for number in range(rounds):
            for engine in engines:
                if engine.name == "podman-compose" and (number >= 2 or size > 10):
                    continue  # it is slow and its figures are steady
                directory = work / f"{engine.name}-{size}"
                directory.mkdir(exist_ok=True)
                limits = PODMAN_LIMITS if engine.name == "podman-compose" else ""
                (directory / "compose.yaml").write_text(stack_of(size, limits))
                samples[engine.name].append(one_round(engine, directory))
            print(f"N={size} round {number + 1}/{rounds}", file=sys.stderr, flush=True)
        for name, taken in samples.items():
            if taken:
                medians[size, name] = {
                    operation: statistics.median(sample[operation] for sample in taken)
                    for operation in OPERATIONS
                }
    return medians


def table_of(medians: dict[tuple[int, str], dict[str, float]], rounds: int) -> str:
    """The medians as Markdown, each with its ratio to Docker Compose."""
    heading = (
        f"Medians of {rounds} interleaved rounds in one run on {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
    )
    lines = [
        heading,
        "",
        "| N | engine | " + " | ".join(OPERATIONS) + " |",
        "|---|---|" + "---|" * len(OPERATIONS),
    ]
    for (size, name), taken in medians.items():
        base = medians.get((size, "Docker Compose"))
        cells = []
        for operation in OPERATIONS:
            text = f"{taken[operation] * 1000:.0f} ms"
            if base and name != "Docker Compose":
                text += f" ({taken[operation] / base[operation]:.2f})"
            cells.append(text)
        lines.append(f"| {size} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            *lines,
            "",
            "In brackets: the ratio to Docker Compose in the same run.",
            "",
            "![Ratios](performance.svg)",
        ]
    )


def picture_of(medians: dict[tuple[int, str], dict[str, float]]) -> str:
    """Bars of composer's ratio to Docker Compose; the line is Docker Compose itself."""
    bars = [
        (f"N={size} {operation}", taken[operation] / medians[size, "Docker Compose"][operation])
        for (size, name), taken in medians.items()
        if name == "composer" and (size, "Docker Compose") in medians
        for operation in OPERATIONS
    ]
    height, left, width = 22, 130, 420
    rows = []
    for index, (label, ratio) in enumerate(bars):
        y = 30 + index * height
        rows.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{label}</text>')
        rows.append(
            f'<rect x="{left}" y="{y}" width="{min(ratio, 1.25) * width / 1.25:.1f}" height="16" fill="#2a7"/>'
        )
        rows.append(
            f'<text x="{left + min(ratio, 1.25) * width / 1.25 + 5:.1f}" y="{y + 13}">{ratio:.2f}</text>'
        )
    line = left + width / 1.25
    total = 40 + len(bars) * height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{total}" font-family="sans-serif" font-size="12">'
        f'<rect width="640" height="{total}" fill="white"/>'
        f'<text x="{left}" y="18">time relative to Docker Compose (line = 1.0; shorter is better)</text>'
        f'<line x1="{line}" y1="24" x2="{line}" y2="{total - 8}" stroke="#c33" stroke-dasharray="4 3"/>'
        + "".join(rows)
        + "</svg>\n"
    )


def publish(table: str, picture: str) -> None:
    """Put table and picture into the documentation."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")
    PICTURE.write_text(picture)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,10,50")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", action="append", default=[], choices=["podman", "docker"])
    parser.add_argument("--print", action="store_true", help="only print; leave docs alone")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="composer-bench-"))
    run = Path(tempfile.mkdtemp(prefix="composer-bench-", dir="/dev/shm"))
    peers = REPOSITORY / ".cache" / "peers" / "bin"
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE", "DOCKER", "PYTHON"))}
    composer = Engine(
        "composer",
        [str(Path(sys.executable).with_name("composer"))],
        {**plain, "COMPOSER_DATA": str(work / "data"), "COMPOSER_RUN": str(run)},
    )
    subprocess.run(
        [*composer.command, "image", "bootstrap", "--busybox", "busybox"],
        env=composer.environment,
        check=True,
        capture_output=True,
    )
    try:
        with ExitStack() as stack:
            namespace = stack.enter_context(Namespace("bench"))
            directories = {name: work / name for name in ("docker", "podman")}
            for directory in directories.values():
                directory.mkdir()
            daemon = stack.enter_context(Docker(directories["docker"], namespace))
            daemon.ok("import", "-", "busybox", stdin=busybox_archive())
            docker = Engine(
                "Docker Compose",
                [str(peers / "docker-compose")],
                {**plain, "DOCKER_HOST": f"unix://{daemon.socket}"},
            )
            engines = [docker, composer]
            if "podman" not in options.without and shutil.which("podman"):
                podman = stack.enter_context(Podman(directories["podman"], namespace))
                podman.ok("import", "-", "docker.io/library/busybox:latest", stdin=busybox_archive())
                command = [*namespace.prefix, str(peers / "podman-compose")]
                engines.append(Engine("podman-compose", command, podman.environment))
            if "docker" in options.without:
                engines.remove(docker)
            medians = measure(engines, [int(size) for size in options.sizes.split(",")], options.rounds, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(run, ignore_errors=True)
    table = table_of(medians, options.rounds)
    print(table)
    if not options.print:
        publish(table, picture_of(medians))
    return 0


if __name__ == "__main__":
    sys.exit(main())

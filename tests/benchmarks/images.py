"""composer against dockerd and Podman with images: pull, load, build; interleaved, in one run.

``make bench`` (root).  Every engine has a fresh store on the same disk, and the registry is Debian's
docker-registry on this host.  Each round lets every engine do the same once, so that whatever the machine
does meanwhile strikes all alike; medians go into ``docs/performance.md`` between the markers, with
composer's ratio to the faster of the other two.

Docker builds with its classic builder (Debian's package has no other), Podman with ``--layers``.
On a machine that does other things as well, processor times say more than the clock.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from tests.peers.composer import Composer
from tests.peers.engines import Docker, Engine, Podman
from tests.peers.network import Namespace
from tests.peers.registry import Registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- images:begin -->", "<!-- images:end -->"
SIZE = 150 * 1000 * 1000
LAYERS = 4
SOURCES = ("/usr/lib/python3", "/usr/lib/x86_64-linux-gnu", "/usr/share", "/usr/lib", "/usr/bin")

TEN_STEPS = """\
FROM busybox
ENV PLACE=/srv
WORKDIR /srv
RUN echo one > one
COPY files /srv/files
RUN mkdir /data && echo two > /data/two
COPY files/0 /etc/zero
RUN for i in 1 2 3 4 5 6 7 8 9; do echo $i > /data/$i; done
RUN rm /data/two && ln -s 1 /data/link
RUN chmod -R a+r /srv
RUN ls -lR /srv > /listing
"""

STAGES = """\
FROM busybox AS {0}
RUN dd if=/dev/zero bs=1M count=60 2>/dev/null | sha256sum > /sum && sleep 1
"""
FOUR_STAGES = (
    "".join(STAGES.format(name) for name in "abcd")
    + "FROM busybox\n"
    + "".join(f"COPY --from={name} /sum /{name}\n" for name in "abcd")
)


@attrs.frozen(kw_only=True)
class Taken:
    """Wall time and processor time in seconds, and the peak of resident memory."""

    seconds: float
    processor: float
    megabytes: float


@attrs.frozen
class Contender:
    """An engine with its words for the same things."""

    name: str
    engine: Engine
    build: tuple[str, ...]
    pull: tuple[str, ...]
    verbs: tuple[str, ...] = ()
    daemon: Callable[[], int] | None = None

    def timed(self, *arguments: str) -> Taken:
        """Run a command and say what it took."""
        if self.daemon is not None:
            Path(f"/proc/{self.daemon()}/clear_refs").write_text("5")
        before = self._daemon_seconds()
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*self.engine.command, *arguments],
            env=self.engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name} {' '.join(arguments)}: {said.decode()[-2000:]}")
        peak = usage.ru_maxrss / 1000
        if self.daemon is not None:
            text = Path(f"/proc/{self.daemon()}/status").read_text()
            peak += int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) / 1000
        processor = usage.ru_utime + usage.ru_stime + self._daemon_seconds() - before
        return Taken(seconds=elapsed, processor=processor, megabytes=peak)

    def _daemon_seconds(self) -> float:
        """The processor time of the daemon and of the children that it waited for."""
        if self.daemon is None:
            return 0
        fields = Path(f"/proc/{self.daemon()}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def forget(self, *names: str) -> None:
        """Remove images, so that the next time is the first time."""
        for name in names:
            self.engine.call(*self.verbs, "rmi" if not self.verbs else "rm", "-f", name)


def files_of(sources: Sequence[str]) -> Iterator[Path]:
    """Regular files of this host, in a fixed order."""
    for source in sources:
        for directory, names, files in os.walk(source):
            names.sort()
            for name in sorted(files):
                path = Path(directory) / name
                if path.is_file() and not path.is_symlink():
                    yield path


def make_image_context(directory: Path) -> None:
    """A Dockerfile whose layers hold ``SIZE`` bytes of this host's files, as many as a real image has."""
    total = 0
    for path in files_of(SOURCES):
        size = path.stat().st_size
        if not size or size > SIZE // 20:
            continue
        layer = min(LAYERS - 1, total * LAYERS // SIZE)
        target = directory / str(layer) / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        total += size
        if total >= SIZE:
            break
    copies = "".join(f"COPY {number} /\n" for number in range(LAYERS))
    (directory / "Dockerfile").write_text(f"FROM busybox\n{copies}")


def make_build_contexts(directory: Path) -> tuple[Path, Path]:
    """The directories of the ten steps and of the four stages."""
    ten, four = directory / "ten", directory / "four"
    (ten / "files").mkdir(parents=True)
    four.mkdir()
    for number in range(200):
        (ten / "files" / str(number)).write_text(f"{number}\n" * 200)
    (ten / "Dockerfile").write_text(TEN_STEPS)
    (four / "Dockerfile").write_text(FOUR_STAGES)
    return ten, four


Samples = dict[tuple[str, str], list[float]]


def one_round(
    contenders: Sequence[Contender], name: str, archive: Path, contexts: tuple[Path, Path], into: Samples
) -> None:
    """Every operation once by every engine, operation by operation."""
    ten, four = map(str, contexts)

    def note(operation: str, one: Contender, value: float) -> None:
        into.setdefault((operation, one.name), []).append(value)

    for one in contenders:
        one.forget(name)
        taken = one.timed(*one.verbs, "pull", *one.pull, "-q", name)
        note("cold pull", one, taken.seconds)
        note("processor time of the pull", one, taken.processor)
        note("memory of the pull", one, taken.megabytes)
    for one in contenders:
        one.forget(name)
        taken = one.timed(*one.verbs, "load", "-q", "-i", str(archive))
        note("load", one, taken.seconds)
        note("processor time of the load", one, taken.processor)
    for one in contenders:
        note("build, 10 steps, cold", one, one.timed(*one.build, "--no-cache", "-t", "ten", ten).seconds)
    for one in contenders:
        one.timed(*one.build, "-t", "ten", ten)
        note("build, 10 steps, cached", one, one.timed(*one.build, "-t", "ten", ten).seconds)
    for one in contenders:
        note("build, 4 stages, cold", one, one.timed(*one.build, "--no-cache", "-t", "four", four).seconds)


def table_of(medians: Mapping[tuple[str, str], float], names: Sequence[str], rounds: int) -> str:
    """The medians as Markdown, with composer's ratio to the better of the others."""
    heading = (
        f"Medians of {rounds} interleaved rounds in one run on {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
    )
    lines = [
        heading,
        "",
        f"| operation | {' | '.join(names)} | composer to the better of the others |",
        "|---|" + "---|" * (len(names) + 1),
    ]
    for operation in dict.fromkeys(operation for operation, _ in medians):
        values = {name: medians[operation, name] for name in names}
        form = "{:.0f} MB" if operation.startswith("memory") else "{:.2f} s"
        ratio = values["composer"] / min(value for name, value in values.items() if name != "composer")
        cells = " | ".join(form.format(values[name]) for name in names)
        lines.append(f"| {operation} | {cells} | {ratio:.2f} |")
    return "\n".join(lines)


def publish(table: str) -> None:
    """Put the table into the documentation."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")


def measure(stack: ExitStack, work: Path, run: Path, rounds: int) -> str:
    """Prepare everything, do all rounds, return the table."""
    for name in ("registry", "docker", "podman", "composer", "maker", "image", "contexts"):
        (work / name).mkdir()
    namespace = stack.enter_context(Namespace("bench"))
    registry = stack.enter_context(Registry(work / "registry", address=namespace.gateway))
    docker = stack.enter_context(Docker(work / "docker", namespace))
    podman = stack.enter_context(Podman(work / "podman", namespace))
    composer = Composer(work / "composer", run / "composer", registry.host)
    contenders = [
        Contender("composer", composer, build=("image", "build"), pull=(), verbs=("image",)),
        Contender("Docker", docker, build=("build",), pull=(), daemon=lambda: docker.pid),
        Contender(
            "Podman", podman, build=("build", "--layers", "--pull-never"), pull=("--tls-verify=false",)
        ),
    ]
    # The image is made in another store: what a build remembers would spare composer the pull.
    maker = Composer(work / "maker", run / "maker", registry.host)
    maker.ok("image", "bootstrap", "--busybox", "busybox")
    base = maker.ok("image", "save", "busybox")
    for one in contenders:
        one.engine.ok(*one.verbs, "load", stdin=base)
    name = f"{registry.host}/bench/image:1"
    make_image_context(work / "image")
    contexts = make_build_contexts(work / "contexts")
    maker.ok("image", "build", "-t", name, str(work / "image"), timeout=600)
    maker.ok("image", "push", name, timeout=600)
    archive = work / "image.tar"
    maker.ok("image", "save", "-o", str(archive), name, timeout=600)
    samples: Samples = {}
    for number in range(rounds):
        one_round(contenders, name, archive, contexts, samples)
        print(f"round {number + 1}/{rounds}", file=sys.stderr, flush=True)
    medians = {key: statistics.median(values) for key, values in samples.items()}
    table = table_of(medians, [one.name for one in contenders], rounds)
    print(table, flush=True)  # before everything is taken down, which takes a while
    return table


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--print", action="store_true", help="only print; leave docs alone")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="composer-bench-", dir="/var/tmp"))
    run = Path(tempfile.mkdtemp(prefix="composer-bench-", dir="/dev/shm"))
    try:
        with ExitStack() as stack:
            table = measure(stack, work, run, options.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(run, ignore_errors=True)
    if not options.print:
        publish(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

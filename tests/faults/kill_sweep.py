"""Kills composer at random moments and checks that the next run puts everything right.

``python tests/faults/kill_sweep.py --rounds 100 [--seed N]``: each round starts ``up`` or ``down`` of
a stack of six services (two networks, a volume, a build), waits a random time, sends SIGKILL to the
command or to the supervisor, and then demands: the next ``up -d`` exits 0, a second one finds nothing
to do, the containers answer, and after ``down -v`` the census of kernel objects, processes and
directories is what it was before the stack.  Prints ``healed n/n, leaks m``.

Everything lies in a state directory and a network namespace of its own; nothing outside is touched.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from composer.model import names

STACK = """
services:
  base:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [front]
  store:
    image: busybox
    command: sh -c 'date >> /data/starts; exec sleep 1000'
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    networks: [back]
    healthcheck: {test: ["CMD", "test", "-s", "/data/starts"], interval: 1s}
  built:
    build: .
    stop_signal: SIGKILL
    networks: [front, back]
    depends_on: {store: {condition: service_healthy}}
  once:
    image: busybox
    command: "true"
    networks: [back]
    depends_on: {store: {condition: service_healthy}}
  web:
    image: busybox
    command: httpd -f -p 80
    stop_signal: SIGKILL
    ports: ["127.0.0.1::80"]
    networks: [front]
    restart: always
    depends_on: {once: {condition: service_completed_successfully}}
  pair:
    image: busybox
    scale: 2
    command: sleep 1000
    stop_signal: SIGKILL
    networks: {front: {aliases: [both]}, back: {}}
networks:
  front: {}
  back: {internal: true}
volumes:
  data: {}
"""

DOCKERFILE = """\
FROM busybox
RUN echo built > /built
CMD ["sleep", "1000"]
"""

SERVICES = ("base", "store", "built", "once", "web", "pair")
LONGEST_WAIT = 2.0
_INSIDE = "COMPOSER_SWEEP_NAMESPACE"


class Sweep:
    """One store, one stack, many deaths."""

    def __init__(self, composer: str) -> None:
        self.composer = composer
        self.root = Path(tempfile.mkdtemp(prefix="composer-faults-"))
        self.run_root = Path(tempfile.mkdtemp(prefix="composer-faults-", dir="/dev/shm"))
        self.project = self.root / "stack"
        self.project.mkdir()
        (self.project / "compose.yaml").write_text(f"name: sweep{os.getpid()}\n{STACK}")
        (self.project / "Dockerfile").write_text(DOCKERFILE)
        self.stack = f"sweep{os.getpid()}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("COMPOSE")},
            "COMPOSER_DATA": str(self.root / "data"),
            "COMPOSER_RUN": str(self.run_root),
        }
        # Cgroups are the one thing that other stores on this host share with us: know our own by name.
        numbers = [(service, number) for service in SERVICES for number in (1, 2)]
        self.own_cgroups = {
            "composer-" + names.short_hash("cgroup", str(self.root / "data"), identity)
            for service, number in numbers
            for generation in range(1, 30)
            for identity in [names.container_id(self.stack, service, number, generation)]
        }

    def call(self, *arguments: str, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Run composer to its end."""
        return subprocess.run(
            [self.composer, *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start composer and do not wait."""
        return subprocess.Popen(
            [self.composer, *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def supervisor(self) -> int:
        """The supervisor's pid, 0 when there is none."""
        try:
            return int((self.run_root / "stacks" / self.stack / "supervisor.pid").read_text())
        except (OSError, ValueError):
            return 0

    def census(self) -> dict[str, list[str]]:
        """Everything of ours that the kernel, the process table and the disk hold."""
        listed = {
            "links": _lines("ip", "-br", "link"),
            "namespaces": _lines("ip", "netns", "list"),
            "tables": _lines("nft", "list", "tables"),
            "cgroups": [
                line
                for line in _lines("find", "/sys/fs/cgroup", "-type", "d", "-name", "composer-*")
                if Path(line).name in self.own_cgroups
            ],
            "mounts": [line for line in _lines("findmnt", "-rno", "TARGET") if "composer-faults" in line],
        }
        listed["links"] = [line.split()[0].partition("@")[0] for line in listed["links"]]
        listed["processes"] = sorted(_processes(str(self.run_root)))
        data = self.root / "data"
        for name in ("containers", "volumes", "layers/staging"):
            listed[name] = sorted(entry.name for entry in _entries(data / name))
        for name in ("containers", "stacks", "oci", "copy"):
            listed[f"run {name}"] = sorted(entry.name for entry in _entries(self.run_root / name))
        return {key: sorted(value) for key, value in listed.items()}

    def one_round(self, random_source: random.Random, *, verbose: bool) -> str:
        """Kill once and heal; returns what went wrong, "" when nothing did."""
        verb = random_source.choice(["up", "up", "down"])
        victim = random_source.choice(["command", "supervisor"])
        wait = random_source.uniform(0.0, LONGEST_WAIT if verb == "up" else 0.6)
        if verb == "down":
            before = self.call("up", "-d")
            if before.returncode != 0:
                return f"up before down: {before.stderr[-800:]}"
        arguments = ("up", "-d") if verb == "up" else ("down", "-v")
        running = self.start(*arguments)
        time.sleep(wait)  # the random moment
        pid = running.pid if victim == "command" else self.supervisor()
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pid = 0
        label = f"{verb}, {victim} killed after {wait:.3f} s" + ("" if pid else " (already gone)")
        if verbose:
            print(label, flush=True)
        try:
            running.wait(timeout=90)
        except subprocess.TimeoutExpired:
            running.kill()
            return f"{label}: the command did not end"
        return self.problem_after(label)

    def problem_after(self, label: str) -> str:
        """What is wrong with the healing after a death."""
        first = self.call("up", "-d")
        if first.returncode != 0:
            return f"{label}: the next up exited {first.returncode}: {first.stderr[-1500:]}"
        second = self.call("up", "-d")
        if second.returncode != 0 or "nothing to do" not in second.stdout + second.stderr:
            return f"{label}: the second up was not idle: {second.stdout[-600:]} {second.stderr[-600:]}"
        answer = self.call("exec", "-T", "base", "nslookup", "both")
        if answer.returncode != 0 or answer.stdout.count("Address") < 3:
            return f"{label}: DNS does not answer: {answer.stdout[-400:]} {answer.stderr[-400:]}"
        return ""

    def finish(self) -> None:
        """Take everything away."""
        self.call("down", "-v")
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.run_root, ignore_errors=True)


def _lines(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _processes(marker: str) -> list[str]:
    """Living processes that name our run directory (conmon, tools) or were forked by us."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (marker in command or f"COMPOSER_RUN={marker}" in environment):
            found.append(command[:120])
    return found


def settled_census(sweep: Sweep, wanted: dict[str, list[str]]) -> dict[str, list[str]]:
    """The census, once it equals ``wanted`` or the kernel had 5 s to finish what it does on its own."""
    deadline = time.monotonic() + 5
    while True:
        census = sweep.census()
        if census == wanted or time.monotonic() > deadline:
            return census
        time.sleep(0.05)


def run(rounds: int, seed: int, *, composer: str, verbose: bool = False) -> tuple[int, list[str]]:
    """Sweep; returns how many rounds were healed, and what was wrong in the others."""
    source = random.Random(seed)
    sweep = Sweep(composer)
    problems: list[str] = []
    try:
        made = sweep.call("image", "bootstrap", "--busybox", "busybox")
        if made.returncode != 0:
            return 0, [made.stderr]
        sweep.call("build")
        sweep.call("up", "-d")
        sweep.call("down", "-v")
        empty = sweep.census()
        for number in range(rounds):
            problem = sweep.one_round(source, verbose=verbose)
            gone = sweep.call("down", "-v")
            if not problem and gone.returncode != 0:
                problem = f"down exited {gone.returncode}: {gone.stderr[-800:]}"
            census = settled_census(sweep, empty)
            leaks = {key: [v for v in census[key] if v not in empty[key]] for key in census}
            leaks = {key: value for key, value in leaks.items() if value}
            if not problem and leaks:
                problem = f"leaked: {leaks}"
            if problem:
                log = sweep.run_root / "stacks" / sweep.stack / "supervisor.log"
                said = log.read_text()[-3000:] if log.exists() else ""
                problem += f"\nthe supervisor's log: {said}"
                problems.append(f"round {number}: {problem}")
                if verbose:
                    print(problems[-1], flush=True)
    finally:
        sweep.finish()
    return rounds - len(problems), problems


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--composer", default=str(Path(sys.executable).with_name("composer")))
    options = parser.parse_args()
    if _INSIDE not in os.environ:
        script = 'ip link set lo up && exec "$@"'
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, *sys.argv])
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    healed, problems = run(options.rounds, seed, composer=options.composer, verbose=True)
    leaks = sum("leaked" in problem for problem in problems)
    print(*problems, sep="\n")
    print(f"healed {healed}/{options.rounds}, leaks {leaks}")
    return 0 if healed == options.rounds else 1


if __name__ == "__main__":
    sys.exit(main())

"""Kills pulls, loads and builds at random moments and checks that the next run puts everything right.

``python tests/faults/image_kill_sweep.py --rounds 50 [--seed N]``: each round throws the images away,
starts one of the three, waits a random time, sends SIGKILL, and then demands: the same command
succeeds, ``system check`` finds nothing damaged, the image has the content that it should have, and
no mount, link, process, staging directory, lock or half blob is left.  Prints ``healed n/n``.

Pulls come from a ``docker-registry`` of the sweep's own on the loopback address of its own network
namespace; everything lies in directories of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import census
from tests.peers.registry import Registry

DOCKERFILE = """\
FROM busybox AS one
COPY small /small
RUN tar cf /all.tar /small && sha256sum /all.tar > /sum
FROM busybox
COPY large /large
COPY --from=one /sum /sum
RUN for i in 1 2 3 4 5 6 7 8 9; do cp -r /large /copy$i; done
RUN rm -r /copy1 /copy2 && chmod -R g+w /copy3
"""

ACTIONS = ("pull", "load", "build")
_INSIDE = "COMPOSER_SWEEP_NAMESPACE"


class Sweep:
    """One store, one registry, many deaths."""

    def __init__(self, composer: str, stack: ExitStack) -> None:
        self._composer = composer
        # On a real disk: overlayfs and fsync are part of what is killed.
        self.root = Path(tempfile.mkdtemp(prefix="composer-faults-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.run_root = Path(tempfile.mkdtemp(prefix="composer-faults-", dir="/dev/shm"))
        stack.callback(shutil.rmtree, self.run_root, ignore_errors=True)
        self.project = self.root / "project"
        (self.project / "small").mkdir(parents=True)
        (self.project / "large").mkdir()
        source = random.Random(1)
        for number in range(300):
            (self.project / "small" / f"{number}").write_bytes(source.randbytes(source.randrange(3000)))
        (self.project / "large/noise").write_bytes(source.randbytes(3 << 20))
        (self.project / "Dockerfile").write_text(DOCKERFILE)
        (self.project / "compose.yaml").write_text("services: {app: {build: ., image: built}}\n")
        (self.root / "registry").mkdir()
        self.registry = stack.enter_context(Registry(self.root / "registry"))
        self.name = f"{self.registry.host}/app:1"
        self.archive = self.root / "app.tar"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE")},
            "COMPOSER_DATA": str(self.root / "data"),
            "COMPOSER_RUN": str(self.run_root),
        }
        self._lasts: dict[str, float] = {}
        self._layers: dict[str, list[str]] = {}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run composer to its end."""
        return subprocess.run(
            [self._composer, *arguments],
            cwd=self.project,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        """The output of a run that must succeed."""
        done = self.call(*arguments)
        if done.returncode != 0:
            message = f"{' '.join(arguments)}: {done.returncode}: {done.stderr[-1500:]}"
            raise OSError(message)
        return done.stdout

    def command(self, action: str) -> tuple[str, ...]:
        """What brings the image."""
        return {
            "pull": ("image", "pull", "-q", self.name),
            "load": ("image", "load", "-q", "-i", str(self.archive)),
            "build": ("build", "-q"),
        }[action]

    def image_of(self, action: str) -> str:
        """The image that an action brings."""
        return "built" if action == "build" else self.name

    def prepare(self) -> None:
        """Build once, push, save; see how long everything takes and what it gives."""
        self.must("image", "bootstrap", "--busybox", "busybox")
        self.must("build", "-q")
        self.must("image", "tag", "built", self.name)
        self.must("image", "push", "-q", self.name)
        self.must("image", "save", "-o", str(self.archive), self.name)
        for action in ACTIONS:
            self.throw_away(action)
            begun = time.monotonic()
            self.must(*self.command(action))
            self._lasts[action] = time.monotonic() - begun
            self._layers[action] = self.layers(action)
            self.throw_away(action)

    def layers(self, action: str) -> list[str]:
        """The layers of the image that an action brought."""
        (found,) = json.loads(self.must("image", "inspect", self.image_of(action)))
        return found["RootFS"]["Layers"]

    def throw_away(self, action: str) -> None:
        """Forget the image, its layers, blobs and build steps; keep what a build begins on."""
        self.call("image", "rm", "-f", self.image_of(action), self.name, "built")
        self.must("system", "prune", "-f")

    def one_round(self, source: random.Random) -> tuple[str, str]:
        """Kill once and heal; returns what was done and what went wrong, "" when nothing did."""
        action = source.choice(ACTIONS)
        wait = source.uniform(0.0, self._lasts[action])
        running = subprocess.Popen(
            [self._composer, *self.command(action)],
            cwd=self.project,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(wait)  # the random moment
        running.send_signal(signal.SIGKILL)
        code = running.wait()
        label = f"{action} killed after {wait:.3f} s of {self._lasts[action]:.1f} s"
        label += "" if code == -signal.SIGKILL else " (already over)"
        try:
            return label, self._problem_after(action)
        except (OSError, subprocess.TimeoutExpired) as error:
            return label, str(error)

    def _problem_after(self, action: str) -> str:
        checked = self.call("system", "check", "-q")
        if checked.returncode != 0:
            return f"damaged right after the death: {checked.stdout[-1500:]}"
        self.must(*self.command(action))
        checked = self.call("system", "check", "-q")
        if checked.returncode != 0:
            return f"damaged after the next run: {checked.stdout[-1500:]}"
        found = self.layers(action)
        if action != "build" and found != self._layers[action]:
            return f"the layers are others: {found}"
        if len(found) != len(self._layers[action]):
            return f"the layers are {len(found)}"
        return ""

    def remains(self) -> dict[str, list[str]]:
        """Everything that should not outlive a command."""
        data = self.root / "data"
        return {
            "mounts": census.mounts_of(str(self.root)),
            "processes": census.processes_of(str(self.run_root)),
            "links": [line.split()[0] for line in census.lines("ip", "-br", "link")],
            **{
                name: sorted(path.name for path in (data / name).iterdir()) if (data / name).is_dir() else []
                for name in ("layers/staging", "layers/making", "blobs/ingest", "containers")
            },
        }


def run(rounds: int, seed: int, *, composer: str, verbose: bool = False) -> tuple[int, list[str]]:
    """Sweep; returns how many rounds were healed, and what was wrong in the others."""
    source = random.Random(seed)
    problems: list[str] = []
    with ExitStack() as stack:
        sweep = Sweep(composer, stack)
        sweep.prepare()
        before = sweep.remains()
        for number in range(rounds):
            label, problem = sweep.one_round(source)
            if verbose:
                print(label, flush=True)
            after = census.settled(sweep.remains, before)
            leaks = {key: [v for v in after[key] if v not in before[key]] for key in after}
            leaks = {key: values for key, values in leaks.items() if values}
            if leaks and not problem:
                problem = f"leaked: {leaks}"
            if problem:
                problems.append(f"round {number}: {label}: {problem}")
                if verbose:
                    print(problems[-1], flush=True)
            for action in ACTIONS:
                sweep.throw_away(action)
    return rounds - len(problems), problems


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
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
    print(f"healed {healed}/{options.rounds}, leaks {sum('leaked' in problem for problem in problems)}")
    return 0 if healed == options.rounds else 1


if __name__ == "__main__":
    sys.exit(main())

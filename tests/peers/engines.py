"""Docker, Podman and Buildah, each with a store of its own, in a network namespace of its own.

Nothing of the host is used: no running daemon, no ``/var/lib/containers``, no configuration below the
home directory.  What they mount is below their directory and is unmounted when they end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.peers.network import Namespace

_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 60.0


class Engine:
    """One program with commands; ``command`` and ``environment`` make them find their store."""

    def __init__(self, command: list[str], environment: dict[str, str], umask: int = -1) -> None:
        self.command = command
        self.environment = environment
        self.umask = umask

    def call(
        self, *arguments: str, stdin: bytes = b"", timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, whatever its exit code."""
        return subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            env={**self.environment, **environment},
            capture_output=True,
            timeout=timeout,
            umask=self.umask,
            check=False,
        )

    def ok(self, *arguments: str, stdin: bytes = b"", timeout: float = 120, **environment: str) -> bytes:
        """The output of a command that must succeed."""
        done = self.call(*arguments, stdin=stdin, timeout=timeout, **environment)
        assert done.returncode == 0, (
            f"{' '.join(arguments)}: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        )
        return done.stdout

    def inspect(self, image: str) -> dict[str, object]:
        """``inspect`` of one image."""
        (found,) = json.loads(self.ok("image", "inspect", image))
        return found


def plain_environment() -> dict[str, str]:
    """The caller's environment without what would lead an engine elsewhere."""
    leading = ("COMPOSE", "DOCKER", "BUILDAH", "CONTAINER", "PODMAN", "XDG_", "REGISTRY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(leading)}


class Docker(Engine):
    """A Docker daemon of our own, for the time of a ``with``; the classic builder unless told otherwise."""

    def __init__(self, directory: Path, namespace: Namespace) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self._namespace = namespace
        super().__init__(
            ["docker", "-H", f"unix://{self.socket}"],
            {**plain_environment(), "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(directory / "config")},
        )

    @property
    def pid(self) -> int:
        """The daemon's."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The end of what the daemon said."""
        return (self.directory / "dockerd.log").read_text(errors="replace")[-4000:]

    def __enter__(self) -> Self:
        (self.directory / "daemon.json").write_text("{}")
        with (self.directory / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *self._namespace.prefix,
                    # Whoever is killed takes the daemon with him.
                    "setpriv", "--pdeathsig", "TERM",
                    "dockerd",
                    "--config-file", str(self.directory / "daemon.json"),
                    "--data-root", str(self.directory / "data"),
                    "--exec-root", str(self.directory / "exec"),
                    "--pidfile", str(self.directory / "pid"),
                    "--insecure-registry", "198.18.0.0/15",
                    "--max-concurrent-downloads", "3",
                    "-H", f"unix://{self.socket}",
                ],
                env=plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + _STARTS_WITHIN
            while self.call("version").returncode:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    message = f"dockerd does not start: {self.log}"
                    raise OSError(message)
                time.sleep(0.05)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        unmount_below(self.directory)


def _settings(directory: Path, registry: str) -> dict[str, tuple[str, str]]:
    """Variables that name a settings file, each with the file's name and text.

    crun 1.8 refuses hosts with hybrid cgroups.  Podman's default limits exceed the hard limits of some
    machines, which runc reports as "error setting rlimit type 7".
    """
    engine = f"""
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "{directory}/tmp"
volume_path = "{directory}/volumes"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[network]
network_config_dir = "{directory}/networks"
"""
    storage = f"""
[storage]
driver = "overlay"
graphroot = "{directory}/root"
runroot = "{directory}/run"
"""
    registries = f"""
short-name-mode = "disabled"
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "{registry}"
insecure = true
"""
    return {
        "CONTAINERS_CONF": ("containers.conf", engine),
        "CONTAINERS_STORAGE_CONF": ("storage.conf", storage),
        "CONTAINERS_REGISTRIES_CONF": ("registries.conf", registries),
    }


class Podman(Engine):
    """Podman (or, as ``program``, Buildah: they share the store) with a root, settings and no daemon."""

    def __init__(self, directory: Path, namespace: Namespace, program: str = "podman") -> None:
        self.directory = directory
        environment = plain_environment()
        for variable, (name, text) in _settings(directory, namespace.gateway).items():
            (directory / name).write_text(text)
            environment[variable] = str(directory / name)
        super().__init__([*namespace.prefix, program], environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        unmount_below(self.directory)


def unmount_below(directory: Path) -> None:
    """Unmount what an engine left mounted below its directory, the innermost first."""
    mounted = [line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in sorted((one for one in mounted if one.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)

"""Where state lies: the only place that knows the directories.

``<data>`` survives a reboot, ``<run>`` does not.  ``<run>`` must be memory: secrets lie there.
Usually that is ``/run/composer``; where ``/run`` is on disk, ``/dev/shm/composer``.
``COMPOSER_DATA`` and ``COMPOSER_RUN`` override (tests always do).
"""

from __future__ import annotations

import os
from pathlib import Path

from composer import errors


class Paths:
    """The two roots and everything named below them."""

    __slots__ = ("data", "run")

    def __init__(self, data: Path, run: Path) -> None:
        self.data = data
        self.run = run

    @classmethod
    def of_environment(cls) -> Paths:
        """The roots of this process's environment."""
        data = os.environ.get("COMPOSER_DATA") or "/var/lib/composer"
        run = os.environ.get("COMPOSER_RUN") or default_run_root()
        return cls(Path(data).absolute(), Path(run).absolute())

    def make(self) -> None:
        """Make both roots, 0700."""
        for root in (self.data, self.run):
            try:
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                message = f"cannot make {root}: {error.strerror}"
                hint = "composer needs root for now; or set COMPOSER_DATA and COMPOSER_RUN."
                raise errors.HostUnsupported(message, hint=hint) from error

    @property
    def key(self) -> str:
        """What distinguishes this store's kernel objects from another store's on the same host."""
        return str(self.data)

    @property
    def database(self) -> Path:
        """The records."""
        return self.data / "state.db"

    @property
    def volumes(self) -> Path:
        """Contents of named volumes, one directory each."""
        return self.data / "volumes"

    def mounted_volume(self, name: str) -> Path:
        """Lock and mount points of a volume whose content is mounted for each container."""
        return self.run / "volumes" / name

    def container_data(self, container_id: str) -> Path:
        """Writable layer (``upper``, ``work``) and log of one container."""
        return self.data / "containers" / container_id

    def container_run(self, container_id: str) -> Path:
        """Bundle, sockets, pid and exit files, material of one container."""
        return self.run / "containers" / container_id

    def provided(self, stack: str) -> Path:
        """What the providers of one stack set (``supervisor.providers``)."""
        return self.data / "provided" / f"{stack}.json"

    def stack_run(self, stack: str) -> Path:
        """Lock, socket and pid of one stack's supervisor."""
        return self.run / "stacks" / stack


def default_run_root() -> str:
    """``/run/composer``, or ``/dev/shm/composer`` where ``/run`` is not a tmpfs."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        types = {fields[1]: fields[2] for fields in (line.split(" ") for line in mounts)}
    return "/run/composer" if types.get("/run") == "tmpfs" else "/dev/shm/composer"  # noqa: S108

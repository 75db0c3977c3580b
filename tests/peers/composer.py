"""The program under test in the same hands as its peers: a store of its own, one command at a time."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.peers.engines import Engine, plain_environment

PROGRAM = Path(sys.executable).with_name("composer")


class Composer(Engine):
    """composer with its state below ``root`` and ``run``; ``registry`` is spoken to without TLS."""

    def __init__(self, root: Path, run: Path, registry: str = "", umask: int = -1) -> None:
        self.registry = registry
        settings = root / "registries.conf"
        settings.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n' if registry else "")
        super().__init__(
            [str(PROGRAM)],
            {
                **plain_environment(),
                "HOME": str(root),
                "COMPOSER_DATA": str(root / "data"),
                "COMPOSER_RUN": str(run),
                "CONTAINERS_REGISTRIES_CONF": str(settings),
                "REGISTRY": registry,
            },
            umask,
        )

    def run(self, directory: Path, *arguments: str) -> str:
        """A command in the directory of a stack; returns what it says."""
        return self.ok("--project-directory", str(directory), *arguments, timeout=900).decode()

"""Debian's ``docker-registry`` (github.com/distribution/distribution) with a store and a port of a test.

It answers plain HTTP on the address it is given: 127.0.0.1 for composer and skopeo on the host,
``Namespace.gateway`` for the engines in their namespace.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

_STARTS_WITHIN = 30.0

_CONFIG = """
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {directory}/data}}
  delete: {{enabled: true}}
http: {{addr: "{host}"}}
"""

_AUTH = """
auth:
  htpasswd: {{realm: test, path: {directory}/htpasswd}}
"""


class Registry:
    """One registry, for the time of a ``with``.  ``users`` maps names to passwords; none means open."""

    def __init__(
        self, directory: Path, address: str = "127.0.0.1", users: dict[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.users = users or {}
        with socket.create_server((address, 0)) as server:
            self.host = f"{address}:{server.getsockname()[1]}"

    def __enter__(self) -> Self:
        config = _CONFIG.format(directory=self.directory, host=self.host)
        if self.users:
            config += _AUTH.format(directory=self.directory)
            entries = [self._htpasswd(user, password) for user, password in self.users.items()]
            (self.directory / "htpasswd").write_text("".join(entries))
        (self.directory / "config.yml").write_text(config)
        with (self.directory / "registry.log").open("wb") as log:
            self._process = subprocess.Popen(
                # Whoever is killed takes the registry with him.
                [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    "docker-registry",
                    "serve",
                    str(self.directory / "config.yml"),
                ],
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OTEL_TRACES_EXPORTER": "none"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                message = f"docker-registry does not start: {self.log}"
                self.__exit__()
                raise OSError(message)
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """The end of what it said."""
        return (self.directory / "registry.log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.host, timeout=5)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except OSError:
            return False
        finally:
            connection.close()

    @staticmethod
    def _htpasswd(user: str, password: str) -> str:
        made = subprocess.run(
            ["htpasswd", "-Bbn", user, password], capture_output=True, text=True, check=True
        ).stdout
        return f"{made.strip()}\n"

"""RUN: a command in a throw-away container over the stage's layers.

The builder knows neither runtime nor network: it asks the two protocols.  The network namespace is
made for the first command that needs one and shared by all of a build.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import attrs

from composer import errors
from composer.dockerfile.progress import StepProgress
from composer.dockerfile.workspace import Workspace
from composer.model.protocols import Interrupt, NamespaceHandle, Network, Runtime, StepRequest

_RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_KILLED = 137


@attrs.frozen(kw_only=True)
class RunStep:
    """A RUN with everything settled."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    working_dir: str
    has_network: bool


class Commands:
    """Runs the commands of one build."""

    def __init__(self, runtime: Runtime, network: Network, interrupt: Interrupt) -> None:
        self._runtime = runtime
        self._network = network
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._namespace: NamespaceHandle | None = None

    def close(self) -> None:
        """Remove the network namespace and what leads out of it."""
        with self._lock:
            if self._namespace is not None:
                self._namespace.close()
                self._namespace = None

    def run(self, name: str, step: RunStep, workspace: Workspace, progress: StepProgress) -> int:
        """Run to the end; returns the exit code.  Raises ``Interrupted``."""
        request = StepRequest(
            id=name,
            layers=workspace.layers,
            upper=workspace.upper,
            work=workspace.work,
            argv=step.argv,
            environment=step.environment,
            user=step.user,
            working_dir=step.working_dir,
            network_namespace=self._namespace_path() if step.has_network else "",
            name_servers=host_name_servers() if step.has_network else (),
        )
        code = self._runtime.run_step(request, progress.feed, self._interrupt)
        if self._interrupt.is_set:
            message = "the build was stopped"
            raise errors.Interrupted(message)
        return code

    def _namespace_path(self) -> str:
        with self._lock:
            if self._namespace is None:
                self._namespace = self._network.build_namespace()
            return self._namespace.path


def hint_for(code: int, argv: tuple[str, ...]) -> str:
    """What an exit code of a shell or of the kernel usually means ("" when it means nothing)."""
    if code == _NOT_FOUND:
        return f"127 means that a program was not found: is it in the image (argv: {' '.join(argv)[:60]})?"
    if code == _NOT_EXECUTABLE:
        return "126 means that a file was found but could not be executed: check its mode and its #! line."
    if code == _KILLED:
        return "137 means SIGKILL, usually because memory ran out."
    return ""


def name_servers_in(text: str) -> tuple[str, ...]:
    """The servers of a resolv.conf(5) that can be reached from another network namespace."""
    servers: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            address = words[1]
            if not address.startswith("127.") and address != "::1" and address not in servers:
                servers.append(address)
    return tuple(servers)


def host_name_servers() -> tuple[str, ...]:
    """The host's servers; behind a local stub (systemd-resolved) those that the stub asks."""
    for path in _RESOLVER_FILES:
        try:
            servers = name_servers_in(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if servers:
            return servers
    return ()

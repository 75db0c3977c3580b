"""RUN: a command in a throw-away container over the stage's layers.

The builder knows neither runtime nor network: it asks the two protocols.  The network namespace is
made for the first command that needs one and shared by all of a build.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import attrs

from composer import errors
from composer.dockerfile.progress import StepProgress
from composer.dockerfile.workspace import Workspace
from composer.host import resolvconf
from composer.model.container import ContainerMount
from composer.model.protocols import (
    BindMount,
    BuildNamespace,
    BuildRequest,
    Interrupt,
    MaterialFile,
    StepNetwork,
    StepRequest,
    StepRuntime,
)

_RESOLVER_FILES = (resolvconf.PATH, "/run/systemd/resolve/resolv.conf")
HOSTNAME = "buildkitsandbox"
"""The machine's name in a step, unless the build argument BUILDKIT_SANDBOX_HOSTNAME says another."""

_HOST_GATEWAY = "host-gateway"
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_KILLED = 137


@attrs.frozen(kw_only=True)
class RunStep:
    """A RUN with everything settled; ``network`` is ``default``, ``none`` or ``host``."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(repr=False)
    user: str
    working_dir: str
    network: str = "default"
    is_insecure: bool = False
    hostname: str = HOSTNAME
    binds: tuple[BindMount, ...] = ()
    tmpfs: tuple[ContainerMount, ...] = ()
    files: tuple[MaterialFile, ...] = ()


class Commands:
    """Runs the commands of one build."""

    def __init__(
        self, runtime: StepRuntime, network: StepNetwork, interrupt: Interrupt, wanted: BuildRequest
    ) -> None:
        self._runtime = runtime
        self._network = network
        self._interrupt = interrupt
        self._wanted = wanted
        self._lock = threading.Lock()
        self._namespace: BuildNamespace | None = None

    def close(self) -> None:
        """Remove the network namespace and what leads out of it."""
        with self._lock:
            if self._namespace is not None:
                self._namespace.close()
                self._namespace = None

    def run(self, name: str, step: RunStep, workspace: Workspace, progress: StepProgress) -> int:
        """Run to the end; returns the exit code.  Raises ``Interrupted``."""
        namespace = self._opened_namespace() if step.network == "default" else None
        resolver = (
            resolvconf.Settings()
            if step.network == "none"
            else resolver_of_host(reaches_loopback=step.network == "host")
        )
        request = StepRequest(
            id=name,
            layers=workspace.layers,
            upper=workspace.upper,
            work=workspace.work,
            argv=step.argv,
            environment=step.environment,
            user=step.user,
            working_dir=step.working_dir,
            hostname=step.hostname,
            network_namespace=namespace.path if namespace is not None else "",
            host_network=step.network == "host",
            name_servers=resolver.servers,
            search_domains=resolver.search,
            hosts=tuple((host, self._address(address, namespace)) for host, address in self._wanted.hosts),
            binds=step.binds,
            tmpfs=step.tmpfs,
            files=step.files,
            shm_size=self._wanted.shm_size,
            ulimits=self._wanted.ulimits,
            is_insecure=step.is_insecure,
        )
        code = self._runtime.run_step(request, progress.feed, self._interrupt)
        if self._interrupt.is_set:
            message = "the build was stopped"
            raise errors.Interrupted(message)
        return code

    def _address(self, address: str, namespace: BuildNamespace | None) -> str:
        """``host-gateway`` is the host as the step reaches it."""
        if address != _HOST_GATEWAY:
            return address
        return "127.0.0.1" if namespace is None else namespace.gateway

    def _opened_namespace(self) -> BuildNamespace:
        with self._lock:
            if self._namespace is None:
                self._namespace = self._network.build_namespace()
            return self._namespace


def hint_for(code: int, argv: tuple[str, ...]) -> str:
    """What an exit code of a shell or of the kernel usually means ("" when it means nothing)."""
    if code == _NOT_FOUND:
        return f"127 means that a program was not found: is it in the image (argv: {' '.join(argv)[:60]})?"
    if code == _NOT_EXECUTABLE:
        return "126 means that a file was found but could not be executed: check its mode and its #! line."
    if code == _KILLED:
        return "137 means SIGKILL, usually because memory ran out."
    return ""


def resolver_of_host(*, reaches_loopback: bool = False) -> resolvconf.Settings:
    """The host's name servers; behind a local stub (systemd-resolved) those that the stub asks.

    Servers on a loopback address can be reached in the host's own network only.
    """
    for path in _RESOLVER_FILES:
        found = resolvconf.of_host(path)
        servers = tuple(one for one in found.servers if reaches_loopback or not _is_loopback(one))
        if servers:
            return attrs.evolve(found, servers=servers)
    return resolvconf.Settings()


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"

"""A real runtime on a bench: a busybox root, a store of its own, and a mount namespace of its own.

The driver's calls run in one thread that has left the host's mount namespace, so that neither the hybrid
cgroup mount nor anything the driver mounts is of concern to the rest of the test session.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import attrs

from composer.host import mounts, process
from composer.host.paths import Paths
from composer.model import names
from composer.model.container import ContainerSpec
from composer.model.image import ImageConfig
from composer.model.protocols import ContainerRequest, StepRequest
from composer.runtime import cgroups
from composer.runtime.driver import OciRuntime

_Result = TypeVar("_Result")

_PR_SET_CHILD_SUBREAPER = 36


def eventually(check: Callable[[], object], *, within: float = 10.0) -> None:
    """Look again and again until ``check`` holds; fails after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


class InNamespace:
    """A runtime whose every call is made in the thread with its own mount namespace."""

    def __init__(self, runtime: OciRuntime, thread: ThreadPoolExecutor) -> None:
        self._runtime = runtime
        self._thread = thread

    def __getattr__(self, name: str) -> Callable[..., object]:
        method = getattr(self._runtime, name)
        if not callable(method):
            return method
        return lambda *arguments, **named: self._thread.submit(method, *arguments, **named).result()


@attrs.define
class Workbench:
    """A store, a runtime (``runtime`` may be the fake), and the containers that a test made."""

    paths: Paths
    runtime: InNamespace
    real: OciRuntime
    thread: ThreadPoolExecutor
    root: Path
    ids: list[str] = attrs.field(factory=list)

    def call(self, function: Callable[..., _Result], *arguments: object) -> Future[_Result]:
        """Begin a call in the runtime's thread."""
        return self.thread.submit(function, *arguments)

    def request(self, *argv: str, service: str = "web", image: ImageConfig | None = None, **fields: object):
        """A request for a container that runs ``argv``; keywords of the request or of its spec."""
        own = {field.name for field in attrs.fields(ContainerRequest)}
        of_request = {name: value for name, value in fields.items() if name in own}
        of_spec = {name: value for name, value in fields.items() if name not in own}
        spec = ContainerSpec(
            stack="bench",
            service=service,
            number=1,
            name=f"bench-{service}-1",
            image="busybox",
            command=argv or None,
            **of_spec,
        )
        container_id = names.container_id("bench", service, 1, len(self.ids) + 1)
        self.ids.append(container_id)
        directory = self.paths.container_data(container_id)
        for name in ("upper", "work"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "upper").chmod(0o755)
        defaults = {
            "layers": (self.root,),
            "upper": directory / "upper",
            "work": directory / "work",
            "log": directory / "log",
        }
        return ContainerRequest(
            id=container_id, spec=spec, image=image or ImageConfig(), **{**defaults, **of_request}
        )

    def step(self, *argv: str, name: str = "build-0-1", **fields: object) -> StepRequest:
        """A build step over the busybox root; each has an upper directory of its own."""
        self.ids.append(name)
        directory = Path(tempfile.mkdtemp(dir=self.paths.data))
        for child in ("upper", "work"):
            (directory / child).mkdir()
        return StepRequest(
            id=name,
            layers=(self.root,),
            upper=directory / "upper",
            work=directory / "work",
            argv=argv,
            **fields,
        )

    def cgroup_value(self, container_id: str, *file_names: str) -> str:
        """The content of the first of these files that the container's cgroup has (v2, v1)."""
        path = cgroups.path_of(container_id, self.paths.key).lstrip("/")
        for hierarchy in cgroups.hierarchies():
            for name in file_names:
                if (hierarchy / path / name).exists():
                    return (hierarchy / path / name).read_text().strip()
        message = f"no {' or '.join(file_names)} in {path}"
        raise AssertionError(message)

    def remains(self) -> list[str]:
        """What there still is of this bench's containers: cgroups, runtime state, bundles, mounts, processes."""
        found = []
        for container_id in self.ids:
            path = cgroups.path_of(container_id, self.paths.key).lstrip("/")
            found += [str(h / path) for h in cgroups.hierarchies() if (h / path).exists()]
            found += [
                str(p)
                for p in (self.paths.run / "oci" / container_id, self.paths.container_run(container_id))
                if p.exists()
            ]
        found += self.call(_mounts_below, str(self.paths.run)).result()
        return found


def _mounts_below(directory: str) -> list[str]:
    with open("/proc/thread-self/mounts", encoding="utf-8") as table:
        return [line.split(" ")[1] for line in table if line.split(" ")[1].startswith(directory)]


def busybox_root(directory: Path) -> Path:
    """The host's static busybox with a link for each of its programs, users and groups."""
    program = shutil.which("busybox", path="/bin:/usr/bin")
    assert program is not None
    for name in ("bin", "etc", "tmp", "home/five", "data"):
        (directory / name).mkdir(parents=True)
    shutil.copy(program, directory / "bin" / "busybox")
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        if name != "busybox":
            (directory / "bin" / name).symlink_to("busybox")
    (directory / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nfive:x:5:6::/home/five:/bin/sh\n")
    (directory / "etc/group").write_text("root:x:0:\nsix:x:6:\nextra:x:50:five\n")
    (directory / "tmp").chmod(0o1777)
    return directory


def _leave_the_host() -> None:
    mounts.enter_private_namespace()
    cgroups.hierarchies.cache_clear()
    cgroups.hierarchies()


@contextmanager
def workbench() -> Iterator[Workbench]:
    """A bench; leaving it removes every container and asserts that nothing remains."""
    data = Path(tempfile.mkdtemp(prefix="composer-bench-", dir="/var/tmp"))
    run = Path(tempfile.mkdtemp(prefix="composer-bench-", dir="/dev/shm"))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # as the supervisor: monitors detach themselves
    paths = Paths(data, run)
    real = OciRuntime(paths)
    with ThreadPoolExecutor(max_workers=1, initializer=_leave_the_host) as thread:
        bench = Workbench(paths, InNamespace(real, thread), real, thread, busybox_root(data / "busybox"))
        try:
            yield bench
            for container_id in bench.ids:
                bench.runtime.remove(container_id)
            assert bench.remains() == []
        finally:
            for container_id in bench.ids:
                bench.runtime.remove(container_id)
            process.reap_orphans()
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(run, ignore_errors=True)

"""The runtime driver: one OCI runtime, one conmon per container (``protocols.Runtime``).

``<run>/containers/<id>/`` is a container's bundle and everything of it that a reboot may take::

    config.json  hosts  hostname  resolv.conf     what the runtime reads and mounts
    rootfs/                                       where the root is mounted while it is created
    identity     conmon.identity                  pid, start time, boot id: the truth about "running"
    pid  conmon.pid  exit/<id>  exit/oom  attach  ctl    conmon's
    files/                                        configs and secrets (memory); survives ``release``

``<run>/oci/<id>`` is the runtime's own state.  A crash leaves any prefix of this; ``create`` begins by
removing what is there, ``release`` and ``remove`` remove all of it, again and again if need be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from composer import errors
from composer.host import mounts, process
from composer.host.paths import Paths
from composer.model import devicerule, security
from composer.model.container import ContainerSpec
from composer.model.limits import Limits
from composer.model.protocols import (
    ContainerRequest,
    ExecRequest,
    ExecResult,
    Interrupt,
    MaterialFile,
    ProcessIdentity,
    RuntimeState,
    StepRequest,
)
from composer.runtime import (
    capture,
    cdi,
    cgroups,
    conmon,
    defaults,
    devices,
    execution,
    hostfacts,
    hostfiles,
    identities,
    oci,
    output,
    placement,
    resources,
    seccomp,
    shortfalls,
    spec,
    staging,
    steps,
    targets,
    users,
)

MOST_OUTPUT = 64 * 1024
"""Bytes of an exec's output that are kept (health probes)."""

BASELINE = security.Security()
_INIT_PROGRAMS = ("tini-static", "tini", "catatonit", "docker-init", "dumb-init")
_MATERIAL = ("files", "files.new")
"""What ``release`` leaves in a bundle."""


class OciRuntime:
    """Containers of one store on this host."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._state = paths.run / "oci"
        self._choice_lock = threading.Lock()
        self._choice: oci.RuntimeChoice | None = None
        self._executing_lock = threading.Lock()
        self._executing: dict[str, set[subprocess.Popen[bytes]]] = {}
        self._ending: set[str] = set()

    @property
    def choice(self) -> oci.RuntimeChoice:
        """The runtime in use; the first call may probe."""
        with self._choice_lock:
            if self._choice is None:
                self._choice = oci.choose(self._paths.run)
            return self._choice

    # ------------------------------------------------------------------ material

    def write_files(self, container_id: str, files: Sequence[MaterialFile]) -> None:
        """Put config and secret content below ``files/``, complete or not at all."""
        directory = self._bundle(container_id) / "files"
        fresh = directory.with_name("files.new")
        with _translated("cannot write configs and secrets"):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o711, parents=True)
            for file in files:
                path = fresh / _file_name(file.target)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as opened:
                    opened.write(file.content)
                    os.fchown(opened.fileno(), file.uid, file.gid)
                    os.fchmod(opened.fileno(), file.mode & 0o7777)
            shutil.rmtree(directory, ignore_errors=True)
            fresh.rename(directory)

    def has_files(self, container_id: str) -> bool:
        """Whether the material is there."""
        return (self._bundle(container_id) / "files").is_dir()

    # ------------------------------------------------------------------ create

    def create(self, request: ContainerRequest) -> ProcessIdentity:
        """Make the first process; see ``protocols.Runtime.create``."""
        with self._executing_lock:
            self._ending.discard(request.id)
        self.release(request.id)
        bundle = self._bundle(request.id)
        with _translated(f"{request.spec.name}: cannot prepare the container"):
            for directory in (bundle / "rootfs", bundle / "exit", self._state):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            policy = output.prepare(request)
            self._place(request, bundle)
            mounts.mount_overlay(bundle / "rootfs", request.layers, request.upper, request.work)
            try:
                staged = staging.stage(request.binds, request.spec.name, bundle)
                config = self._config(request, bundle, staged)
                (bundle / "config.json").write_text(json.dumps(config))
                pid = conmon.spawn(
                    conmon.MonitorRequest(
                        id=request.id,
                        name=request.spec.name,
                        bundle=bundle,
                        runtime=self._runtime_of(request.id).path,
                        runtime_root=self._state,
                        log=request.log,
                        policy=policy,
                        tag=output.tag_of(request, policy),
                        has_terminal=request.spec.tty,
                        has_stdin=request.spec.stdin_open,
                        leaves_stdin_open=request.spec.stdin_open and not request.spec.stdin_once,
                        exit_command=request.exit_command,
                    )
                )
            finally:
                # The container has its own copy of the mounts by now.
                staging.unstage(bundle)
                mounts.unmount(bundle / "rootfs")
        return self._record_identities(request, bundle, pid)

    def _record_identities(self, request: ContainerRequest, bundle: Path, pid: int) -> ProcessIdentity:
        identity = process.identity_of(pid)
        if identity is None:
            message = f"{request.spec.name}: its first process died at once"
            raise errors.RuntimeFailure(message)
        identities.write(bundle / "identity", identity)
        monitor = conmon.pid_in(bundle)
        monitor_identity = process.identity_of(monitor) if monitor else None
        if monitor_identity is not None:
            identities.write(bundle / "conmon.identity", monitor_identity)
        return identity

    def _config(self, request: ContainerRequest, bundle: Path, staged: dict[str, Path]) -> spec.Config:
        container, image = request.spec, request.image
        has_host_network = request.network_namespace is None
        own_name = container.hostname or (os.uname().nodename if has_host_network else request.id[:12])
        hostname = request.hostname or own_name
        edits = cdi.edits_for(container)
        root = os.open(bundle / "rootfs", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = users.resolve_in(
                root,
                container.user if container.user is not None else image.user,
                container.group_add,
            )
            targets.prepare_system(root, container.name)
            targets.prepare_our_files(root)
            binds = (*cdi.placed(edits, root, container.name), *self._placed(request, root, staged))
            tmpfs = tuple(
                attrs.evolve(mount, target=targets.prepare(root, mount.target, is_directory=True))
                for mount in spec.tmpfs_mounts_of(container)
            )
            working_dir = _working_directory(root, container.working_dir or image.working_dir or "/")
        finally:
            os.close(root)
        hostfiles.write(bundle, request, hostname)
        facts = hostfacts.host_facts()
        capabilities = spec.capabilities_of(container, facts.capabilities)
        protection = _security_of(container)
        runtime = self._runtime_of(request.id)
        profile, annotations = self._seccomp(runtime, capabilities, protection)
        return spec.config_for(
            spec.SpecInput(
                id=request.id,
                root=str(bundle / "rootfs"),
                argv=spec.argv_of(container, image),
                environment=spec.environment_of(
                    container, image, home=user.home, hostname=hostname, of_devices=edits.environment
                ),
                working_dir=working_dir,
                user=attrs.evolve(user, groups=tuple(dict.fromkeys((*user.groups, *edits.groups)))),
                hostname=hostname,
                cgroup=self.cgroup_of(request.id),
                network_namespace=request.network_namespace,
                namespaces=request.namespaces,
                domainname=container.domainname or "",
                binds=(*binds, *hostfiles.binds(bundle)),
                tmpfs=tmpfs,
                limits=container.limits,
                block_devices=devices.numbers_of(resources.devices_limited(container.limits), container.name),
                capabilities=capabilities,
                security=protection,
                seccomp=profile,
                devices=(*_devices_of(container), *cdi.nodes_of(edits, container.name)),
                hooks=edits.hooks,
                device_rules=tuple(map(devicerule.parsed, container.device_cgroup_rules)),
                is_privileged=container.privileged,
                shm_size=0 if container.namespaces.ipc == "none" else container.shm_size,
                sysctls=container.sysctls,
                ulimits=container.ulimits,
                oom_score_adj=container.oom_score_adj,
                annotations=(*container.annotations.items(), *annotations),
                is_read_only=container.read_only,
                has_terminal=container.tty,
                facts=facts,
            )
        )

    def _placed(
        self, request: ContainerRequest, root: int, staged: dict[str, Path]
    ) -> tuple[spec.PlacedMount, ...]:
        placed = []
        for bind in request.binds:
            source = staged.get(bind.target, bind.source)
            is_directory = source.is_dir()
            target = targets.prepare(root, bind.target, is_directory=is_directory)
            placed.append(
                spec.PlacedMount(
                    source=str(source),
                    target=target,
                    read_only=bind.read_only,
                    propagation=bind.propagation,
                    recursive=bind.recursive,
                    flags=bind.flags,
                )
            )
        for file in request.spec.files:
            target = targets.prepare(root, file.target, is_directory=False)
            source = self._bundle(request.id) / "files" / _file_name(file.target)
            placed.append(spec.PlacedMount(source=str(source), target=target, read_only=True))
        if request.spec.init:
            target = targets.prepare(root, spec.INIT_PATH, is_directory=False)
            placed.append(spec.PlacedMount(source=_init_program(), target=target, read_only=True))
        return tuple(placed)

    def _seccomp(
        self,
        runtime: oci.RuntimeChoice,
        capabilities: tuple[str, ...],
        protection: security.Security = BASELINE,
    ) -> tuple[spec.Config | None, tuple[tuple[str, str], ...]]:
        """The profile as JSON, or as a compiled program in an annotation where the runtime takes it."""
        if protection.seccomp is not None:
            own = protection.seccomp
            return (seccomp.profile_from(own, capabilities, seccomp.machine()) if own else None), ()
        profile = seccomp.profile_for(capabilities, seccomp.machine())
        if runtime.takes_compiled_seccomp:
            program = seccomp.compiled(profile, self._paths.run / "seccomp")
            if program is not None:
                return None, (("run.oci.seccomp_bpf_data", program),)
        return profile, ()

    def shortfalls(self, container: ContainerSpec) -> tuple[str, ...]:
        """What this host cannot give to such a container, in sentences; it runs all the same."""
        return shortfalls.of(container, hostfacts.host_facts())

    # ------------------------------------------------------------------ start, signal

    def start(self, container_id: str) -> None:
        """Let the created first process run its program."""
        runtime = self._runtime_of(container_id)
        if runtime.name == "crun" and self._open_gate(container_id):
            return
        done = process.run([runtime.path, f"--root={self._state}", "start", container_id], seconds=60)
        if done.exit_code != 0:
            message = f"cannot start container {container_id[:12]}: {done.said}"
            raise errors.RuntimeFailure(message)

    def _open_gate(self, container_id: str) -> bool:
        """What ``crun start`` does, without starting a process for it (7 ms each).

        The created process waits in a read of ``exec.fifo`` (crun 0.20 and later): write one byte,
        then remove it, which is how crun itself tells created from running.
        """
        gate = self._state / container_id / "exec.fifo"
        try:
            descriptor = os.open(gate, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False  # nobody reads yet, or another version: let crun do it
        try:
            os.write(descriptor, b"1")
        except OSError:
            return False
        finally:
            os.close(descriptor)
        gate.unlink(missing_ok=True)
        return True

    def kill(self, container_id: str, signal_number: int) -> None:
        """Signal the first process."""
        identity = identities.read(self._bundle(container_id) / "identity")
        if identity is not None:
            process.send_signal(identity, signal_number)

    def kill_all(self, container_id: str) -> None:
        """SIGKILL everything in the container's cgroup.

        The first process by its identity as well: with it dies all of its pid namespace, even what a
        privileged container moved to other cgroups.
        """
        self.kill(container_id, signal.SIGKILL)
        cgroups.kill_all(self.cgroup_of(container_id))

    def pause(self, container_id: str) -> None:
        """Freeze every process of the container."""
        path = self.cgroup_of(container_id)
        if not cgroups.freeze(path):
            cgroups.thaw(path)
            message = f"cannot pause container {container_id[:12]}: not every process can be frozen"
            raise errors.RuntimeFailure(message, hint="One may wait for a disk or a network file system.")

    def resume(self, container_id: str) -> None:
        """Let the container's processes go on."""
        cgroups.thaw(self.cgroup_of(container_id))

    def descriptor_of(self, container_id: str) -> int | None:
        """A pidfd of the living first process; the caller closes it."""
        identity = identities.read(self._bundle(container_id) / "identity")
        return None if identity is None else process.open_pidfd(identity)

    def attach_socket(self, container_id: str) -> Path:
        """Conmon's socket for attached clients."""
        return conmon.attach_socket(self._bundle(container_id))

    # ------------------------------------------------------------------ look

    def state(self, container_id: str) -> RuntimeState:
        """What the kernel says; conmon's files for how it ended."""
        bundle = self._bundle(container_id)
        identity = identities.read(bundle / "identity")
        if identity is None:
            return RuntimeState(exists=(bundle / "config.json").exists())
        monitor = identities.read(bundle / "conmon.identity")
        is_monitored = monitor is not None and process.is_alive(monitor)
        if process.is_alive(identity):
            is_started = not (self._state / container_id / "exec.fifo").exists()
            return RuntimeState(
                exists=True,
                is_running=is_started,
                init=identity,
                is_monitored=is_monitored,
                is_paused=is_started and cgroups.is_frozen(self.cgroup_of(container_id)),
            )
        ended = conmon.exit_code_in(bundle, container_id)
        return RuntimeState(
            exists=True,
            exit_code=None if ended is None else ended[0],
            finished_at=0.0 if ended is None else ended[1],
            oom_killed=conmon.was_oom_killed(bundle) or cgroups.was_oom_killed(self.cgroup_of(container_id)),
            is_monitored=is_monitored,
        )

    def await_exit_code(self, container_id: str, *, seconds: float) -> None:
        """Wait until the monitor has written how the dead first process ended, or cannot any more.

        It does so a moment after the death; its own end, seen through a pidfd, is the latest moment.
        """
        bundle = self._bundle(container_id)
        monitor = identities.read(bundle / "conmon.identity")
        descriptor = None if monitor is None else process.open_pidfd(monitor)
        if descriptor is None:
            return
        try:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            deadline = time.monotonic() + seconds
            while conmon.exit_code_in(bundle, container_id) is None and time.monotonic() < deadline:
                if waiting.poll(4):
                    return
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------ release

    def release(self, container_id: str) -> None:
        """Remove runtime state, cgroup, mounts and bundle; keep ``files/``."""
        bundle = self._bundle(container_id)
        state = self._state / container_id
        if not bundle.exists() and not state.exists():
            return
        self.kill_all(container_id)
        where = self._placement_of(container_id)
        cgroups.remove(where.cgroup)
        placement.remove_parent(self._paths.run, where)
        shutil.rmtree(state, ignore_errors=True)
        mounts.unmount(bundle / "rootfs")
        staging.empty(bundle, keep=_MATERIAL)
        process.reap_orphans()

    def remove(self, container_id: str) -> None:
        """``release``, and the material too."""
        self.release(container_id)
        with self._executing_lock:
            self._ending.discard(container_id)
        for name in _MATERIAL:
            shutil.rmtree(self._bundle(container_id) / name, ignore_errors=True)
        staging.empty(self._bundle(container_id), keep=_MATERIAL)

    # ------------------------------------------------------------------ change, exec

    def update_limits(self, container_id: str, limits: Limits) -> None:
        """Change the limits of a running container in place."""
        try:
            cgroups.write_limits(self.cgroup_of(container_id), limits)
        except OSError as error:
            message = f"cannot change the limits of {container_id[:12]}: {error}"
            raise errors.RuntimeFailure(message) from error

    def execute(self, container_id: str, request: ExecRequest, *, seconds: float) -> ExecResult:
        """Run a process in the container, capture its output, kill it after ``seconds``."""
        described = self._described(container_id, request)
        process_file = self._bundle(container_id) / f"exec-{os.getpid()}-{threading.get_ident()}.json"
        pid_file = process_file.with_suffix(".pid")
        with _translated("cannot describe the process"):
            process_file.write_text(json.dumps(described))
        options = (f"--process={process_file}", f"--pid-file={pid_file}")
        program = self._runtime_of(container_id).path
        arguments = (program, f"--root={self._state}", "exec", *options, container_id)
        try:
            with self._executing_lock:
                if container_id in self._ending:
                    return ExecResult(exit_code=None, output=b"")
                running = capture.spawn(arguments)
                self._executing.setdefault(container_id, set()).add(running)
            try:
                return capture.result_of(running, pid_file, seconds=seconds, most=MOST_OUTPUT)
            finally:
                with self._executing_lock:
                    self._executing.get(container_id, set()).discard(running)
        finally:
            pid_file.unlink(missing_ok=True)
            process_file.unlink(missing_ok=True)

    def end_executions(self, container_id: str) -> None:
        """Kill the runtime processes of executions (probes) that are under way; begin no others.

        A pid namespace is not gone before everybody who joined it was reaped by its own parent: an
        ``exec`` that hangs while the container dies would keep the first process from ending.
        """
        with self._executing_lock:
            self._ending.add(container_id)
            for running in self._executing.pop(container_id, set()):
                running.kill()

    def execution(self, container_id: str, request: ExecRequest) -> execution.Command:
        """A further process, to be run on the caller's streams."""
        return execution.Command(
            runtime=self._runtime_of(container_id).path,
            root=self._state,
            container_id=container_id,
            described=self._described(container_id, request),
            place=self._bundle(container_id),
        )

    def _described(self, container_id: str, request: ExecRequest) -> spec.Config:
        """The OCI ``process``; raises ``OperationFailed`` when the container cannot take one."""
        bundle = self._bundle(container_id)
        identity = identities.read(bundle / "identity")
        if identity is None or not process.is_alive(identity):
            message = f"container {container_id[:12]} is not running"
            raise errors.OperationFailed(message, hint="See `composer ps --all`.")
        if cgroups.is_frozen(self.cgroup_of(container_id)):
            message = f"container {container_id[:12]} is paused"
            raise errors.OperationFailed(message, hint="`composer unpause` lets it go on.")
        config = json.loads((bundle / "config.json").read_bytes())
        return self._exec_process(identity.pid, config, request)

    def _exec_process(self, pid: int, config: spec.Config, request: ExecRequest) -> spec.Config:
        first = config["process"]
        user = users.User(
            uid=first["user"]["uid"],
            gid=first["user"]["gid"],
            groups=tuple(first["user"].get("additionalGids", ())),
        )
        environment = dict(entry.partition("=")[::2] for entry in first["env"])
        if request.user is not None:
            root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                user = users.resolve_in(root, request.user)
            finally:
                os.close(root)
            environment["HOME"] = user.home
        if request.tty:
            environment.setdefault("TERM", "xterm")
        environment.update(request.environment)
        return spec.exec_process(
            first,
            argv=request.argv,
            environment=tuple(f"{name}={value}" for name, value in environment.items()),
            working_dir=request.working_dir or first["cwd"],
            user=user,
            console=request.console,
            has_terminal=request.tty,
            capabilities=tuple(sorted(hostfacts.host_facts().capabilities)) if request.is_privileged else (),
        )

    # ------------------------------------------------------------------ build steps

    def run_step(self, request: StepRequest, say: Callable[[bytes], None], interrupt: Interrupt) -> int:
        """Run one RUN step to its end; the same baseline as a container's, no monitor."""
        self.sweep_steps()
        self.remove(request.id)
        bundle = self._bundle(request.id)
        try:
            with _translated("cannot prepare the build step"):
                (bundle / "rootfs").mkdir(mode=0o700, parents=True, exist_ok=True)
                self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
                if request.files:
                    self.write_files(request.id, request.files)
                mounts.mount_overlay(bundle / "rootfs", request.layers, request.upper, request.work)
                root = os.open(bundle / "rootfs", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            places = targets.Places(root)
            try:
                with targets.stubs(root, "the build step"):
                    with _translated("cannot prepare the build step"):
                        config = self._step_config(request, bundle, root, places)
                        (bundle / "config.json").write_text(json.dumps(config))
                    return capture.run_to_end(
                        [self.choice.path, f"--root={self._state}", "run", f"--bundle={bundle}", request.id],
                        say,
                        interrupt,
                        lambda: self.kill_all(request.id),
                    )
            finally:
                places.undo()
                os.close(root)
        finally:
            self.remove(request.id)

    def _step_config(
        self, request: StepRequest, bundle: Path, root: int, places: targets.Places
    ) -> spec.Config:
        facts = hostfacts.host_facts()
        capabilities = tuple(sorted(facts.capabilities)) if request.is_insecure else defaults.CAPABILITIES
        protection = security.parsed((), privileged=True) if request.is_insecure else BASELINE
        profile, annotations = self._seccomp(self.choice, capabilities, protection)
        return steps.config_for(
            request,
            bundle,
            root,
            places,
            staged=staging.stage(request.binds, "the build step", bundle),
            files={file.target: bundle / "files" / _file_name(file.target) for file in request.files},
            rest=spec.SpecInput(
                id=request.id,
                root=str(bundle / "rootfs"),
                argv=request.argv,
                environment=(),
                working_dir="/",
                user=users.resolve_in(root, request.user),
                hostname=request.hostname,
                cgroup=cgroups.path_of(request.id, self._paths.key),
                network_namespace=None if request.host_network else request.network_namespace,
                capabilities=capabilities,
                security=protection,
                seccomp=profile,
                devices=devices.every() if request.is_insecure else (),
                is_privileged=request.is_insecure,
                shm_size=request.shm_size,
                ulimits=request.ulimits,
                annotations=annotations,
                facts=facts,
            ),
        )

    def sweep_steps(self) -> None:
        """Remove the build steps of builders that were killed (``build-<pid>-...``)."""
        for entry in self._paths.container_run("").glob("build-*"):
            pid = entry.name.split("-")[1]
            if pid.isdecimal() and process.identity_of(int(pid)) is None:
                self.remove(entry.name)

    # ------------------------------------------------------------------ inner

    def cgroup_of(self, container_id: str) -> str:
        """The container's cgroup, as the OCI's ``cgroupsPath`` names it."""
        return self._placement_of(container_id).cgroup

    def _runtime_of(self, container_id: str) -> oci.RuntimeChoice:
        return self._placement_of(container_id).runtime_among(self.choice)

    def _placement_of(self, container_id: str) -> placement.Placement:
        usual = cgroups.path_of(container_id, self._paths.key)
        return placement.read(self._bundle(container_id), usual)

    def _place(self, request: ContainerRequest, bundle: Path) -> None:
        usual = cgroups.path_of(request.id, self._paths.key)
        container = request.spec
        where = placement.decide(usual, container.cgroup_parent, container.runtime, container.name)
        placement.write(bundle, where, usual)
        placement.mark_parent(self._paths.run, where)

    def _bundle(self, container_id: str) -> Path:
        return self._paths.container_run(container_id)


def _security_of(container: ContainerSpec) -> security.Security:
    try:
        return security.parsed(container.security_opt, privileged=container.privileged)
    except ValueError as error:
        raise errors.OperationFailed(f"{container.name}: {error}") from error


def _devices_of(container: ContainerSpec) -> tuple[devices.Node, ...]:
    asked = devices.granted(cdi.paths_among(container.devices), container.name)
    if not container.privileged:
        return asked
    # What was asked for comes last: it may put a device at another place.
    return tuple({node.path: node for node in (*devices.every(), *asked)}.values())


def _init_program() -> str:
    for name in _INIT_PROGRAMS:
        found = shutil.which(name, path="/usr/libexec/podman:" + process.ENVIRONMENT["PATH"])
        if found is not None:
            return found
    message = "`init: true` needs an init program on the host"
    raise errors.HostUnsupported(message, hint="Install tini or catatonit.")


def _working_directory(root: int, path: str) -> str:
    """The process's directory, made where missing (as Docker does), resolved beneath the root."""
    absolute = path if path.startswith("/") else f"/{path}"
    return targets.prepare(root, absolute, is_directory=True)


def _file_name(target: str) -> str:
    """A flat name for the content mounted at ``target``."""
    return hashlib.sha256(target.encode()).hexdigest()[:24]


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Answers of the kernel as errors of ours."""
    try:
        yield
    except OSError as error:
        message = f"{what}: {error}"
        raise errors.RuntimeFailure(message) from error

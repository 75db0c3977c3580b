"""conmon: the monitor of one container.  It owns stdio, log and exit code, and survives us.

It is given a pipe (``_OCI_SYNCPIPE``) on which it reports the first process's pid, or why the
runtime could not create it (conmon(8)); so nothing is polled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import attrs

from composer import errors
from composer.host import process
from composer.model.logging import LogPolicy

CREATE_DEADLINE = 60.0


@attrs.frozen(kw_only=True)
class MonitorRequest:
    """How conmon is to run one container."""

    id: str
    name: str
    bundle: Path
    runtime: str
    runtime_root: Path
    log: Path
    policy: LogPolicy = LogPolicy()
    tag: str = ""
    has_terminal: bool = False
    has_stdin: bool = False
    leaves_stdin_open: bool = False
    exit_command: tuple[str, ...] = ()


def files_of(bundle: Path) -> tuple[Path, Path, Path]:
    """Where conmon writes: its own pid, the first process's pid, and the directory of the exit file."""
    return bundle / "conmon.pid", bundle / "pid", bundle / "exit"


def spawn(request: MonitorRequest) -> int:
    """Start conmon, which lets the runtime create; returns the first process's pid.

    Raises ``RuntimeFailure`` with the runtime's own words.
    """
    reader, writer = os.pipe()
    try:
        environment = {**process.ENVIRONMENT, "_OCI_SYNCPIPE": str(writer)}
        try:
            monitor = subprocess.Popen(
                _arguments(request),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=request.bundle,
                pass_fds=(writer,),
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = "conmon is not installed"
            raise errors.HostUnsupported(message, hint="Install the package conmon.") from error
        os.close(writer)
        writer = -1
        with os.fdopen(reader, "rb", closefd=False) as pipe:
            line = pipe.readline()
        monitor.wait()
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    return _pid_in(line, request)


def _arguments(request: MonitorRequest) -> list[str]:
    conmon_pid, pid, exits = files_of(request.bundle)
    program = shutil.which("conmon", path=process.ENVIRONMENT["PATH"]) or "conmon"
    arguments = [
        program,
        "--api-version", "1",
        "--cid", request.id,
        "--cuuid", request.id,
        "--name", request.name,
        "--runtime", request.runtime,
        "--runtime-arg", f"--root={request.runtime_root}",
        "--bundle", str(request.bundle),
        "--conmon-pidfile", str(conmon_pid),
        "--container-pidfile", str(pid),
        "--exit-dir", str(exits),
        "--persist-dir", str(exits),
        "--log-level", "error",
        "--full-attach",
        "--no-sync-log",
    ]  # fmt: skip
    arguments += _log_arguments(request)
    if request.has_terminal:
        arguments.append("--terminal")
    if request.has_stdin:
        arguments.append("--stdin")
    if request.leaves_stdin_open:
        arguments.append("--leave-stdin-open")
    if request.exit_command:
        arguments += ["--exit-command", request.exit_command[0]]
        for argument in request.exit_command[1:]:
            arguments += ["--exit-command-arg", argument]
    return arguments


def _log_arguments(request: MonitorRequest) -> list[str]:
    policy = request.policy
    if not policy.is_kept:
        return ["--log-path", "none:"]
    arguments = ["--log-path", f"k8s-file:{request.log}"]
    if policy.max_size:
        arguments += ["--log-size-max", str(policy.max_size)]
    if policy.to_journal:
        arguments += ["--log-path", "journald:", "--log-tag", request.tag]
    return arguments


def _pid_in(line: bytes, request: MonitorRequest) -> int:
    try:
        answer = json.loads(line)
        pid = int(answer.get("data", answer.get("pid", -1)))
    except (ValueError, AttributeError):
        answer, pid = {}, -1
    if pid > 0:
        return pid
    said = str(answer.get("message", "")).strip() or "no reason was given"
    message = f"{request.name}: {Path(request.runtime).name} could not create the container: {said}"
    raise errors.RuntimeFailure(message, hint=_hint(said))


def _hint(said: str) -> str:
    if "executable file" in said and "not found" in said:
        return "The program to run is not in the image; look at command and entrypoint."
    if "No such file or directory" in said:
        return "A path that the container needs is missing in the image or on the host."
    return ""


def pid_in(bundle: Path) -> int:
    """Conmon's own pid as it wrote it; 0 when it did not."""
    try:
        return int((bundle / "conmon.pid").read_text("ascii"))
    except (OSError, ValueError):
        return 0


def exit_code_in(bundle: Path, container_id: str) -> tuple[int, float] | None:
    """The recorded exit code and when it was written; ``None`` while there is none."""
    path = files_of(bundle)[2] / container_id
    try:
        text = path.read_text("ascii").strip()
        return int(text), path.stat().st_mtime
    except (OSError, ValueError):
        return None


def was_oom_killed(bundle: Path) -> bool:
    """Whether conmon saw the OOM killer (it leaves a file called ``oom``)."""
    return (files_of(bundle)[2] / "oom").exists()


def attach_socket(bundle: Path) -> Path:
    """Where conmon listens for attached clients."""
    return bundle / "attach"

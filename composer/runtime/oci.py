"""runc and crun behind one interface; which of them is used is decided by a probe run, not by name.

crun starts containers about twice as fast, but crun 1.8 refuses hybrid cgroup hosts unless the v2
mount is hidden, and any runtime may be broken on a given host.  So each candidate makes, starts and
deletes one trivial container; the first that can is remembered for this boot and this binary.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs

from composer import errors
from composer.host import boot, process

CANDIDATES = ("crun", "runc")
OVERRIDE = "COMPOSER_RUNTIME"


@attrs.frozen(kw_only=True)
class RuntimeChoice:
    """The runtime in use: its name, binary, version line, and why not the others."""

    name: str
    path: str
    version: str
    rejected: tuple[tuple[str, str], ...] = ()

    @property
    def takes_compiled_seccomp(self) -> bool:
        """Whether it accepts a ready BPF program (crun's annotation)."""
        return self.name == "crun"


def choose(run: Path) -> RuntimeChoice:
    """The runtime for this host; raises ``HostUnsupported`` when none works.

    The answer is kept in ``<run>/runtime.json`` and believed while boot and binaries are the same.
    Must be called inside the private mount namespace (``host.mounts``).
    """
    cache = run / "runtime.json"
    key = _key()
    remembered = _remembered(cache, key)
    if remembered is not None:
        return remembered
    choice = _probe_all(run)
    temporary = cache.with_name(f"runtime.json.{os.getpid()}")
    temporary.write_text(json.dumps({"key": key, "choice": attrs.asdict(choice)}))
    temporary.replace(cache)
    return choice


def _candidates() -> list[tuple[str, str]]:
    wanted = os.environ.get(OVERRIDE)
    found = []
    for name in (wanted,) if wanted else CANDIDATES:
        path = shutil.which(name, path=process.ENVIRONMENT["PATH"])
        if path is not None:
            found.append((Path(name).name, path))
    return found


def _key() -> list[object]:
    """What the probe's answer depends on."""
    key: list[object] = [boot.boot_id(), os.path.ismount("/sys/fs/cgroup/unified")]
    for _name, path in _candidates():
        status = os.stat(path)
        key += [path, status.st_mtime_ns, status.st_size]
    return key


def _remembered(cache: Path, key: list[object]) -> RuntimeChoice | None:
    try:
        value = json.loads(cache.read_bytes())
        if value["key"] != key:
            return None
        fields = value["choice"]
        fields["rejected"] = tuple((name, reason) for name, reason in fields["rejected"])
        return RuntimeChoice(**fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _probe_all(run: Path) -> RuntimeChoice:
    rejected: list[tuple[str, str]] = []
    for name, path in _candidates():
        reason = _probe(name, path, run)
        if not reason:
            version = process.run([path, "--version"]).output.decode(errors="replace").splitlines()
            return RuntimeChoice(
                name=name, path=path, version=version[0] if version else name, rejected=tuple(rejected)
            )
        rejected.append((name, reason))
    if not rejected:
        message = "no OCI runtime is installed"
        raise errors.HostUnsupported(
            message, hint="Install crun or runc (Debian, Ubuntu, Fedora: same names)."
        )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in rejected)
    message = f"no OCI runtime works here ({reasons})"
    raise errors.HostUnsupported(message, hint="`composer system info` shows what was found.")


def _probe(name: str, path: str, run: Path) -> str:
    """Create and delete a container with nothing in it; returns why it failed, "" when it worked."""
    directory = run / f"probe-{name}-{os.getpid()}"
    identity = f"composer-probe-{os.getpid()}"
    root = directory / "state"
    for place in ("proc", "dev"):
        (directory / "rootfs" / place).mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    (directory / "rootfs" / "program").touch(mode=0o755)
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/program"], "cwd": "/", "env": []},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "cgroupsPath": f"/{identity}",
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
            "resources": {"pids": {"limit": 64}},
        },
    }
    (directory / "config.json").write_text(json.dumps(config))
    try:
        made = process.run(
            [path, f"--root={root}", f"--log={log}", "create", f"--bundle={directory}", identity],
            seconds=20,
            captures=False,
        )
        reason = "" if made.exit_code == 0 else _last_line(log) or f"exit code {made.exit_code}"
        process.run([path, f"--root={root}", "delete", "--force", identity], seconds=20)
    except errors.ComposerError as error:
        return error.message
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return reason


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""

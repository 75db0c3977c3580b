"""By which runtime a container was made and where its cgroup is, for those that say so themselves.

Most containers do not: theirs are the host's runtime and a derived path, and nothing is written.  For the
others ``<bundle>/placement.json`` is there before the runtime is called and goes with the bundle.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs

from composer import errors
from composer.host import process
from composer.runtime import cgroups
from composer.runtime.oci import RuntimeChoice

_FILE = "placement.json"
_MARKS = "cgroups"
_KNOWN_AS = {
    "io.containerd.runc.v2": "runc",
    "nvidia": "nvidia-container-runtime",
    "kata": "kata-runtime",
    "gvisor": "runsc",
}
"""What Docker's configuration usually calls a runtime, and what the program is called."""


@attrs.frozen(kw_only=True)
class Placement:
    """``cgroup`` is the OCI ``cgroupsPath``; ``runtime`` a program, "" for the host's choice."""

    cgroup: str
    runtime: str = ""

    def runtime_among(self, usual: RuntimeChoice) -> RuntimeChoice:
        """The runtime, given the one that is usual here."""
        if self.runtime in ("", usual.path):
            return usual
        return RuntimeChoice(name=Path(self.runtime).name, path=self.runtime, version="")


def decide(usual_cgroup: str, parent: str | None, runtime: str | None, name: str) -> Placement:
    """The placement of a container; raises ``HostUnsupported`` when there is no such runtime here."""
    cgroup = f"/{parent.strip('/')}{usual_cgroup}" if parent and parent.strip("/") else usual_cgroup
    return Placement(cgroup=cgroup, runtime=_program(runtime, name) if runtime else "")


def write(bundle: Path, placement: Placement, usual_cgroup: str) -> None:
    """Remember a placement that is not the usual one."""
    if placement.cgroup != usual_cgroup or placement.runtime:
        (bundle / _FILE).write_text(json.dumps(attrs.asdict(placement)))


def read(bundle: Path, usual_cgroup: str) -> Placement:
    """The placement of the container whose bundle this is."""
    try:
        return Placement(**json.loads((bundle / _FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Placement(cgroup=usual_cgroup)


def mark_parent(run: Path, placement: Placement) -> None:
    """Remember that the parent cgroup, where there is none yet, is of our making."""
    parent = _parent(placement)
    if parent and not cgroups.exists(parent):
        (run / _MARKS).mkdir(mode=0o700, exist_ok=True)
        (run / _MARKS / parent.replace("/", "\\")).touch()


def remove_parent(run: Path, placement: Placement) -> None:
    """Remove the parents that we made, from the innermost out, if nobody is in them any more."""
    parent = _parent(placement)
    while parent:
        mark = run / _MARKS / parent.replace("/", "\\")
        if mark.exists() and cgroups.remove_empty(parent):
            mark.unlink(missing_ok=True)
        parent = parent.rpartition("/")[0]


def _parent(placement: Placement) -> str:
    return placement.cgroup.rpartition("/")[0]


def _program(runtime: str, name: str) -> str:
    program = _KNOWN_AS.get(runtime, runtime)
    if program.startswith("/"):
        found = program if os.access(program, os.X_OK) and not os.path.isdir(program) else None
    else:
        found = shutil.which(program, path=process.ENVIRONMENT["PATH"])
    if found is None:
        message = f"{name}: there is no OCI runtime {runtime} on this host"
        raise errors.HostUnsupported(message, hint="Install it, give its path, or leave runtime out.")
    return found

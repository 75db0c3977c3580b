"""Where a container's output goes: its logging settings, settled on this host."""

from __future__ import annotations

from pathlib import Path

from composer import errors
from composer.model import logging
from composer.model.protocols import ContainerRequest
from composer.runtime import logfiles

_JOURNAL = Path("/run/systemd/journal/socket")
"""Where systemd-journald listens (systemd-journald.service(8))."""


def prepare(request: ContainerRequest) -> logging.LogPolicy:
    """Where output goes, with the first file made ready for the monitor."""
    name = request.spec.name
    try:
        policy = logging.policy_of(request.spec.logging)
    except ValueError as error:
        raise errors.OperationFailed(f"{name}: {error}") from error
    if policy.to_journal and not _JOURNAL.exists():
        message = f"{name}: logging driver journald: this host runs no journal"
        raise errors.HostUnsupported(message, hint=f"systemd-journald would listen at {_JOURNAL}.")
    if policy.is_kept:
        logfiles.prepare(request.log, policy.max_files)
    return policy


def tag_of(request: ContainerRequest, policy: logging.LogPolicy) -> str:
    """What the journal calls it."""
    spec = request.spec
    return logging.tag_of(
        policy.tag, container_id=request.id, name=spec.name, image=spec.image, image_id=spec.image_id
    )

"""Observed containers as rows for people: the fields and words of ``docker compose ps``."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from composer.model.container import ContainerState, Health, Wish
from composer.model.moment import human_span
from composer.model.stack import RestartKind

if TYPE_CHECKING:
    from composer.model.container import Observed, ObservedContainer


def rows_of(observed: Observed, now: float | None = None) -> list[dict[str, object]]:
    """One row per container, by name; keys as ``docker compose ps --format json``."""
    moment = time.time() if now is None else now
    rows = [_row(container, moment) for container in observed.containers]
    return sorted(rows, key=lambda row: str(row["Name"]))


def _row(container: ObservedContainer, now: float) -> dict[str, object]:
    spec = container.spec
    command = (*(spec.entrypoint or ()), *(spec.command or ()))
    return {
        "ID": container.id,
        "Name": spec.name,
        "Service": spec.service,
        "Project": spec.stack,
        "Image": spec.image,
        "ImageID": spec.image_id,
        "Command": json.dumps(" ".join(command)) if command else "",
        "State": state_word(container),
        "Status": status_sentence(container, now),
        "Health": "" if container.health is Health.NONE else container.health.value,
        "ExitCode": container.exit_code or 0,
        "Pid": container.pid,
        "RestartCount": container.restart_count,
        "OneOff": spec.one_off,
        "CreatedAt": container.created_at,
        "RunningFor": f"{human_span(now - container.created_at)} ago",
        "Publishers": [
            {
                "URL": address,
                "TargetPort": port.target,
                "PublishedPort": port.published,
                "Protocol": port.protocol,
            }
            for port in container.ports
            for address in port.addresses
        ],
        "Networks": sorted(spec.memberships),
        "Addresses": dict(container.attached),
        "Labels": dict(spec.labels),
    }


def state_word(container: ObservedContainer) -> str:
    """``running``, ``paused``, ``exited``, ``created``, ``restarting`` or ``dead``."""
    if container.state is ContainerState.RUNNING:
        return "paused" if container.is_paused else "running"
    if container.state is ContainerState.BROKEN:
        return "dead"
    if container.state is ContainerState.CREATED:
        return "created"
    policy = container.spec.restart.kind
    will_restart = container.wish is Wish.RUNNING and (
        policy in (RestartKind.ALWAYS, RestartKind.UNLESS_STOPPED)
        or (policy is RestartKind.ON_FAILURE and bool(container.exit_code) and not _is_exhausted(container))
    )
    return "restarting" if will_restart else "exited"


def _is_exhausted(container: ObservedContainer) -> bool:
    bound = container.spec.restart.max_retries
    return bool(bound) and container.restart_count >= bound


def status_sentence(container: ObservedContainer, now: float | None = None) -> str:
    """``Up 3 seconds (healthy)``, ``Exited (1) 5 minutes ago``, ``Created``, ..."""
    now = time.time() if now is None else now
    word = state_word(container)
    if word == "paused":
        return f"Up {human_span(now - container.started_at)} (Paused)"
    if word == "running":
        health = {
            Health.NONE: "",
            Health.STARTING: " (health: starting)",
            Health.HEALTHY: " (healthy)",
            Health.UNHEALTHY: " (unhealthy)",
        }[container.health]
        monitor = "" if container.is_monitored else " (unmonitored)"
        return f"Up {human_span(now - container.started_at)}{health}{monitor}"
    if word == "created":
        return "Created"
    if word == "dead":
        return "Dead"
    since = f"{human_span(now - container.finished_at)} ago" if container.finished_at else ""
    verb = "Restarting" if word == "restarting" else "Exited"
    return f"{verb} ({container.exit_code}) {since}".rstrip()

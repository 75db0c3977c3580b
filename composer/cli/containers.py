"""Rows of containers, as the supervisor answers them: choosing, naming, showing.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from composer import errors
from composer.cli import table

Row = dict[str, object]

ACTIVE = frozenset({"running", "restarting"})
ALIVE = ACTIVE | {"paused"}
HEADER = ("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS")

HEADERS = {
    **{name: name.upper() for name in ("ID", "Name", "Names", "Image", "Command", "Service", "Project")},
    **{
        name: name.upper()
        for name in ("State", "Status", "Health", "Labels", "Networks", "Ports", "Addresses")
    },
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "ExitCode": "EXIT CODE",
    "ImageID": "IMAGE ID",
    "Pid": "PID",
    "Publishers": "PUBLISHERS",
    "RestartCount": "RESTARTS",
    "OneOff": "ONE-OFF",
}
"""What templates of ``ps`` may name, and the column's heading."""

DEFAULT = "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}"

_COMMAND_WIDTH = 20


def rows_in(answer: dict[str, object]) -> list[Row]:
    """The rows of an answer."""
    rows = answer.get("containers")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def chosen(
    rows: Iterable[Row], *, services: Sequence[str], everything: bool, statuses: Sequence[str] = ()
) -> list[Row]:
    """The rows ``ps`` shows: the running ones of the stack; with ``everything`` all, one-offs too.

    Naming a status implies looking at all.  Raises ``UsageError`` for a service without containers
    in the stack.
    """
    known = list(rows)
    check_services(known, services)
    return [
        row
        for row in known
        if (not services or row["Service"] in services)
        and (everything or not row.get("OneOff"))
        and (not statuses or row["State"] in statuses)
        and (everything or statuses or row["State"] in ALIVE)
    ]


def check_services(rows: Iterable[Row], services: Sequence[str]) -> None:
    """Raise ``UsageError`` when a service has no container at all."""
    known = {str(row["Service"]) for row in rows}
    unknown = [service for service in services if service not in known]
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(
            message, hint=f"Services with containers: {', '.join(sorted(known)) or 'none'}."
        )


def members(rows: Sequence[Row], service: str, index: int = 0, *, one_offs: bool = False) -> list[Row]:
    """The containers of a service, running or not, by number; raises ``UsageError`` when there are none."""
    check_services(rows, [service])
    own = [row for row in rows if row["Service"] == service and (one_offs or not row.get("OneOff"))]
    if index:
        own = [row for row in own if str(row["Name"]).endswith(f"-{index}")]
    if not own:
        message = f"{service} has no container {index or ''}".rstrip()
        raise errors.UsageError(message, hint="See `composer ps --all`.")
    return sorted(own, key=_number)


def running_container(rows: Iterable[Row], service: str, index: int) -> Row:
    """The container that ``exec`` means; ``index`` 0 is the first that runs."""
    members = [row for row in rows if row["Service"] == service and not row.get("OneOff")]
    if index:
        members = [row for row in members if str(row["Name"]).endswith(f"-{index}")]
    running = [row for row in members if row["State"] in ("running", "paused")]
    if running:
        return min(running, key=_number)
    what = (
        f"{service} has no container {index}"
        if index and not members
        else f'service "{service}" is not running'
    )
    raise errors.OperationFailed(what, hint="See `composer ps -a`; `composer up -d` starts it.")


def label_of(row: Row) -> str:
    """The container's name as log prefixes show it: without the stack's."""
    return str(row["Name"]).removeprefix(f"{row.get('Project')}-")


def text_of(rows: Sequence[Row], *, shortens: bool = True) -> str:
    """The table of ``ps``."""
    return table.table(HEADER, [_cells(row, shortens=shortens) for row in rows])


def formatted(row: Row, *, shortens: bool) -> Row:
    """A row with the fields that templates of ``docker compose ps`` name."""
    labels = row.get("Labels")
    networks, addresses = row.get("Networks"), row.get("Addresses")
    return {
        **row,
        "Command": _command(str(row["Command"])) if shortens else row["Command"],
        "ID": str(row["ID"])[:12] if shortens else row["ID"],
        "Labels": ",".join(f"{key}={value}" for key, value in labels.items())
        if isinstance(labels, dict)
        else "",
        "Names": row["Name"],
        "Networks": ",".join(networks) if isinstance(networks, list) else "",
        "Addresses": ",".join(map(str, addresses.values())) if isinstance(addresses, dict) else "",
        "Ports": ports_text(row.get("Publishers")),
    }


def _cells(row: Row, *, shortens: bool) -> tuple[str, ...]:
    return (
        str(row["Name"]),
        str(row["Image"]),
        _command(str(row["Command"])) if shortens else str(row["Command"]),
        str(row["Service"]),
        str(row["RunningFor"]),
        str(row["Status"]),
        ports_text(row.get("Publishers")),
    )


def _command(quoted: str) -> str:
    """The quoted command, cut inside its quotes as Docker does."""
    inner = quoted[1:-1] if quoted.startswith('"') and quoted.endswith('"') else quoted
    return json.dumps(table.shortened(inner, _COMMAND_WIDTH), ensure_ascii=False) if inner else ""


def published(row: Row, target: int, protocol: str) -> list[str]:
    """Where a port of the container answers on the host: ``0.0.0.0:8080``, ``[::]:8080``."""
    publishers = row.get("Publishers")
    return [
        f"[{port['URL']}]:{port['PublishedPort']}"
        if ":" in port["URL"]
        else f"{port['URL']}:{port['PublishedPort']}"
        for port in (publishers if isinstance(publishers, list) else ())
        if port["TargetPort"] == target and port["Protocol"] == protocol and port["PublishedPort"]
    ]


def ports_text(publishers: object) -> str:
    """``0.0.0.0:8080->80/tcp, 443/tcp``."""
    if not isinstance(publishers, list):
        return ""
    texts = []
    for port in publishers:
        inner = f"{port['TargetPort']}/{port['Protocol']}"
        published = port["PublishedPort"]
        texts.append(f"{port['URL']}:{published}->{inner}" if published else inner)
    return ", ".join(texts)


def number_of(row: Row) -> str:
    """Which container of its service it is."""
    labels = row.get("Labels")
    return str(labels.get("com.docker.compose.container-number", "")) if isinstance(labels, dict) else ""


def _number(row: Row) -> int:
    digits = str(row["Name"]).rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0

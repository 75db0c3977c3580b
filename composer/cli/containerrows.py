"""Rows of ``container ls``, made from inspection documents: Docker's columns and their texts.  Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from composer.cli import table
from composer.cli.template import OpenMap, Record
from composer.model import moment

Document = dict[str, Any]

_COLUMNS = {
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Ports": "PORTS",
    "RunningFor": "CREATED",
    "Size": "SIZE",
    "State": "STATE",
    "Status": "STATUS",
}
HEADERS = Record(_COLUMNS, {"Label": lambda name: name})
DEFAULT = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15
_OPEN = frozenset(
    {
        "Annotations",
        "ExposedPorts",
        "Labels",
        "Networks",
        "PortBindings",
        "Ports",
        "Sysctls",
        "Tmpfs",
        "Volumes",
    }
)
"""Fields of documents whose keys are the users' own."""


_OPTIONAL = {"Config": ("ExposedPorts", "Healthcheck"), "State": ("Health",)}
"""Fields that Docker leaves out of its JSON and that its templates know all the same."""


def opened_container(document: Document) -> Document:
    """As ``opened``, with the fields that the document could have."""
    whole = {
        key: {**dict.fromkeys(_OPTIONAL[key]), **value} if key in _OPTIONAL else value
        for key, value in document.items()
    }
    return opened(whole)


def opened(document: Document) -> Document:
    """The document for templates: a label that is not there is no mistake in the template."""
    return {
        key: _opened(value, is_open=key in _OPEN) if isinstance(value, dict | list) else value
        for key, value in document.items()
    }


def _opened(value: object, *, is_open: bool) -> object:
    if isinstance(value, list):
        return [_opened(item, is_open=False) for item in value]
    if not isinstance(value, dict):
        return value
    inner = opened(value)
    return OpenMap(inner) if is_open else inner


def row_of(
    document: Document,
    *,
    status: str,
    is_whole: bool = False,
    sizes: tuple[int, int] | None = None,
    now: float | None = None,
) -> dict[str, object]:
    """One row, its keys sorted as Docker prints them; ``is_whole`` cuts nothing short."""
    now = time.time() if now is None else now
    created = moment.parse(document["Created"], now)
    command = " ".join([document["Path"], *document["Args"]]).strip()
    volumes = [mount for mount in document["Mounts"] if mount["Type"] == "volume"]
    labels = document["Config"]["Labels"]
    fields = {
        "Command": quoted(command, 0 if is_whole else _COMMAND_WIDTH),
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created)),
        "ID": document["Id"] if is_whole else document["Id"][:12],
        "Image": document["Config"]["Image"],
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "LocalVolumes": str(len(volumes)),
        "Mounts": ",".join(_mount(mount, is_whole=is_whole) for mount in document["Mounts"]),
        "Names": document["Name"].removeprefix("/"),
        "Networks": ",".join(document["NetworkSettings"]["Networks"])
        or document["HostConfig"]["NetworkMode"],
        "Ports": ports_text(document["NetworkSettings"]["Ports"]),
        "RunningFor": f"{moment.human_span(now - created)} ago",
        "Size": size_text(sizes),
        "State": document["State"]["Status"],
        "Status": status,
    }
    return Record(fields, {"Label": lambda name: labels.get(name, "")})


def quoted(command: str, width: int) -> str:
    """The command in quotes, cut inside them as Docker does; a width of 0 cuts nothing."""
    return json.dumps(table.shortened(command, width) if width else command, ensure_ascii=False)


def _mount(mount: Document, *, is_whole: bool) -> str:
    name = str(mount.get("Name") or mount["Source"] or mount["Destination"])
    return name if is_whole else table.shortened(name, _MOUNT_WIDTH)


def size_text(sizes: tuple[int, int] | None) -> str:
    """``1.5kB (virtual 4.1MB)``."""
    if sizes is None:
        return "0B"
    own, whole = sizes
    return f"{table.human_size(own)} (virtual {table.human_size(whole)})"


def ports_text(ports: Mapping[str, list[Document] | None]) -> str:
    """``0.0.0.0:8080-8081->80-81/tcp, 443/tcp``: neighbours that are published alike are one range."""
    singles = sorted(
        (protocol, str(binding.get("HostIp", "")), int(binding.get("HostPort") or 0), int(target))
        for key, bindings in ports.items()
        for target, _, protocol in (key.partition("/"),)
        for binding in bindings or ({},)
    )
    runs: list[tuple[str, str, int, int, int]] = []
    for protocol, address, host, target in singles:
        if runs:
            last_protocol, last_address, first_host, first_target, length = runs[-1]
            follows = target == first_target + length and (
                host == first_host + length if host else not first_host
            )
            if (last_protocol, last_address) == (protocol, address) and follows:
                runs[-1] = (protocol, address, first_host, first_target, length + 1)
                continue
        runs.append((protocol, address, host, target, 1))
    return ", ".join(_run(*run) for run in sorted(runs, key=lambda run: (run[3], run[0], run[2])))


def _run(protocol: str, address: str, host: int, target: int, length: int) -> str:
    inner = f"{_span(target, length)}/{protocol}"
    if not host:
        return inner
    where = f"[{address}]" if ":" in address else address
    return f"{where}:{_span(host, length)}->{inner}"


def _span(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"

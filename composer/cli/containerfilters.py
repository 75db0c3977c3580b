"""The filters of ``container ls`` and ``prune``, decided on inspection documents.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from composer import errors
from composer.cli.filters import Filters
from composer.model import moment

Document = dict[str, Any]
"""A container as ``container inspect`` shows it."""

KNOWN = frozenset(
    {
        "ancestor",
        "before",
        "exited",
        "expose",
        "health",
        "id",
        "label",
        "name",
        "network",
        "publish",
        "since",
        "status",
        "volume",
    }
)
KNOWN_OF_PRUNE = frozenset({"label", "until"})

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTH = ("starting", "healthy", "unhealthy", "none")

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)

IsDescendant = Callable[[str, str], bool]
"""Whether the image of an id is, or is built on, the image that a reference names."""


def chosen(
    documents: Sequence[Document],
    filters: Filters,
    *,
    everything: bool = False,
    last: int = 0,
    is_descendant: IsDescendant,
) -> list[Document]:
    """The containers that ``ls`` shows, newest first.

    Only running ones unless ``everything``, a ``last`` count or a ``status`` says otherwise, as with
    Docker.  Raises ``UsageError`` for a value that can match nothing.
    """
    _check_words(filters, "status", STATES)
    _check_words(filters, "health", HEALTH)
    everything = everything or last > 0 or bool(filters.of("status"))
    newest_first = sorted(documents, key=lambda document: str(document["Created"]), reverse=True)
    in_time = _in_time(newest_first, filters)
    found = [
        document
        for document in in_time
        if (everything or document["State"]["Running"]) and _accepts(document, filters, is_descendant)
    ]
    return found[:last] if last > 0 else found


def prunable(documents: Sequence[Document], filters: Filters, now: float) -> list[Document]:
    """The stopped containers that ``prune`` removes."""
    until = filters.moment("until", now)
    return [
        document
        for document in documents
        if document["State"]["Status"] in ("created", "exited", "dead")
        and filters.accept_labels(document["Config"]["Labels"])
        and (until is None or moment.parse(document["Created"], now) < until)
    ]


def _accepts(document: Document, filters: Filters, is_descendant: IsDescendant) -> bool:
    state = document["State"]
    networks = document["NetworkSettings"]["Networks"]
    exited = filters.numbers("exited")
    return (
        filters.accept_text("id", document["Id"])
        and filters.accept_text("name", document["Name"], document["Name"].removeprefix("/"))
        and filters.accept_labels(document["Config"]["Labels"])
        and filters.accept_word("status", state["Status"])
        and filters.accept_word("health", _health(state))
        and (not exited or (state["Status"] == "exited" and state["ExitCode"] in exited))
        and filters.accept_word("network", *networks, *(one["NetworkID"] for one in networks.values()))
        and filters.accept_word("volume", *_mounted(document))
        and _accepts_ports(filters, "publish", _published(document))
        and _accepts_ports(filters, "expose", document["NetworkSettings"]["Ports"])
        and (
            not filters.of("ancestor")
            or any(is_descendant(document["Image"], wanted) for wanted in filters.of("ancestor"))
        )
    )


def _health(state: Document) -> str:
    health = state.get("Health")
    return str(health["Status"]) if health else "none"


def _mounted(document: Document) -> list[str]:
    """Names, sources and targets of what is mounted."""
    return [
        str(mount[key])
        for mount in document["Mounts"]
        for key in ("Name", "Source", "Destination")
        if mount.get(key)
    ]


def _published(document: Document) -> list[str]:
    return [port for port, bindings in document["NetworkSettings"]["Ports"].items() if bindings]


def _accepts_ports(filters: Filters, key: str, ports: Collection[str]) -> bool:
    wanted = filters.of(key)
    return not wanted or any(not _ports(key, value).isdisjoint(ports) for value in wanted)


def _ports(key: str, text: str) -> frozenset[str]:
    """``80``, ``80/udp``, ``8000-8080/tcp`` as the keys of ``NetworkSettings.Ports``."""
    match = _PORTS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if match is None or not first <= last <= 65535:
        message = f"invalid value of filter {key}: {text!r}"
        raise errors.UsageError(message, hint="Write PORT or FIRST-LAST, with /tcp, /udp or /sctp after it.")
    return frozenset(f"{port}/{match[3] or 'tcp'}" for port in range(first, last + 1))


def _in_time(newest_first: list[Document], filters: Filters) -> list[Document]:
    """What was made ``before`` and ``since`` the containers named."""
    since = [_place_of(newest_first, name, "since") for name in filters.of("since")]
    before = [_place_of(newest_first, name, "before") for name in filters.of("before")]
    return newest_first[max(before, default=-1) + 1 : min(since, default=len(newest_first))]


def _place_of(documents: Sequence[Document], name: str, key: str) -> int:
    for place, document in enumerate(documents):
        if document["Name"].removeprefix("/") == name.removeprefix("/") or document["Id"] == name:
            return place
    for place, document in enumerate(documents):
        if document["Id"].startswith(name):
            return place
    message = f"filter {key}: no such container: {name}"
    raise errors.UsageError(message)


def _check_words(filters: Filters, key: str, words: Sequence[str]) -> None:
    for value in filters.of(key):
        if value not in words:
            message = f"invalid value of filter {key}: {value!r}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(words)}.")

"""Volumes: which are meant, and how they are shown.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from composer.cli.filters import Filters

Document = dict[str, Any]
"""A volume as ``volume inspect`` shows it."""

FILTERS = ("dangling", "driver", "label", "name")
PRUNE_FILTERS = ("all", "label")
HEADERS = {
    "Driver": "DRIVER",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
}
DEFAULT = "{{.Driver}}\t{{.Name}}"


def needs_users(wanted: Filters, form: str) -> bool:
    """Whether it matters which containers use what: finding out costs a look at every one."""
    return bool(wanted.of("dangling")) or form.strip() == "json" or ".Links" in form or "json ." in form


def chosen(documents: Sequence[Document], wanted: Filters, users: Collection[str]) -> list[Document]:
    """The volumes that ``ls`` shows; ``users`` are the names of those in use."""
    dangling = wanted.flag("dangling")
    return [
        document
        for document in documents
        if (dangling is None or dangling is (document["Name"] not in users))
        and wanted.accept_text("driver", document["Driver"])
        and wanted.accept_labels(document["Labels"])
        and wanted.accept_text("name", document["Name"])
    ]


def prunable(
    documents: Sequence[Document],
    wanted: Filters,
    users: Collection[str],
    *,
    anonymous: str,
    everything: bool,
) -> list[Document]:
    """The volumes that ``prune`` removes: unused, and ``anonymous`` by the beginning of their names."""
    everything = everything or wanted.flag("all") is True
    return [
        document
        for document in documents
        if document["Name"] not in users
        and (everything or document["Name"].startswith(anonymous))
        and wanted.accept_labels(document["Labels"])
    ]


def row_of(document: Mapping[str, Any], links: int) -> dict[str, object]:
    """One row of ``ls``."""
    return {
        "Driver": document["Driver"],
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(document["Labels"].items())),
        "Links": str(links),
        "Mountpoint": document["Mountpoint"],
        "Name": document["Name"],
        "Scope": document["Scope"],
    }

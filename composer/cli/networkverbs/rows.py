"""Networks: which are meant, and how they are shown.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from composer.cli.filters import Filters

Document = dict[str, Any]
"""A network as ``network inspect`` shows it, with the names of its ``Users`` beside."""

FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_FILTERS = ("label", "until")
HEADERS = {
    "CreatedAt": "CREATED AT",
    "Driver": "DRIVER",
    "ID": "NETWORK ID",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "Name": "NAME",
    "Scope": "SCOPE",
}
DEFAULT = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"
SHORT_ID = 12
PREDEFINED = frozenset({"host", "none"})


def chosen(documents: Sequence[Document], wanted: Filters) -> list[Document]:
    """The networks that ``ls`` shows."""
    dangling = wanted.flag("dangling")
    return [
        document
        for document in documents
        if (dangling is None or dangling is _is_unused(document))
        and wanted.accept_word("driver", document["Driver"])
        and wanted.accept_text("id", document["Id"])
        and wanted.accept_labels(document["Labels"])
        and wanted.accept_text("name", document["Name"])
        and wanted.accept_word("scope", document["Scope"])
        and wanted.accept_word("type", "builtin" if document["Name"] in PREDEFINED else "custom")
    ]


def prunable(documents: Sequence[Document], wanted: Filters, created_until: str) -> list[Document]:
    """The networks that ``prune`` removes: no container is to be on them, running or not.

    ``created_until`` is the latest moment of making (RFC 3339), "" for any.
    """
    return [
        document
        for document in documents
        if _is_unused(document)
        and wanted.accept_labels(document["Labels"])
        and (not created_until or document["Created"] <= created_until)
    ]


def row_of(document: Mapping[str, Any], *, is_full: bool) -> dict[str, object]:
    """One row of ``ls``."""
    return {
        "CreatedAt": document["Created"],
        "Driver": document["Driver"],
        "ID": document["Id"] if is_full else document["Id"][:SHORT_ID],
        "IPv4": _word(document["EnableIPv4"]),
        "IPv6": _word(document["EnableIPv6"]),
        "Internal": _word(document["Internal"]),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(document["Labels"].items())),
        "Name": document["Name"],
        "Scope": document["Scope"],
    }


def shown(document: Document) -> Document:
    """A document as ``inspect`` prints it."""
    return {key: value for key, value in document.items() if key != "Users"}


def _is_unused(document: Mapping[str, Any]) -> bool:
    is_used = document["Users"] or document["Containers"] or document["Name"] in PREDEFINED
    return not is_used


def _word(flag: object) -> str:
    return "true" if flag else "false"

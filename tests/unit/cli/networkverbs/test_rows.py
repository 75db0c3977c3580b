"""Which networks a filter means, and how one is shown."""

from __future__ import annotations

import pytest

from composer.cli import filters, listing
from composer.cli.networkverbs import rows


def _document(name: str, **fields: object) -> rows.Document:
    return {
        "Name": name,
        "Id": f"{name}0123456789abcdef",
        "Created": "2026-01-02T00:00:00Z",
        "Driver": "bridge",
        "Scope": "local",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "Internal": False,
        "Labels": {},
        "Containers": {},
        "Users": [],
        **fields,
    }


KNOWN = [
    _document("host", Driver="host"),
    _document("none", Driver="null"),
    _document("shop_default", Users=["shop-web-1"], Labels={"a": "b"}),
    _document("lan", Driver="macvlan", Created="2026-03-01T00:00:00Z"),
    _document("running", Containers={"c": {}}),
]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["host", "none", "shop_default", "lan", "running"]),
        (["dangling=true"], ["lan"]),
        (["dangling=false"], ["host", "none", "shop_default", "running"]),
        (["driver=macvlan", "driver=null"], ["none", "lan"]),
        (["label=a"], ["shop_default"]),
        (["name=shop"], ["shop_default"]),
        (["type=builtin"], ["host", "none"]),
        (["type=custom", "id=lan0123"], ["lan"]),
        (["scope=swarm"], []),
    ],
)
def test_chosen(given: list[str], expected: list[str]) -> None:
    found = rows.chosen(KNOWN, filters.parse(given, rows.FILTERS))
    assert [document["Name"] for document in found] == expected


@pytest.mark.parametrize(
    ("given", "until", "expected"),
    [
        ([], "", ["lan"]),
        (["label=x"], "", []),
        ([], "2026-02-01T00:00:00Z", []),
        ([], "2026-04-01T00:00:00Z", ["lan"]),
    ],
)
def test_prunable(given: list[str], until: str, expected: list[str]) -> None:
    found = rows.prunable(KNOWN, filters.parse(given, rows.PRUNE_FILTERS), until)
    assert [document["Name"] for document in found] == expected


def test_table() -> None:
    row = rows.row_of(KNOWN[3], is_full=False)
    header, line = listing.listed("", [row], rows.HEADERS, rows.DEFAULT)
    assert header.split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert line.split() == ["lan012345678", "lan", "macvlan", "local"]


def test_inspection_hides_what_is_ours() -> None:
    assert "Users" not in rows.shown(KNOWN[2])

"""The small grammars of the loader: ports, mounts, casts, scalars, as tables."""

from __future__ import annotations

import pytest

from composer.stackfile import casts, mounts, ports, scalars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [("", "", 80, "tcp")]),
        ("8080:80", [("", "8080", 80, "tcp")]),
        ("127.0.0.1:8080:80/udp", [("127.0.0.1", "8080", 80, "udp")]),
        ("127.0.0.1::80", [("127.0.0.1", "", 80, "tcp")]),
        ("[::1]:1:2", [("::1", "1", 2, "tcp")]),
        ("3000-3001", [("", "", 3000, "tcp"), ("", "", 3001, "tcp")]),
        ("9000-9001:80-81", [("", "9000", 80, "tcp"), ("", "9001", 81, "tcp")]),
        ("9000-9009:80", [("", "9000-9009", 80, "tcp")]),
    ],
)
def test_ports(text: str, expected: list[tuple[str, str, int, str]]) -> None:
    found = ports.parse(text)
    assert [(p.host_ip or "", p.published or "", p.target, p.protocol) for p in found] == expected
    assert ports.count(text) == len(found)


@pytest.mark.parametrize("text", ["", ":", "a", "80:a", "1-3:80-81", "70000", "80/xyz", "999.1.1.1:80:80", "3-1", "1:2:3:4"])  # fmt: skip
def test_no_ports(text: str) -> None:
    with pytest.raises(ValueError, match="port|protocol|address|range"):
        ports.parse(text)


@pytest.mark.parametrize(
    ("text", "source", "target", "is_bind"),
    [
        ("/data", "", "/data", False),
        ("data:/data", "data", "/data", False),
        ("./x:/x", "./x", "/x", True),
        ("/a:/b:ro", "/a", "/b", True),
        ("~/x:/x", "~/x", "/x", True),
        ("v:/data:ro,nocopy", "v", "/data", False),
    ],
)
def test_mounts(text: str, source: str, target: str, is_bind: bool) -> None:
    found = mounts.parse(text)
    assert (found.source or "", found.target) == (source, target)
    assert mounts.is_path(source) is is_bind


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("Yes", True), ("y", True), ("on", True), ("false", False), ("no", False), ("off", False), ("N", False)],
)  # fmt: skip
def test_booleans(text: str, value: bool) -> None:
    assert casts.to_boolean(text) is value


@pytest.mark.parametrize("text", ["", "maybe", "2", "tru"])
def test_no_booleans(text: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        casts.to_boolean(text)


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-5", -5), ("0x10", 16), ("0o17", 15), ("1_000", 1000)]
)
def test_integers(text: str, value: int) -> None:
    assert casts.to_integer(text) == value


@pytest.mark.parametrize("text", ["", "1.5", "five", "9" * 5000])
def test_no_integers(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        casts.to_integer(text)


@pytest.mark.parametrize(
    ("text", "number"), [("0", True), ("12", True), ("", False), ("-1", False), ("٣", False)]
)
def test_is_number(text: str, number: bool) -> None:
    assert scalars.is_number(text) is number

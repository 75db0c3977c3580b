"""Columns of `container ls`."""

import pytest

from composer.cli import containerrows
from composer.cli.template import render

DOCUMENT = {
    "Id": "0123456789abcdef" * 4,
    "Created": "2023-11-14T22:13:20Z",
    "Path": "python3",
    "Args": ["-m", "http.server", "8000"],
    "Name": "/web",
    "State": {"Status": "running"},
    "Mounts": [
        {"Type": "volume", "Name": "a-volume-with-a-long-name", "Source": "/v", "Destination": "/d"},
        {"Type": "bind", "Source": "/srv", "Destination": "/srv"},
    ],
    "Config": {"Image": "python:3", "Labels": {"b": "2", "a": "1"}},
    "HostConfig": {"NetworkMode": "host"},
    "NetworkSettings": {"Networks": {}, "Ports": {}},
}
NOW = 1_700_000_000.0 + 180


def test_a_row() -> None:
    row = containerrows.row_of(DOCUMENT, status="Up 3 minutes", now=NOW)
    assert list(row) == sorted(row)
    assert row.keys() == containerrows.HEADERS.keys()
    assert row["ID"] == "0123456789ab"
    assert row["Command"] == '"python3 -m http.ser…"'
    assert row["RunningFor"] == "3 minutes ago"
    assert row["Labels"] == "a=1,b=2"
    assert row["LocalVolumes"] == "1"
    assert row["Mounts"] == "a-volume-with-…,/srv"
    assert row["Networks"] == "host"
    assert row["Names"] == "web"
    assert row["Size"] == "0B"


def test_nothing_is_cut_when_asked() -> None:
    row = containerrows.row_of(DOCUMENT, status="", is_whole=True, sizes=(1500, 4_000_000), now=NOW)
    assert row["ID"] == DOCUMENT["Id"]
    assert row["Command"] == '"python3 -m http.server 8000"'
    assert row["Mounts"] == "a-volume-with-a-long-name,/srv"
    assert row["Size"] == "1.5kB (virtual 4MB)"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ({}, ""),
        ({"80/tcp": None}, "80/tcp"),
        (
            {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": None},
            "0.0.0.0:8080->80/tcp, 443/tcp",
        ),
        ({"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]}, "[::1]:8080->80/tcp"),
        (
            {f"{n}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(n + 8000)}] for n in (80, 81, 82, 90)},
            "0.0.0.0:8080-8082->80-82/tcp, 0.0.0.0:8090->90/tcp",
        ),
        ({"80/tcp": None, "81/tcp": None, "81/udp": None}, "80-81/tcp, 81/udp"),
        (
            {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "1"}, {"HostIp": "::", "HostPort": "1"}]},
            "0.0.0.0:1->80/tcp, [::]:1->80/tcp",
        ),
    ],
)
def test_ports(ports: dict[str, list[dict[str, str]] | None], expected: str) -> None:
    assert containerrows.ports_text(ports) == expected


def test_labels_that_are_not_there_are_no_mistake_but_fields_are() -> None:
    document = containerrows.opened(DOCUMENT)
    assert (
        render("{{.Config.Labels.nope}}{{range .Mounts}}{{.Source}}{{end}}", document) == "<no value>/v/srv"
    )
    with pytest.raises(Exception, match="no field .Nope"):
        render("{{.Config.Nope}}", document)

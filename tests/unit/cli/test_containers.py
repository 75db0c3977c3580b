"""Which containers a command means, and how they are shown."""

import pytest

from composer import errors
from composer.cli import containers
from tests.fakes.supervisor import row

ROWS = [
    row("db-1", State="exited", ExitCode=1),
    row("web-1"),
    row("web-2", State="restarting"),
    row("web-run-abc", Service="web", OneOff=True),
]


def _names(rows: list[containers.Row]) -> list[str]:
    return [containers.label_of(row) for row in rows]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["web-1", "web-2"]),
        ({"everything": True}, ["db-1", "web-1", "web-2", "web-run-abc"]),
        ({"services": ["web"]}, ["web-1", "web-2"]),
        ({"services": ["db"]}, []),
        ({"statuses": ["exited"]}, ["db-1"]),
        ({"statuses": ["running"], "services": ["web"]}, ["web-1"]),
    ],
)
def test_choice(choice: dict[str, object], expected: list[str]) -> None:
    arguments = {"services": [], "everything": False, **choice}
    assert _names(containers.chosen(ROWS, **arguments)) == expected  # type: ignore[arg-type]


def test_unknown_services_are_named() -> None:
    with pytest.raises(errors.UsageError, match="no such service: nope") as caught:
        containers.chosen(ROWS, services=["web", "nope"], everything=False)
    assert "db, web" in caught.value.hint


@pytest.mark.parametrize(("index", "expected"), [(0, "web-1"), (1, "web-1"), (3, "web-3")])
def test_exec_finds_a_running_container(index: int, expected: str) -> None:
    rows = [row("web-3"), *ROWS, row("web-10")]
    assert containers.label_of(containers.running_container(rows, "web", index)) == expected


@pytest.mark.parametrize(
    ("service", "index", "message"),
    [
        ("db", 0, '"db" is not running'),
        ("web", 2, '"web" is not running'),
        ("web", 9, "web has no container 9"),
    ],
)
def test_exec_says_what_is_missing(service: str, index: int, message: str) -> None:
    with pytest.raises(errors.OperationFailed, match=message):
        containers.running_container(ROWS, service, index)


def test_the_table_of_ps() -> None:
    port = {"URL": "0.0.0.0", "TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"}
    exposed = {**port, "TargetPort": 443, "PublishedPort": 0}
    shown = row("web-1", Publishers=[port, exposed], Command='"python3 -m http.server 8000"')
    assert containers.text_of([shown]) == (
        "NAME         IMAGE     COMMAND                  SERVICE   CREATED         STATUS         PORTS\n"
        'demo-web-1   busybox   "python3 -m http.ser…"   web       3 seconds ago   Up 3 seconds   '
        "0.0.0.0:8080->80/tcp, 443/tcp\n"
    )


def test_rows_that_are_none_are_dropped() -> None:
    assert containers.rows_in({"containers": [{"ID": "a"}, None, 3]}) == [{"ID": "a"}]
    assert containers.rows_in({}) == []

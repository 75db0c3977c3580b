"""``ps`` in its formats."""

import json

import pytest

from composer import errors
from composer.cli.commands import ps
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row

ROWS = {"containers": [row("web-1"), row("web-2"), row("db-1", State="exited", Status="Exited (1)")]}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-q"], "id-web-1\nid-web-2\n"),
        (["-a", "-q"], "id-web-1\nid-web-2\nid-db-1\n"),
        (["--services", "-a"], "db\nweb\n"),
        (["--status", "exited", "-q"], "id-db-1\n"),
        (["-q", "web"], "id-web-1\nid-web-2\n"),
    ],
)
def test_formats(argv: list[str], expected: str) -> None:
    stage = Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"])
    assert stage.run(ps, argv) == 0
    assert stage.out.getvalue() == expected


def test_json_is_one_object_per_line() -> None:
    stage = Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"])
    stage.run(ps, ["-a", "--format", "json"])
    values = [json.loads(line) for line in stage.out.getvalue().splitlines()]
    assert [value["Name"] for value in values] == ["demo-web-1", "demo-web-2", "demo-db-1"]


def test_a_stack_that_is_not_up_is_an_empty_table() -> None:
    stage = Stage(None, ["-p", "demo"])
    assert stage.run(ps, []) == 0
    assert stage.out.getvalue().split() == [
        "NAME",
        "IMAGE",
        "COMMAND",
        "SERVICE",
        "CREATED",
        "STATUS",
        "PORTS",
    ]


def test_an_ending_supervisor_is_no_error() -> None:
    stage = Stage(FakeConnection({"ps": errors.StackLocked("ending")}), ["-p", "demo"])
    assert stage.run(ps, ["-q"]) == 0
    assert stage.out.getvalue() == ""


@pytest.mark.parametrize("name", ["-x", "../x", "A", "a/b", "a b"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(errors.UsageError, match="invalid project name"):
        Stage(FakeConnection(), [f"-p{name}"]).run(ps, [])


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--format", "{{.Name}}: {{.State}}", "-a", "db"], "demo-db-1: exited\n"),
        (
            ["--format", "table {{.Service}}\t{{.ID}}", "web"],
            "SERVICE   ID\nweb       id-web-1\nweb       id-web-2\n",
        ),
        (["--filter", "status=exited", "-q"], "id-db-1\n"),
        (["-q", "--filter", "status=paused"], ""),
    ],
)
def test_templates_and_filters(argv: list[str], expected: str) -> None:
    stage = Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"])
    assert stage.run(ps, argv) == 0
    assert stage.out.getvalue() == expected


@pytest.mark.parametrize(
    "argv", [["--filter", "status=asleep"], ["--filter", "name=x"], ["--format", "{{.Nmae}}"]]
)
def test_wrong_filters_and_templates(argv: list[str]) -> None:
    with pytest.raises(errors.UsageError):
        Stage(FakeConnection({"ps": ROWS}), ["-p", "demo"]).run(ps, argv)


def test_nothing_is_cut_where_that_was_asked() -> None:
    long = {"containers": [row("web-1", Command='"sleep 1000000000000000000000000000"')]}
    for argv, is_cut in ((["--no-trunc"], False), ([], True)):
        stage = Stage(FakeConnection({"ps": long}), ["-p", "demo"])
        stage.run(ps, argv)
        assert ("…" in stage.out.getvalue()) is is_cut

"""`composer volume` on an empty store and on one with volumes nobody uses."""

import json

import pytest

from composer.cli import filters, main
from composer.cli.commands import volume
from composer.cli.volumeverbs import rows

pytestmark = pytest.mark.root  # the drivers look at the host's network


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main.run(["volume", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_life_of_a_volume(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "create", "--label", "a=1", "--label", "b", "data")[:2] == (0, "data\n")
    assert _run(capsys, "create", "data")[:2] == (0, "data\n")
    made = _run(capsys, "create")[1]
    assert made.startswith("anonymous-")
    assert _run(capsys, "ls", "-q")[1].split() == [made.strip(), "data"]
    assert _run(capsys, "ls")[1].splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert _run(capsys, "ls", "-q", "-f", "label=a=1", "-f", "dangling=true")[1] == "data\n"
    assert _run(capsys, "ls", "-q", "-f", "name=^da", "-f", "driver=nfs")[1] == ""
    assert (
        _run(capsys, "inspect", "-f", "{{.Name}} {{.Labels.a}} {{.Options}}", "data")[1] == "data 1 <nil>\n"
    )
    (document,) = json.loads(_run(capsys, "inspect", "data")[1])
    assert list(document) == ["CreatedAt", "Driver", "Labels", "Mountpoint", "Name", "Options", "Scope"]
    assert made.strip() in _run(capsys, "prune", "-f")[1]
    assert _run(capsys, "ls", "-q")[1] == "data\n"
    assert (
        _run(capsys, "prune", "-f", "--filter", "all=true", "--filter", "label!=a")[1]
        == "Total reclaimed space: 0B\n"
    )
    assert _run(capsys, "rm", "data")[:2] == (0, "data\n")
    assert _run(capsys, "rm", "data")[0] == 1
    assert _run(capsys, "rm", "-f", "data")[:2] == (0, "")
    assert _run(capsys, "inspect", "data")[:2] == (1, "[]\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "../x"), "cannot be the name"),
        (("create", "--driver", "nfs", "data"), "no volume driver 'nfs'"),
        (("create", "--opt", "size=1g", "data"), "--opt: size needs a quota"),
        (("create", "--opt", "size", "data"), "--opt: 'size' is not KEY=VALUE"),
    ],
)
def test_refused(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = _run(capsys, *words)
    assert code == 1
    assert message in said


def test_other_options_are_a_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    tmpfs = ("--opt", "type=tmpfs", "--opt", "device=tmpfs")
    assert _run(capsys, "create", *tmpfs, "scratch")[0] == 0
    assert _run(capsys, "create", *tmpfs, "scratch")[0] == 0
    code, _, said = _run(capsys, "create", *tmpfs, "--opt", "o=size=1m", "scratch")
    assert code == 1
    assert "exists with other options" in said


@pytest.mark.parametrize("verb", volume.VERBS)
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["volume", verb, "--help"]) == 0
    assert f"composer volume {verb}" in capsys.readouterr().out


DOCUMENTS = [
    {"Name": "anonymous-1", "Driver": "local", "Labels": {}},
    {"Name": "data", "Driver": "local", "Labels": {"keep": "1"}},
    {"Name": "used", "Driver": "local", "Labels": {}},
]


@pytest.mark.parametrize(
    ("texts", "everything", "expected"),
    [
        ((), False, ["anonymous-1"]),
        ((), True, ["anonymous-1", "data"]),
        (("all=1",), False, ["anonymous-1", "data"]),
        (("all=false",), False, ["anonymous-1"]),
        (("label!=keep",), True, ["anonymous-1"]),
        (("label=keep",), True, ["data"]),
    ],
)
def test_what_prune_removes(texts: tuple[str, ...], everything: bool, expected: list[str]) -> None:
    wanted = filters.parse(texts, rows.PRUNE_FILTERS)
    found = rows.prunable(DOCUMENTS, wanted, {"used"}, anonymous="anonymous-", everything=everything)
    assert [document["Name"] for document in found] == expected

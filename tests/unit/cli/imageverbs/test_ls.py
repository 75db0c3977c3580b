"""Listing: rows per name, ids, digests, filters, templates."""

from __future__ import annotations

import json

import pytest

from composer import errors
from composer.cli.imageverbs import ls
from composer.image.store import Store
from tests.fakes.command_line import Stage


def lines(stage: Stage, *argv: str) -> list[str]:
    assert stage.run(ls, list(argv)) == 0
    return stage.out.getvalue().splitlines()


NAMES = "{{.Repository}}:{{.Tag}}"


def test_a_row_per_name_newest_first(store: Store, stage: Stage) -> None:
    header, *rows = lines(stage)
    assert header.split("  ")[0] == "REPOSITORY"
    assert [row.split()[:2] for row in rows] == [
        ["app", "1"],
        ["reg.example:5000/app", "2"],
        ["base", "1"],
    ]
    assert rows[-1].endswith("1kB")


def test_ids(store: Store, stage: Stage) -> None:
    app, base = store.get("app:1").id, store.get("base:1").id
    assert lines(stage, "-q", "-a") == [app[7:19], base[7:19]]
    assert lines(Stage(None, []), "-q", "--no-trunc") == [app, base]


def test_digests_and_nameless_images(store: Store, stage: Stage) -> None:
    digest = "sha256:" + "5" * 64
    with store.database.transaction() as db:
        db.execute("DELETE FROM tags WHERE reference LIKE '%base%'")
        db.execute(
            "INSERT INTO digests VALUES (?, ?, ?, 1)",
            (f"docker.io/library/app@{digest}", store.get("app:1").id, digest),
        )
    form = "{{.Repository}}|{{.Tag}}|{{.Digest}}"
    assert lines(stage, "--digests", "--format", form) == [
        f"app|1|{digest}",
        "reg.example:5000/app|2|<none>",
        "<none>|<none>|<none>",
    ]
    assert lines(Stage(None, []), "--filter", "dangling=true", "--format", NAMES) == ["<none>:<none>"]


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["app"], ["app:1"]),
        (["app:1"], ["app:1"]),
        (["app:2"], []),
        (["*/app"], ["reg.example:5000/app:2"]),
        (["ap?"], ["app:1"]),
        (["*:1"], ["app:1", "base:1"]),
        (["-f", "reference=base", "-f", "reference=app:1"], ["app:1", "base:1"]),
        (["-f", "label=role"], ["base:1"]),
        (["-f", "label=role=base"], ["base:1"]),
        (["-f", "label=role=x"], []),
        (["-f", "dangling=true"], []),
        (["-f", "dangling=false", "base"], ["base:1"]),
        (["-f", "before=app:1"], ["base:1"]),
        (["-f", "since=base:1"], ["app:1", "reg.example:5000/app:2"]),
        (["-f", "until=2026-01-15T00:00:00Z"], ["base:1"]),
    ],
)
def test_filters(argv: list[str], names: list[str], store: Store, stage: Stage) -> None:
    assert lines(stage, *argv, "--format", NAMES) == names


def test_a_filter_of_what_is_not_there(store: Store, stage: Stage) -> None:
    with pytest.raises(errors.ImageNotFound):
        stage.run(ls, ["-f", "before=nope"])
    with pytest.raises(errors.UsageError, match="invalid filter"):
        stage.run(ls, ["-f", "colour=red"])


def test_json_has_dockers_keys(store: Store, stage: Stage) -> None:
    value = json.loads(lines(stage, "--format", "json", "base")[0])
    assert list(value) == sorted(ls.HEADERS)
    assert value["CreatedAt"] == "2026-01-01 00:00:00 +0000 UTC"
    assert (value["Containers"], value["Size"]) == ("0", "1kB")

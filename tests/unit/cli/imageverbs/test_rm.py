"""Removing and tagging: names first, images when no name is left."""

from __future__ import annotations

import json

import pytest

from composer import errors
from composer.cli.imageverbs import rm, tag
from composer.image.store import Store
from tests.fakes.command_line import Stage


def test_the_last_name_takes_the_image_along(store: Store, stage: Stage) -> None:
    base = store.get("base:1")
    assert stage.run(rm, ["base:1"]) == 0
    assert stage.out.getvalue() == f"Untagged: base:1\nDeleted: {base.id}\n"
    assert store.layer_paths(store.get("app:1"))
    assert store.find(base.id) is None


def test_an_id_with_several_names_wants_force(store: Store, stage: Stage) -> None:
    app = store.get("app:1")
    assert stage.run(rm, [app.id]) == 1
    assert "has several names: app:1, reg.example:5000/app:2" in stage.err.getvalue()
    assert stage.run(rm, ["-f", app.id]) == 0
    assert stage.out.getvalue().splitlines()[:3] == [
        "Untagged: app:1",
        "Untagged: reg.example:5000/app:2",
        f"Deleted: {app.id}",
    ]


def test_one_that_fails_does_not_keep_the_others(store: Store, stage: Stage) -> None:
    assert stage.run(rm, ["nope", "base:1"]) == 1
    assert "image nope is not in the store" in stage.err.getvalue()
    assert store.find("base:1") is None
    assert Stage(None, []).run(rm, ["-f", "nope"]) == 0


def test_an_image_in_use_stays(store: Store, stage: Stage) -> None:
    base = store.get("base:1")
    with store.database.transaction() as db:
        db.execute(
            "INSERT INTO containers (id, stack, service, number, one_off, generation, name, spec, wish,"
            " phase, created_at) VALUES ('c', 's', 'w', 1, 0, 1, 's-w-1', ?, 'running', 'ready', 0)",
            (json.dumps({"image_id": base.id}),),
        )
    assert stage.run(rm, ["base:1"]) == 1
    assert "container s-w-1 uses image base:1" in stage.err.getvalue()
    assert stage.run(rm, ["-f", "base:1"]) == 0
    assert store.get(base.id).tags == ()
    assert store.layer_paths(base)


def test_nothing_goes_while_a_build_or_pull_runs(store: Store, stage: Stage) -> None:
    app = store.get("app:1")
    with store.lease():
        assert stage.run(rm, ["-f", app.id]) == 0
        assert store.find(app.id) is None
        assert store.layers.is_ready(app.layers[1])
    assert Stage(None, []).run(rm, ["base:1"]) == 0


def test_tagging(store: Store, stage: Stage) -> None:
    assert stage.run(tag, ["base:1", "reg.example:5000/team/base"]) == 0
    assert store.get("reg.example:5000/team/base:latest").id == store.get("base:1").id
    with pytest.raises(errors.UsageError, match="digest"):
        stage.run(tag, ["base:1", "x@sha256:" + "a" * 64])
    with pytest.raises(errors.ImageNotFound):
        stage.run(tag, ["nope", "x"])

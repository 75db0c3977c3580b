"""``system check`` as a command: exit codes, JSON, and records of stacks that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.cli.systemverbs import check
from composer.engine.drivers import Drivers
from composer.model.image import ImageConfig
from tests.fakes.command_line import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage(None, [])


@pytest.fixture
def drivers(stage: Stage) -> Drivers:
    return stage.session.drivers()


def add_image(drivers: Drivers) -> Path:
    tree = drivers.images.staging("test") / "tree"
    tree.mkdir()
    (tree / "file").write_text("content")
    layer = drivers.images.add_layer(tree)
    drivers.images.add_image(ImageConfig(), [layer], tags=["app:1"])
    return drivers.images.paths_of_layers([layer])[0]


def test_a_sound_store(stage: Stage, drivers: Drivers) -> None:
    add_image(drivers)
    assert stage.run(check, []) == 0
    assert stage.out.getvalue() == "nothing is damaged\n"
    assert "checking 1 layers" in stage.err.getvalue()


def test_damage_has_an_exit_code_until_it_is_repaired(stage: Stage, drivers: Drivers) -> None:
    (add_image(drivers) / "file").write_text("edited")
    assert stage.run(check, ["-q"]) == 21
    assert "files were changed (needed by app:1)" in stage.out.getvalue()
    assert stage.err.getvalue() == "hint: `composer system check --repair` puts right what it can.\n"
    assert Stage(None, []).run(check, ["--repair"]) == 0
    again = Stage(None, [])
    assert again.run(check, ["--format", "json", "-q"]) == 0
    assert json.loads(again.out.getvalue()) == []


@pytest.mark.root
def test_records_of_stacks_that_cannot_be_read(stage: Stage, drivers: Drivers) -> None:
    with drivers.database.transaction() as db:
        db.execute(
            "INSERT INTO containers (id, stack, service, number, one_off, generation, name, spec, wish,"
            " phase, created_at) VALUES ('c0', 'demo', 'web', 1, 0, 1, 'demo-web-1', '{\"stack\":', 'running',"
            " 'ready', 0)"
        )
        db.execute("INSERT INTO volumes VALUES ('demo_data', 'demo', '{}', 0)")
    assert stage.run(check, ["-q", "--format", "json"]) == 21
    assert [one["text"] for one in json.loads(stage.out.getvalue())] == [
        "container demo-web-1 of stack demo: its record is unreadable",
        "volume demo_data of stack demo: its record is unreadable",
    ]
    repaired = Stage(None, [])
    assert repaired.run(check, ["-q", "--repair"]) == 0
    assert "the container is removed: `composer up` makes it again" in repaired.out.getvalue()
    assert drivers.records.containers("demo") == ()
    assert [volume.name for volume in drivers.records.volumes("demo")] == ["demo_data"]
    assert Stage(None, []).run(check, ["-q"]) == 0

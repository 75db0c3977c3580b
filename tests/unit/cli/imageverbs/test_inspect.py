"""Inspection: Docker's field names, templates, and what is not there."""

from __future__ import annotations

import json

import pytest

from composer.cli.imageverbs import inspect
from composer.image.store import Store
from tests.fakes.command_line import Stage


def test_fields(store: Store, stage: Stage) -> None:
    assert stage.run(inspect, ["app:1"]) == 0
    (value,) = json.loads(stage.out.getvalue())
    image = store.get("app:1")
    assert value["Id"] == image.id
    assert value["RepoTags"] == ["app:1", "reg.example:5000/app:2"]
    assert value["RepoDigests"] == []
    assert value["Config"] == {"Env": ["A=1"]}
    assert value["RootFS"] == {"Type": "layers", "Layers": list(image.layers)}
    assert (value["Os"], value["Created"], value["Size"]) == ("linux", "2026-02-01T00:00:00Z", 501_000)
    assert value["Metadata"]["LastTagTime"].startswith("20")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{.RepoTags}}", "[base:1]"),
        ("{{json .Config.Labels}}", '{"role":"base"}'),
        ("{{.Config.Labels.nope}}", "<no value>"),
        ("{{.Config.Entrypoint}}", "<nil>"),
        ("{{index .Config.Cmd 0}}", "sh"),
    ],
)
def test_templates(form: str, text: str, store: Store, stage: Stage) -> None:
    assert stage.run(inspect, ["-f", form, "base:1"]) == 0
    assert stage.out.getvalue() == f"{text}\n"


def test_what_is_there_is_shown_beside_what_is_not(store: Store, stage: Stage) -> None:
    assert stage.run(inspect, ["nope", "base:1"]) == 1
    assert len(json.loads(stage.out.getvalue())) == 1
    assert "image nope is not in the store" in stage.err.getvalue()

"""``system df``: the summary counts shared layers once."""

from __future__ import annotations

import json

import pytest

from composer import errors
from composer.cli.systemverbs import df
from composer.engine.usage import CacheUse, ImageUse, Total, Usage, VolumeUse
from composer.model.image import Image, ImageConfig
from tests.fakes.command_line import Stage

LAYERS = {"sha256:a": 1000, "sha256:b": 500, "sha256:c": 20, "sha256:d": 7}


def image(name: str, *layers: str) -> Image:
    return Image(
        id=f"sha256:{name}", config=ImageConfig(), layers=layers, tags=(f"docker.io/library/{name}:1",)
    )


USAGE = Usage(
    images=[
        ImageUse(image=image("used", "sha256:a", "sha256:b"), shared=1000, unique=500, containers=2),
        ImageUse(image=image("idle", "sha256:a", "sha256:c"), shared=1000, unique=20, containers=0),
    ],
    containers=[],
    volumes=[VolumeUse(name="data", size=40, links=1), VolumeUse(name="old", size=2, links=0)],
    cache=[
        CacheUse(layer="sha256:c", size=20, is_shared=True),
        CacheUse(layer="sha256:d", size=7, is_shared=False),
    ],
    layers=LAYERS,
    archives=300,
)


def test_totals() -> None:
    images, containers, volumes, cache = USAGE.totals()
    assert images == Total(kind="Images", total=2, active=1, size=1820, reclaimable=20)
    assert containers == Total(kind="Containers", total=0, active=0, size=0, reclaimable=0)
    assert volumes == Total(kind="Local Volumes", total=2, active=1, size=42, reclaimable=2)
    assert cache == Total(kind="Build Cache", total=2, active=1, size=7, reclaimable=7)


def test_words_are_dockers() -> None:
    assert df.value_of(USAGE.totals()[2]) == {
        "Active": "1",
        "Reclaimable": "2B (4%)",
        "Size": "42B",
        "TotalCount": "2",
        "Type": "Local Volumes",
    }


def test_details_are_one_by_one() -> None:
    sections = df.details(USAGE, 0.0)
    assert [title for title, _, _ in sections] == [
        "Images space usage:",
        "Containers space usage:",
        "Local Volumes space usage:",
        "Build cache usage: 7B",
    ]
    for _, header, lines in sections:
        assert all(len(line) == len(header) for line in lines)
    assert [line[0] for line in sections[0][2]] == ["used", "idle"]


def test_an_empty_store() -> None:
    stage = Stage(None, [])
    assert stage.run(df, ["--format", "json"]) == 0
    values = [json.loads(line) for line in stage.out.getvalue().splitlines()]
    assert [value["Type"] for value in values] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert all(value["Size"] == "0B" for value in values)
    stage = Stage(None, [])
    assert stage.run(df, ["-v"]) == 0
    with pytest.raises(errors.UsageError, match="--format"):
        stage.run(df, ["-v", "--format", "json"])

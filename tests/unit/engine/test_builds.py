"""Several builds at once, each after what it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from composer import errors
from composer.engine import builds
from composer.host.process import StopFlag
from composer.model.image import Image, ImageConfig
from composer.model.protocols import BuildRequest


class Builder:
    """Fails for one image; two at a time must meet when there is a ``meeting``."""

    def __init__(self, failing: str = "", meeting: threading.Barrier | None = None) -> None:
        self.failing = failing
        self.meeting = meeting
        self.built: list[str] = []

    def build(self, request: BuildRequest, say: Callable[[str], None], *_: object, **__: object) -> Image:
        (tag,) = request.tags
        say(tag)
        if self.meeting is not None:
            self.meeting.wait()
        if tag == self.failing:
            message = f"{tag} failed"
            raise errors.BuildError(message)
        self.built.append(tag)
        return Image(id=f"id of {tag}", config=ImageConfig())


def build_all(builder: Builder, wanted: dict[str, tuple[str, ...]]) -> dict[str, str]:
    requests = [(name, BuildRequest(context="/x", tags=(name,)), needs) for name, needs in wanted.items()]
    return dict(builds.build_all(builder, requests, StopFlag(), lambda _: (lambda _: None, None)))  # type: ignore[arg-type]


def test_each_after_what_it_needs() -> None:
    builder = Builder()
    assert build_all(builder, {"c": ("a", "b"), "b": ("a",), "a": ()})["c"] == "id of c"
    assert builder.built == ["a", "b", "c"]


def test_independent_ones_at_the_same_time() -> None:
    builder = Builder(meeting=threading.Barrier(2, timeout=20))
    assert sorted(build_all(builder, {"a": (), "b": ()})) == ["a", "b"]


def test_a_failure_is_raised_when_all_ended_and_what_needs_it_is_not_begun() -> None:
    builder = Builder(failing="a", meeting=threading.Barrier(2, timeout=20))
    with pytest.raises(errors.BuildError, match="a failed"):
        build_all(builder, {"a": (), "b": (), "c": ("a",)})
    assert builder.built == ["b"]

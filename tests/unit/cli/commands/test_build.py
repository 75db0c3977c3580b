"""What ``build`` builds, and how failures of one of several come out."""

import io
import threading

import pytest

from composer import errors
from composer.cli import progress
from composer.cli.commands import build
from composer.host.process import StopFlag
from composer.model.build import Build
from composer.model.protocols import BuildRequest
from composer.model.stack import Service, Stack

STACK = Stack(
    name="demo",
    directory="/d",
    files=(),
    services={
        "api": Service(
            name="api", image="shared:1", build=Build(context="/d/api", args={"A": "1", "B": None})
        ),
        "db": Service(name="db", image="busybox"),
        "job": Service(name="job", image="shared:1", build=Build(context="/d/api")),
        "web": Service(name="web", build=Build(context="/d/web", target="final")),
    },
)


@pytest.mark.parametrize(
    ("services", "expected"),
    [([], ["shared:1", "demo-web"]), (["web"], ["demo-web"]), (["db"], []), (["job", "api"], ["shared:1"])],
)
def test_one_build_per_image(services: list[str], expected: list[str]) -> None:
    assert list(build.requests_of(STACK, services, {}, no_cache=False)) == expected


def test_build_arguments_of_the_command_line_win() -> None:
    wanted = build.requests_of(STACK, ["api"], {"A": "2", "C": "3"}, no_cache=True)["shared:1"]
    assert wanted.args == {"A": "2", "C": "3"}
    assert wanted.no_cache
    assert wanted.tags == ("shared:1",)


def test_unknown_services() -> None:
    with pytest.raises(errors.UsageError, match="no such service: x"):
        build.requests_of(STACK, ["x"], {}, no_cache=False)


class _Builder:
    """Fails for one image; notes in which threads it was called."""

    def __init__(self, failing: str) -> None:
        self.failing = failing
        self.built: list[str] = []
        self.both = threading.Barrier(2, timeout=10)

    def build(self, request: BuildRequest, say: object, interrupt: object) -> None:
        del interrupt
        self.both.wait()
        (tag,) = request.tags
        say("a line")  # type: ignore[operator]
        if tag == self.failing:
            message = f"{tag} failed"
            raise errors.BuildError(message)
        self.built.append(tag)


def test_builds_run_at_once_and_the_failure_is_raised_when_all_ended() -> None:
    requests = build.requests_of(STACK, [], {}, no_cache=False)
    builder = _Builder("shared:1")
    stream = io.StringIO()
    with pytest.raises(errors.BuildError, match="shared:1 failed"):
        build._build_all(builder, requests, progress.Plain(stream), StopFlag())  # type: ignore[arg-type]
    assert builder.built == ["demo-web"]
    assert sorted(stream.getvalue().splitlines()) == ["[demo-web] a line", "[shared:1] a line"]

"""What ``build`` builds, in which order, and with what of the command line."""

from __future__ import annotations

import argparse

import pytest

from composer import errors
from composer.cli.commands import build
from composer.model.build import Build
from composer.model.protocols import BuildRequest
from composer.model.stack import Dependency, Service, Stack

STACK = Stack(
    name="demo",
    directory="/d",
    files=(),
    services={
        "api": Service(name="api", image="shared:1", build=Build(context="/d/api", args={"A": "1"})),
        "db": Service(name="db", image="busybox"),
        "job": Service(name="job", image="shared:1", build=Build(context="/d/api")),
        "web": Service(
            name="web",
            build=Build(context="/d/web", target="final", additional_contexts={"base": "service:api"}),
            depends_on={"tool": Dependency()},
        ),
        "tool": Service(name="tool", build=Build(context="/d/tool")),
    },
)


def requests(*words: str) -> dict[str, tuple[BuildRequest, tuple[str, ...]]]:
    parser = argparse.ArgumentParser()
    build.add_options(parser)
    found = build.requests_of(STACK, parser.parse_args(list(words)))
    return {name: (request, needs) for name, request, needs in found}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["demo-tool", "shared:1", "demo-web"]),
        (["web"], ["shared:1", "demo-web"]),
        (["--with-dependencies", "web"], ["demo-tool", "shared:1", "demo-web"]),
        (["db"], []),
        (["job", "api"], ["shared:1"]),
    ],
)
def test_one_build_per_image_after_what_it_reads(words: list[str], expected: list[str]) -> None:
    assert list(requests(*words)) == expected


def test_the_command_line_wins() -> None:
    wanted, needs = requests("--no-cache", "--pull", "--build-arg", "A=2", "--build-arg=C=3", "api")[
        "shared:1"
    ]
    assert wanted.args == {"A": "2", "C": "3"}
    assert (wanted.no_cache, wanted.pulls) == (True, True)
    assert (wanted.tags, needs) == (("shared:1",), ())


def test_a_context_of_a_service_is_its_image() -> None:
    wanted, needs = requests("web")["demo-web"]
    assert wanted.contexts == {"base": "docker-image://shared:1"}
    assert needs == ("shared:1",)


def test_agents() -> None:
    assert requests("--ssh", "k=/x/key", "api")["shared:1"][0].ssh == {"k": "/x/key"}


def test_unknown_services() -> None:
    with pytest.raises(errors.UsageError, match="no such service: x"):
        requests("x")

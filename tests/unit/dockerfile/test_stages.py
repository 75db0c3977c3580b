from __future__ import annotations

from collections.abc import Mapping

import pytest

from composer import errors
from composer.dockerfile import parser, stages


def plan(
    text: str, target: str | None = None, arguments: Mapping[str, str] | None = None
) -> stages.StagePlan:
    return stages.plan(parser.parse(text), arguments or {}, target)


THREE = "FROM x AS a\nFROM y AS unused\nFROM a AS b\nFROM z\nCOPY --from=b /1 /\nCOPY --from=img /2 /\n"


@pytest.mark.parametrize(
    ("text", "target", "order"),
    [
        (THREE, None, (0, 2, 3)),
        (THREE, "a", (0,)),
        (THREE, "B", (0, 2)),
        (THREE, "1", (1,)),
        ("FROM x\nFROM y\nCOPY --from=0 a b\n", None, (0, 1)),
        ("FROM x AS a\nCOPY --from=b 1 2\nFROM y AS b\n", "a", (1, 0)),
        ("FROM x AS a\nFROM a AS a\nFROM a", None, (0, 1, 2)),
    ],
)
def test_only_what_the_target_needs_in_order(text: str, target: str | None, order: tuple[int, ...]) -> None:
    assert plan(text, target).order == order


def test_bases() -> None:
    found = plan("ARG v=1\nARG w=${v}2\nFROM img:$w AS a\nFROM a\nFROM scratch", arguments={"v": "9"})
    assert [(one.base, one.parent) for one in found.stages] == [
        ("img:92", None), ("a", 0), ("scratch", None),
    ]  # fmt: skip
    assert found.arguments["w"] == "92"


def test_a_stage_may_shadow_an_image_only_for_later_stages() -> None:
    found = plan("FROM debian AS debian\nFROM debian")
    assert [one.parent for one in found.stages] == [None, 0]


def test_own_platform_is_accepted() -> None:
    assert plan("FROM --platform=$BUILDPLATFORM a").stages[0].base == "a"


@pytest.mark.parametrize(
    ("text", "target", "part"),
    [
        ("FROM $nope", None, "Dockerfile:1: base name"),
        ("FROM --platform=plan9/mips a", None, "unsupported"),
        ("FROM a", "nope", "target stage 'nope' could not be found"),
        ("FROM a", "7", "could not be found"),
        ("FROM a\nCOPY --from=5 x y", None, "Dockerfile:2: invalid stage index 5"),
        ("FROM x AS a\nCOPY --from=b 1 2\nFROM a AS b", None, "circular dependency of stages: b -> a -> b"),
        ("FROM x AS a\nCOPY --from=a 1 2", None, "circular dependency of stages: a -> a"),
        ("FROM ${x:?need}", None, "x: need"),
    ],
)
def test_refused(text: str, target: str | None, part: str) -> None:
    with pytest.raises(errors.BuildError) as caught:
        plan(text, target)
    assert part in caught.value.message


def test_a_long_chain_of_stages() -> None:
    text = "FROM x AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(3000))
    assert plan(text).order == tuple(range(3001))

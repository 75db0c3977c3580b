"""Which images are pulled and which are built: every policy against what is there."""

from __future__ import annotations

import pytest

from composer import errors
from composer.model.build import Build
from composer.model.container import Observed
from composer.model.plan import BuildImage, PullImage
from composer.model.stack import Mount, MountKind
from composer.planner import desired, images
from composer.planner.images import ImageOptions, ImageStep
from tests.builders import service, stack

DAY = 86400.0
BUILD = Build(context="/stack")


def steps_of(
    *,
    age: float | None,
    builds: bool = False,
    policy: str | None = None,
    name: str = "app",
    **options: object,
) -> list[str]:
    """The words of the steps for one service whose image is ``age`` seconds old, or missing."""
    fields: dict[str, object] = {"image": name, "pull_policy": policy}
    if builds:
        fields["build"] = BUILD
    wanted = stack(service("a", **fields))
    observed = Observed(
        images={} if age is None else {name: "sha256:1"}, image_ages={} if age is None else {name: age}
    )
    given = ImageOptions(**options)  # type: ignore[arg-type]
    steps = images.refreshing_steps(wanted, observed, ["a"], given)
    if not steps:
        made = [desired.container_spec(wanted, wanted.services["a"], 1, observed.images)]
        steps = images.missing_steps(wanted, observed, made, given)
    return [
        step.operation.action
        + (" or build" if isinstance(step.operation, PullImage) and step.operation.may_fail else "")
        for step in steps
    ]


@pytest.mark.parametrize(
    ("policy", "age", "builds", "expected"),
    [
        (None, None, False, ["pull"]),
        (None, 0.0, False, []),
        (None, None, True, ["build"]),
        (None, 0.0, True, []),
        ("missing", None, False, ["pull"]),
        ("always", 0.0, False, ["pull"]),
        ("always", None, True, ["pull or build"]),
        ("always", 0.0, True, ["pull or build"]),
        ("never", 0.0, False, []),
        ("never", None, True, ["build"]),
        ("build", 0.0, True, ["build"]),
        ("build", None, True, ["build"]),
        ("daily", None, False, ["pull"]),
        ("daily", DAY - 1, False, []),
        ("daily", DAY, False, ["pull"]),
        ("daily", DAY, True, ["pull or build"]),
        ("daily", None, True, ["build"]),
        ("weekly", DAY, False, []),
        ("every_12h", DAY, False, ["pull"]),
    ],
    ids=str,
)
def test_policies(policy: str | None, age: float | None, builds: bool, expected: list[str]) -> None:
    assert steps_of(policy=policy, age=age, builds=builds) == expected


@pytest.mark.parametrize(
    ("options", "policy", "age", "builds", "expected"),
    [
        ({"pull": "always"}, "never", 0.0, False, ["pull"]),
        ({"pull": "policy"}, "always", 0.0, False, ["pull"]),
        ({"pull": "missing"}, "always", 0.0, False, []),
        ({"build": True}, "always", 0.0, True, ["build"]),
        ({"build": True}, None, 0.0, False, []),
        ({"no_build": True}, None, None, True, ["pull"]),
        ({"no_build": True}, "always", None, True, ["pull"]),
        ({"are_settled": True}, "always", 0.0, True, []),
        ({"are_settled": True}, "build", 0.0, True, []),
        ({"are_settled": True}, "always", None, True, ["build"]),
        ({"are_settled": True, "build": True}, None, 0.0, True, []),
    ],
    ids=str,
)
def test_the_command_line_overrides(
    options: dict[str, object], policy: str | None, age: float | None, builds: bool, expected: list[str]
) -> None:
    assert steps_of(policy=policy, age=age, builds=builds, **options) == expected


@pytest.mark.parametrize(
    ("options", "policy"), [({}, "never"), ({}, "build"), ({"pull": "never"}, None)], ids=str
)
def test_what_may_not_be_fetched_is_refused(options: dict[str, object], policy: str | None) -> None:
    with pytest.raises(errors.ImageNotFound, match="app") as caught:
        steps_of(policy=policy, age=None, **options)
    assert "composer image pull app" in caught.value.hint


def test_the_name_of_a_build_is_at_no_registry() -> None:
    wanted = stack(service("a", build=BUILD))
    made = [desired.container_spec(wanted, wanted.services["a"], 1, {})]
    with pytest.raises(errors.ImageNotFound, match="demo-a"):
        images.missing_steps(wanted, Observed(), made, ImageOptions(no_build=True))
    assert images.refreshing_steps(wanted, Observed(), ["a"], ImageOptions(pull="always")) == (
        ImageStep("demo-a", BuildImage(service="a", image="demo-a", build=BUILD), "the image is missing"),
    )


def test_what_a_digest_names_is_not_asked_for_again() -> None:
    name = f"app@sha256:{'1' * 64}"
    assert steps_of(name=name, policy="always", age=DAY) == []
    assert steps_of(name=name, policy="always", age=None) == ["pull"]


def test_mounted_images_are_pulled_as_well() -> None:
    mount = Mount(kind=MountKind.IMAGE, source="data:1", target="/data")
    wanted = stack(service("a", mounts=(mount,), platform="linux/amd64"))
    assert "data:1" in desired.references(wanted)
    made = [desired.container_spec(wanted, wanted.services["a"], 1, {})]
    steps = images.missing_steps(wanted, Observed(), made, ImageOptions())
    assert [step.operation for step in steps] == [
        PullImage(image="busybox", platform="linux/amd64"),
        PullImage(image="data:1"),
    ]


def test_one_who_may_fetch_is_enough() -> None:
    wanted = stack(service("a", pull_policy="never"), service("b"))
    made = [desired.container_spec(wanted, one, 1, {}) for one in wanted.services.values()]
    assert len(images.missing_steps(wanted, Observed(), made, ImageOptions())) == 1


def test_an_unknown_policy() -> None:
    with pytest.raises(errors.UsageError, match="sometimes"):
        steps_of(policy="sometimes", age=None)

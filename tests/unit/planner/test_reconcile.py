"""Properties of every plan, and the refusals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import errors
from composer.model.container import Wish
from composer.model.plan import CreateContainer, StartContainer, StopContainer
from composer.model.stack import Condition, Stack
from composer.planner import reconcile, teardown
from composer.planner.reconcile import UpOptions
from tests.builders import World, check, needs, service, stack

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """Stacks whose services depend on earlier ones only, so that no cycle can be drawn."""
    services = []
    completed: set[str] = set()
    for index, name in enumerate(NAMES[: draw(st.integers(1, 5))]):
        depends_on = {}
        for other in NAMES[:index]:
            if not draw(st.booleans()):
                continue
            condition = draw(st.sampled_from([Condition.STARTED, Condition.HEALTHY]))
            depends_on[other] = needs(condition, restart=draw(st.booleans()))
        services.append(
            service(
                name,
                replicas=draw(st.integers(0, 3)),
                healthcheck=check(),
                environment={"V": draw(st.sampled_from(["1", "2"]))},
                depends_on=depends_on,
            )
        )
    assert not completed
    return stack(*services)


@settings(max_examples=150, deadline=None)
@given(stacks(), stacks())
def test_plans_converge(before: Stack, after: Stack) -> None:
    world = World()
    for wanted in (before, after):
        plan = reconcile.plan_up(wanted, world.observed, UpOptions(remove_orphans=True))
        assert plan == reconcile.plan_up(wanted, world.observed, UpOptions(remove_orphans=True))
        world.apply(plan)
        again = reconcile.plan_up(wanted, world.observed, UpOptions(remove_orphans=True))
        assert again.is_empty, again
        running = {(one.spec.service, one.spec.number) for one in world.observed.containers if one.is_running}
        assert running == {(s.name, n) for s in wanted.services.values() for n in range(1, s.replicas + 1)}
    world.apply(teardown.plan_down(after, world.observed, teardown.DownOptions(volumes=True)))
    assert world.observed.containers == ()
    assert not world.observed.networks


def test_a_container_made_after_a_pull_takes_what_was_pulled() -> None:
    wanted = stack(service("a", pull_policy="always"), service("b", image="other"))
    world = World({"busybox": "sha256:old", "other": "sha256:other"})
    plan = reconcile.plan_up(wanted, world.observed, UpOptions())
    made = [step.operation.spec for step in plan.steps if isinstance(step.operation, CreateContainer)]
    assert [(spec.service, spec.image_id) for spec in made] == [("a", ""), ("b", "sha256:other")]


def test_unknown_services_are_refused() -> None:
    with pytest.raises(errors.UsageError, match="no such service: nope"):
        reconcile.plan_up(stack(service("a")), World().observed, UpOptions(services=("nope",)))
    with pytest.raises(errors.UsageError, match="no such service: nope"):
        reconcile.plan_up(stack(service("a")), World().observed, UpOptions(scale={"nope": 2}))


def test_all_missing_images_in_one_error() -> None:
    wanted = stack(
        service("a", image="one", pull_policy="never"), service("b", image="two", pull_policy="never")
    )
    with pytest.raises(errors.ImageNotFound) as caught:
        reconcile.plan_up(wanted, World({}).observed, UpOptions())
    assert "one, two" in caught.value.message
    assert "image bootstrap" in caught.value.hint
    assert "image import" in caught.value.hint


@pytest.mark.parametrize(
    ("exit_code", "wish", "is_started"),
    [(0, Wish.RUNNING, False), (1, Wish.RUNNING, True), (0, Wish.STOPPED, True), (137, Wish.STOPPED, True)],
)
def test_one_shots_that_succeeded_are_done(exit_code: int, wish: Wish, is_started: bool) -> None:
    wanted = stack(service("job"))
    world = World()
    world.apply(reconcile.plan_up(wanted, world.observed, UpOptions()))
    world.finish("demo-job-1", exit_code)
    world.change("demo-job-1", wish=wish)
    plan = reconcile.plan_up(wanted, world.observed, UpOptions())
    assert any(isinstance(step.operation, StartContainer) for step in plan.steps) is is_started


def test_only_what_was_asked_for_and_what_it_needs() -> None:
    wanted = stack(service("a"), service("b", depends_on={"a": needs()}), service("c"))
    plan = reconcile.plan_up(wanted, World().observed, UpOptions(services=("b",)))
    started = [step.operation.service for step in plan.steps if isinstance(step.operation, StartContainer)]
    assert started == ["a", "b"]
    plan = reconcile.plan_up(wanted, World().observed, UpOptions(services=("b",), no_deps=True))
    started = [step.operation.service for step in plan.steps if isinstance(step.operation, StartContainer)]
    assert started == ["b"]


def test_an_unmonitored_container_is_restarted() -> None:
    wanted = stack(service("a"))
    world = World()
    world.apply(reconcile.plan_up(wanted, world.observed, UpOptions()))
    world.change("demo-a-1", is_monitored=False)
    plan = reconcile.plan_up(wanted, world.observed, UpOptions())
    assert [type(step.operation) for step in plan.steps] == [StopContainer, StartContainer]
    assert {step.cause for step in plan.steps} == {"its monitor is gone"}

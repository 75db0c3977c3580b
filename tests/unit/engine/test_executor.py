"""The executor walks a plan and decides nothing."""

from __future__ import annotations

import trio
import trio.testing

from composer import errors
from composer.engine.executor import OnFailure, run_plan
from composer.model.plan import Operation, Plan, RemoveImage, Step


def plan_of(**after: str) -> Plan:
    ids = {name: number for number, name in enumerate(after, 1)}
    steps = tuple(
        Step(
            id=ids[name],
            operation=RemoveImage(image=name),
            cause="c",
            after=tuple(ids[other] for other in needed.split()),
        )
        for name, needed in after.items()
    )
    return Plan(steps=steps)


async def test_each_step_after_what_it_needs_and_no_later() -> None:
    done: list[str] = []
    gate = trio.Event()

    async def perform(operation: Operation) -> None:
        assert isinstance(operation, RemoveImage)
        if operation.image == "slow":
            await gate.wait()
        done.append(operation.image)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            run_plan,
            plan_of(slow="", quick="", after_quick="quick", after_both="slow quick"),
            perform,
            lambda _e: None,
        )
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(done) == ["after_quick", "quick"]
        gate.set()
    assert done[-2:] == ["slow", "after_both"]


async def test_a_failure_takes_its_dependents_with_it_and_nobody_else() -> None:
    done: list[str] = []
    said: list[tuple[object, object]] = []

    async def perform(operation: Operation) -> None:
        assert isinstance(operation, RemoveImage)
        if operation.image == "bad":
            raise errors.RuntimeFailure("broken")
        done.append(operation.image)

    plan = plan_of(bad="", child="bad", grandchild="child", other="")
    failures = await run_plan(plan, perform, lambda event: said.append((event["resource"], event["status"])))
    assert done == ["other"]
    assert [failure.error.message for failure in failures] == ["broken"]
    assert ("image child", "skipped") in said
    assert ("image grandchild", "skipped") in said
    done.clear()
    failures = await run_plan(plan, perform, lambda _e: None, on_failure=OnFailure.GO_ON)
    assert sorted(done) == ["child", "grandchild", "other"]
    assert len(failures) == 1


async def test_cancellation_begins_nothing_more() -> None:
    begun: list[str] = []

    async def perform(operation: Operation) -> None:
        assert isinstance(operation, RemoveImage)
        begun.append(operation.image)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_plan, plan_of(first="", second="first"), perform, lambda _e: None)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert begun == ["first"]

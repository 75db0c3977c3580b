"""Which containers a command means."""

import pytest

from composer import errors
from composer.planner import reconcile
from composer.planner.choice import Choice
from tests.builders import World, service, stack


def _world() -> World:
    world = World()
    world.apply(
        reconcile.plan_up(
            stack(service("a", replicas=2), service("b")), world.observed, reconcile.UpOptions()
        )
    )
    return world


@pytest.mark.parametrize(
    ("services", "names"),
    [
        ((), ["demo-a-1", "demo-a-2", "demo-b-1"]),
        (("a",), ["demo-a-1", "demo-a-2"]),
        (("b", "c"), ["demo-b-1"]),
    ],
)
def test_containers_of_services(services: tuple[str, ...], names: list[str]) -> None:
    assert [one.name for one in Choice(services=services).of(_world().observed)] == names


def test_one_offs_are_nobodys() -> None:
    world = _world()
    (first, *_) = world.observed.containers
    import attrs

    world.change(first.name, spec=attrs.evolve(first.spec, one_off=True))
    assert first.name not in [one.name for one in Choice(services=("a",)).of(world.observed)]


def test_a_service_that_nobody_knows() -> None:
    with pytest.raises(errors.UsageError, match="no such service: c"):
        Choice(services=("a", "c")).check(_world().observed, ["b"])
    Choice(services=("c",)).check(_world().observed, ["c"])

"""Plans read as text: what a user sees for the usual events in the life of a stack.

Each case says what happened; its ``.txt`` beside this file is the plan.  To change
one: delete the file, run, and review what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from composer.model.build import Build
from composer.model.container import ContainerState, Observed
from composer.model.limits import Limits
from composer.model.plan import Plan, text_of
from composer.model.quantity import ByteSize
from composer.model.stack import Condition, Pool, PublishedPort, Stack
from composer.planner import lifecycle, reconcile, teardown
from composer.planner.choice import Choice
from composer.planner.images import ImageOptions
from composer.planner.reconcile import UpOptions
from tests.builders import World, check, data_at, needs, service, stack

CASES: dict[str, Callable[[], Plan]] = {}


def case(function: Callable[[], Plan]) -> Callable[[], Plan]:
    CASES[function.__name__] = function
    return function


def shop(**web: object) -> Stack:
    return stack(
        service("db", healthcheck=check(), mounts=(data_at("/data"),)),
        service("migrate", depends_on={"db": needs(Condition.HEALTHY)}),
        service(
            "web",
            depends_on={"db": needs(Condition.HEALTHY), "migrate": needs(Condition.COMPLETED)},
            **{"environment": {"DEBUG": "0"}, "ports": (PublishedPort(target=80, published=8080),), **web},
        ),
    )


def up(wanted: Stack, observed: Observed, **options: object) -> Plan:
    return reconcile.plan_up(wanted, observed, UpOptions(**options))  # type: ignore[arg-type]


def running(wanted: Stack) -> World:
    world = World()
    world.apply(up(wanted, world.observed))
    return world


@case
def first_up() -> Plan:
    return up(shop(), World().observed)


@case
def nothing_to_do() -> Plan:
    return up(shop(), running(shop()).observed)


@case
def changed_variable() -> Plan:
    return up(shop(environment={"DEBUG": "1"}), running(shop()).observed)


@case
def changed_port_and_secret_variable() -> Plan:
    before = shop(environment={"API_TOKEN": "one"})
    after = shop(environment={"API_TOKEN": "two"}, ports=(PublishedPort(target=80, published=9090),))
    return up(after, running(before).observed)


@case
def changed_limits_in_place() -> Plan:
    return up(shop(limits=Limits(memory=ByteSize(64 << 20))), running(shop()).observed)


@case
def scaled_up_and_down() -> Plan:
    wanted = stack(service("idle", replicas=3))
    world = running(wanted)
    return up(stack(service("idle")), world.observed)


@case
def orphan_is_kept() -> Plan:
    world = running(stack(service("old"), service("web")))
    return up(stack(service("web")), world.observed)


@case
def orphan_is_removed() -> Plan:
    world = running(stack(service("old"), service("web")))
    return up(stack(service("web")), world.observed, remove_orphans=True)


@case
def dependents_are_restarted() -> Plan:
    def wanted(value: str) -> Stack:
        return stack(
            service("db", environment={"X": value}),
            service("web", depends_on={"db": needs(restart=True)}),
            service("loose", depends_on={"db": needs()}),
        )

    return up(wanted("2"), running(wanted("1")).observed)


@case
def killed_container_is_started() -> Plan:
    world = running(shop())
    world.finish("demo-web-1", 137)
    return up(shop(), world.observed)


@case
def half_made_container_is_made_again() -> Plan:
    world = running(shop())
    world.change("demo-web-1", state=ContainerState.BROKEN)
    return up(shop(), world.observed)


@case
def lost_rules_and_link() -> Plan:
    world = running(stack(service("web")))
    networks = {
        k: attrs.evolve(v, damage="its firewall rules are gone") for k, v in world.observed.networks.items()
    }
    world.observed = attrs.evolve(world.observed, networks=networks)
    world.change("demo-web-1", attached={})
    return up(stack(service("web")), world.observed)


@case
def changed_network() -> Plan:
    before = stack(service("web"), service("db"))
    network = attrs.evolve(before.networks["default"], pools=(Pool(subnet="10.9.0.0/24"),))
    after = attrs.evolve(before, networks={"default": network})
    return up(after, running(before).observed)


@case
def build_of_what_is_missing() -> Plan:
    return up(stack(service("app", build=Build(context="/stack"))), World({}).observed)


@case
def build_asked_for_while_it_runs() -> Plan:
    wanted = stack(service("app", build=Build(context="/stack")), service("web"))
    world = World()
    world.apply(up(wanted, world.observed))
    return up(wanted, world.observed, images=ImageOptions(build=True))


@case
def pull_of_what_is_missing() -> Plan:
    wanted = stack(service("cache", image="redis:7", platform="linux/amd64"), service("web"))
    return up(wanted, World().observed)


@case
def pull_asked_for_while_it_runs() -> Plan:
    wanted = stack(service("web"))
    return up(wanted, running(wanted).observed, images=ImageOptions(pull="always"))


@case
def pulled_image_moved() -> Plan:
    wanted = stack(service("web"), service("other", image="redis"))
    world = World({"busybox": "sha256:" + "b" * 64, "redis": "sha256:" + "c" * 64})
    world.apply(up(wanted, world.observed))
    world.observed = attrs.evolve(
        world.observed, images={**world.observed.images, "redis": "sha256:" + "d" * 64}
    )
    return up(wanted, world.observed, images=ImageOptions(pull="always", are_settled=True))


@case
def pull_before_a_build_that_would_do() -> Plan:
    wanted = stack(service("app", image="team/app", build=Build(context="/stack"), pull_policy="always"))
    return up(wanted, World({}).observed)


@case
def daily_image_is_a_day_old() -> Plan:
    wanted = stack(service("web", pull_policy="daily"), service("db", image="redis", pull_policy="weekly"))
    observed = Observed(
        images={"busybox": "sha256:b", "redis": "sha256:c"}, image_ages={"busybox": 86400.0, "redis": 86400.0}
    )
    return up(wanted, observed)


@case
def image_that_another_service_builds() -> Plan:
    wanted = stack(service("api", image="app"), service("worker", image="app", build=Build(context="/stack")))
    return up(wanted, World({}).observed, services=("api",))


@case
def renamed_service_keeps_its_port() -> Plan:
    ports = (PublishedPort(target=80, published=8080),)
    world = running(stack(service("site", ports=ports)))
    return up(stack(service("app", ports=ports)), world.observed, remove_orphans=True)


@case
def changed_network_concerns_who_is_on_it() -> Plan:
    before = stack(service("web"), service("db"))
    after = attrs.evolve(
        before, networks={"default": attrs.evolve(before.networks["default"], internal=True)}
    )
    return up(after, running(before).observed, services=("web",))


@case
def waiting_for_everything() -> Plan:
    wanted = stack(service("web", healthcheck=check()), service("worker"))
    return up(wanted, World().observed, wait=True)


@case
def start_after_stop() -> Plan:
    world = running(shop())
    world.apply(lifecycle.plan_stop(shop(), world.observed, Choice(), None))
    return lifecycle.plan_start(shop(), world.observed, Choice())


@case
def start_and_wait_for_health() -> Plan:
    world = running(shop())
    world.apply(lifecycle.plan_stop(shop(), world.observed, Choice(), None))
    return lifecycle.plan_start(None, world.observed, Choice(services=("db",)), wait=True)


@case
def restart_with_those_who_follow() -> Plan:
    wanted = stack(
        service("db"),
        service("web", depends_on={"db": needs(Condition.STARTED, restart=True)}),
        service("idle", depends_on={"db": needs(Condition.STARTED)}),
    )
    return lifecycle.plan_restart(wanted, running(wanted).observed, Choice(services=("db",)), None)


@case
def pause_and_unpause() -> Plan:
    world = running(shop())
    world.apply(lifecycle.plan_pause(world.observed, Choice(services=("web",))))
    assert lifecycle.plan_pause(world.observed, Choice(services=("web",))).is_empty
    return lifecycle.plan_unpause(world.observed, Choice())


@case
def remove_what_does_not_run() -> Plan:
    return lifecycle.plan_remove(shop(), running(shop()).observed, Choice(), lifecycle.RemoveOptions())


@case
def stop_and_remove() -> Plan:
    options = lifecycle.RemoveOptions(stop=True, volumes=True)
    return lifecycle.plan_remove(shop(), running(shop()).observed, Choice(), options)


@case
def keep_what_changed() -> Plan:
    changed = shop(environment={"DEBUG": "1"})
    return up(changed, running(shop()).observed, no_recreate=True)


@case
def recreate_what_the_named_services_need() -> Plan:
    return up(shop(), running(shop()).observed, services=("web",), always_recreate_deps=True)


@case
def create_without_starting() -> Plan:
    return up(shop(), World().observed, start=False)


@case
def down() -> Plan:
    return teardown.plan_down(shop(), running(shop()).observed, teardown.DownOptions())


@case
def down_with_volumes_without_a_file() -> Plan:
    return teardown.plan_down(None, running(shop()).observed, teardown.DownOptions(volumes=True))


@case
def stop_in_order() -> Plan:
    return lifecycle.plan_stop(shop(), running(shop()).observed, Choice(), None)


@case
def restart_one_service() -> Plan:
    return lifecycle.plan_restart(shop(), running(shop()).observed, Choice(services=("web",)), None)


@pytest.mark.parametrize("name", sorted(CASES))
def test_plan_reads_as_reviewed(name: str) -> None:
    golden = Path(__file__).with_name(f"{name}.txt")
    plan = CASES[name]()
    text = text_of(plan) + "".join(f"warning: {warning}\n" for warning in plan.warnings)
    if not golden.exists():
        golden.write_text(text)
        pytest.fail(f"{golden.name} was written: review it")
    assert text == golden.read_text()

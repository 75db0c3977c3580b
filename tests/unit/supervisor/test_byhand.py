"""What changes of a specification by hand, and which ports `--publish-all` means."""

import attrs
import pytest

from composer.model.container import ContainerSpec
from composer.model.limits import Limits
from composer.model.quantity import ByteSize
from composer.model.stack import PublishedPort, RestartKind, RestartPolicy, Service
from composer.supervisor.byhand import every_port, updated

SPEC = ContainerSpec(
    stack="default", service="web", number=1, name="web", image="busybox",
    limits=Limits(memory=ByteSize(64), cpus=1.5, pids=9), restart=RestartPolicy(kind=RestartKind.ALWAYS),
)  # fmt: skip


@pytest.mark.parametrize(
    ("service", "given", "expected"),
    [
        (Service(name="x"), [], {}),
        (
            Service(name="x", limits=Limits(memory=ByteSize(32))),
            ["mem_limit"],
            {"limits": {"memory": ByteSize(32)}},
        ),
        (Service(name="x", limits=Limits(pids=-1)), ["pids_limit"], {"limits": {"pids": -1}}),
        (
            Service(name="x", limits=Limits(cpu_quota=50_000)),
            ["cpu_quota"],
            {"limits": {"cpu_quota": 50_000, "cpus": None}},
        ),
        (Service(name="x", limits=Limits(cpus=2.0)), ["cpus"], {"limits": {"cpus": 2.0}}),
        (
            Service(name="x", restart=RestartPolicy(kind=RestartKind.ON_FAILURE, max_retries=2)),
            ["restart"],
            {"restart": RestartPolicy(kind=RestartKind.ON_FAILURE, max_retries=2)},
        ),
        (Service(name="x"), ["restart"], {"restart": RestartPolicy()}),
    ],
)
def test_only_what_was_given_changes(service: Service, given: list[str], expected: dict[str, object]) -> None:
    limits = attrs.evolve(SPEC.limits, **expected.get("limits", {}))
    wanted = attrs.evolve(SPEC, limits=limits, restart=expected.get("restart", SPEC.restart))
    assert updated(SPEC, service, given) == wanted


def test_a_quota_gives_way_to_processors() -> None:
    spec = attrs.evolve(SPEC, limits=Limits(cpu_quota=5000, cpu_period=10_000))
    assert updated(spec, Service(name="x", limits=Limits(cpus=2.0)), ["cpus"]).limits == Limits(cpus=2.0)


def test_every_exposed_port_is_published_once() -> None:
    published = (PublishedPort(target=80, published=8080),)
    found = every_port(published, ("80/tcp", "443", "53/udp", "90-91", "443/tcp"))
    assert found[0] == published[0]
    assert sorted((port.target, port.protocol) for port in found) == [
        (53, "udp"), (80, "tcp"), (90, "tcp"), (91, "tcp"), (443, "tcp"),
    ]  # fmt: skip

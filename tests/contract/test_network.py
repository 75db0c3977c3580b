"""What every ``protocols.Network`` promises; the real driver needs root."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host.database import Database
from composer.host.paths import Paths
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.protocols import Network
from composer.model.stack import Pool, PublishedPort
from composer.network.driver import LinuxNetwork
from tests.fakes.network import FakeNetwork


@attrs.define
class Subject:
    """A driver and the unique stack that a test may fill; everything of it is removed afterwards."""

    network: Network
    stack: str
    networks: list[str] = attrs.field(factory=list)
    containers: list[str] = attrs.field(factory=list)
    handles: list = attrs.field(factory=list)

    def spec(self, key: str, *, subnet: str | None = None, **fields: object) -> NetworkSpec:
        name = f"{self.stack}_{key}"
        self.networks.append(name)
        if subnet is not None:
            fields["pools"] = (Pool(subnet=subnet),)
        return NetworkSpec(stack=self.stack, key=key, name=name, **fields)

    def connect(self, container: str, *networks: str, ports=(), address=None, names=("web",)):
        identity = (container + uuid.uuid5(uuid.NAMESPACE_OID, self.stack + container).hex * 2)[:64]
        self.containers.append(identity)
        memberships = {name: NetworkMembership(ipv4_address=address) for name in networks}
        handle, endpoints, published = self.network.connect(
            identity, memberships, names, ports, stack=self.stack
        )
        self.handles.append(handle)
        return identity, endpoints, published

    def clean(self) -> None:
        for handle in self.handles:
            handle.close()
        for container in self.containers:
            self.network.disconnect(container)
            self.network.release_container(container)
        for name in self.networks:
            self.network.remove(name)


@pytest.fixture(params=["fake", pytest.param("linux", marks=pytest.mark.root)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    stack = f"t{uuid.uuid4().hex[:10]}"
    if request.param == "fake":
        yield Subject(FakeNetwork(), stack)
        return
    root = Path(tempfile.mkdtemp(prefix="composer-test-", dir="/dev/shm"))
    paths = Paths(root / "data", root / "run")
    paths.make()
    database = Database(paths.database)
    made = Subject(LinuxNetwork(paths, database), stack)
    try:
        yield made
    finally:
        made.clean()
        database.close()
        shutil.rmtree(root)


def test_create_is_idempotent_and_observed_whole(subject: Subject) -> None:
    spec = subject.spec("default")
    first = subject.network.create(spec)
    assert subject.network.create(spec) == first
    assert subject.network.observe(subject.stack) == {spec.name: first}
    assert first.damage == ""
    assert subject.network.observe("another") == {}


def test_networks_get_subnets_of_their_own(subject: Subject) -> None:
    states = [subject.network.create(subject.spec(key)) for key in ("a", "b", "c")]
    assert len({state.subnet for state in states}) == 3
    assert len({state.bridge for state in states}) == 3


def test_declared_subnet_that_overlaps_is_refused(subject: Subject) -> None:
    taken = subject.network.create(subject.spec("a")).subnet
    with pytest.raises(errors.SubnetOverlap):
        subject.network.create(subject.spec("b", subnet=taken))
    assert list(subject.network.observe(subject.stack)) == [f"{subject.stack}_a"]


def test_another_stacks_network_is_not_taken_over(subject: Subject) -> None:
    spec = subject.spec("a")
    subject.network.create(spec)
    with pytest.raises(errors.ConflictError):
        subject.network.create(attrs.evolve(spec, stack="another"))


def test_remove_is_idempotent(subject: Subject) -> None:
    spec = subject.spec("default")
    subject.network.create(spec)
    subject.network.remove(spec.name)
    subject.network.remove(spec.name)
    assert subject.network.observe(subject.stack) == {}


def test_interfaces_follow_sorted_names(subject: Subject) -> None:
    for key in ("back", "admin"):
        subject.network.create(subject.spec(key))
    _, endpoints, _ = subject.connect("c1", *reversed(subject.networks))
    assert [(e.network, e.interface) for e in endpoints] == [
        (f"{subject.stack}_admin", "eth0"),
        (f"{subject.stack}_back", "eth1"),
    ]


def test_unknown_network_is_refused(subject: Subject) -> None:
    with pytest.raises(errors.NetworkFailure):
        subject.connect("c1", "nowhere")


def test_links_and_endpoints_while_connected(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    identity, endpoints, _ = subject.connect("c1", name)
    assert subject.network.links(subject.stack) == {identity: frozenset({name})}
    assert tuple(subject.network.endpoints(subject.stack)) == endpoints
    subject.network.disconnect(identity)
    assert subject.network.links(subject.stack) == {}
    assert tuple(subject.network.endpoints(subject.stack)) == ()


def test_a_renamed_container_answers_to_its_new_name(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    identity, _, _ = subject.connect("c1", name, names=("web", "0123456789ab"))
    subject.network.rename(identity, "web", "front")
    (endpoint,) = subject.network.endpoints(subject.stack)
    assert set(endpoint.names) == {"front", "0123456789ab"}
    subject.network.rename(identity, "nobody", "somebody")
    assert set(subject.network.endpoints(subject.stack)[0].names) == {"front", "0123456789ab"}


def test_address_is_kept_until_release(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    identity, (before,), _ = subject.connect("c1", name)
    subject.connect("c2", name)
    subject.handles[0].close()
    subject.network.disconnect(identity)
    _, (other,), _ = subject.connect("c3", name)
    assert other.address != before.address
    _, (again,), _ = subject.connect("c1", name)
    assert again.address == before.address
    subject.handles[-1].close()
    subject.network.disconnect(identity)
    subject.network.release_container(identity)
    _, (heir,), _ = subject.connect("c4", name)
    assert heir.address == before.address


def test_static_address(subject: Subject) -> None:
    state = subject.network.create(subject.spec("default"))
    wanted = state.subnet.rpartition(".")[0] + ".200"
    _, (endpoint,), _ = subject.connect("c1", state.spec.name, address=wanted)
    assert endpoint.address == wanted
    with pytest.raises(errors.ConflictError):
        subject.connect("c2", state.spec.name, address=wanted)
    with pytest.raises(errors.UsageError):
        subject.connect("c3", state.spec.name, address="192.0.2.200")


def test_subnet_without_room(subject: Subject) -> None:
    free = subject.network.create(subject.spec("probe"))
    subnet = free.subnet.rpartition(".")[0] + ".0/30"
    subject.network.remove(free.spec.name)
    name = subject.network.create(subject.spec("tiny", subnet=subnet)).spec.name
    subject.connect("c1", name)
    with pytest.raises(errors.ConflictError):
        subject.connect("c2", name)


def test_random_port_is_sticky(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    port = PublishedPort(target=80)
    identity, _, (first,) = subject.connect("c1", name, ports=[port])
    assert first.published > 0
    assert subject.network.published(identity) == (first,)
    subject.handles[-1].close()
    subject.network.disconnect(identity)
    _, _, (second,) = subject.connect("c1", name, ports=[port])
    assert second == first


def test_port_of_another_container_is_taken(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    identity, _, (first,) = subject.connect("c1", name, ports=[PublishedPort(target=80)])
    wanted = PublishedPort(target=80, published=first.published)
    with pytest.raises(errors.PortTaken):
        subject.connect("c2", name, ports=[wanted])
    subject.network.disconnect(identity)
    subject.connect("c3", name, ports=[wanted])


def test_reconnect_needs_a_lease(subject: Subject) -> None:
    name = subject.network.create(subject.spec("default")).spec.name
    with pytest.raises(errors.NetworkFailure):
        subject.network.reconnect("f" * 64, 1, name)


def test_container_without_networks(subject: Subject) -> None:
    _, endpoints, published = subject.connect("c1")
    assert endpoints == ()
    assert published == ()
    assert subject.handles[0].path.startswith("/proc/")


def test_build_namespace_closes(subject: Subject) -> None:
    handle = subject.network.build_namespace()
    assert handle.path.startswith("/proc/")
    handle.close()
    handle.close()

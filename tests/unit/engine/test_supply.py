"""Store and registries together: when something is fetched, under which names it is kept, how it is stopped."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.engine.supply import ImageSupply
from composer.host.database import Database
from composer.host.paths import Paths
from composer.host.process import StopFlag
from composer.image.store import Store
from composer.model import platforms, pulling
from composer.model.distribution import Transfer, TransferState
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry, Stored
from tests.images import tar_of

pytestmark = pytest.mark.root  # layers keep their owners


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with fake.serving() as registry:
        yield registry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    yield Store(paths, database)
    database.close()


@pytest.fixture
def supply(store: Store, tmp_path: Path) -> Callable[..., ImageSupply]:
    """Opens the supply with a ``registries.conf`` of this text."""

    def open_supply(conf: str = "", **environment: str) -> ImageSupply:
        (tmp_path / "registries.conf").write_text(conf)
        own = {"HOME": str(tmp_path), "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
        return ImageSupply(store, {**own, **environment})

    return open_supply


def publish(server: FakeRegistry, name: str, *contents: str, **config: object) -> Stored:
    plain = [tar_of({f"file{number}": content}) for number, content in enumerate(contents)]
    fields = {
        "architecture": platforms.this_host().architecture,
        "rootfs": {"type": "layers", "diff_ids": [fake.digest_of(one) for one in plain]},
        **config,
    }
    return server.add_image(name, *(gzip.compress(one, mtime=0) for one in plain), **fields)


def test_a_pulled_image_is_whole(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    made = publish(server, "app:1", "one", "two")
    heard: list[Transfer] = []
    image = supply().pull(f"{server.host}/app:1", report=heard.append)
    assert image.id == made.config
    assert image.tags == (f"{server.host}/app:1",)
    assert image.digests == (f"{server.host}/app@{made.digest}",)
    one, two = store.layer_paths(image)
    assert ((one / "file0").read_text(), (two / "file1").read_text()) == ("one", "two")
    for layer in made.layers:
        assert [item for item in heard if item.digest == layer][-1].state is TransferState.DONE


def test_layers_are_unpacked_while_others_are_on_their_way(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    made = publish(server, "app:1", "first", "second")
    server.faults[made.layers[1]] = [fake.stall_at(3)]

    def report(transfer: Transfer) -> None:
        if transfer.digest == made.layers[0] and transfer.state is TransferState.DONE:
            server.gone.set()  # only now the stalled layer goes on

    supply().pull(f"{server.host}/app:1", report=report)
    assert server.gone.is_set()


@pytest.mark.parametrize(
    ("policy", "fetches"),
    [
        ("missing", False),
        ("never", False),
        ("build", False),
        ("always", True),
        ("daily", False),
        ("every_0s", True),
    ],
)
def test_policies_of_what_is_there(
    server: FakeRegistry, supply: Callable[..., ImageSupply], policy: str, fetches: bool
) -> None:
    publish(server, "app:1", "one")
    former = supply().ensure(f"{server.host}/app:1")
    moved = publish(server, "app:1", "two")
    image = supply().ensure(f"{server.host}/app:1", pulling.parse(policy))
    assert image.id == (moved.config if fetches else former.id)


@pytest.mark.parametrize("policy", ["never", "build"])
def test_what_may_not_be_fetched(
    server: FakeRegistry, supply: Callable[..., ImageSupply], policy: str
) -> None:
    publish(server, "app:1", "one")
    with pytest.raises(errors.ImageNotFound):
        supply().ensure(f"{server.host}/app:1", pulling.parse(policy))
    assert server.seen == []


def test_what_did_not_move_is_confirmed_without_its_manifest(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    publish(server, "app:1", "one")
    name = f"{server.host}/app:1"
    supply().pull(name)
    moment = store.named_at(name)
    server.seen.clear()
    supply().pull(name)
    assert server.requests("GET", "manifests") == []
    assert len(server.requests("HEAD", "manifests")) == 1
    assert store.named_at(name) > moment


def test_another_platform_is_another_image(server: FakeRegistry, supply: Callable[..., ImageSupply]) -> None:
    mine = publish(server, "app:mine", "mine")
    other = publish(server, "app:other", "other", architecture="s390x")
    server.add_index("app:1", (mine, platforms.of_host()), (other, "linux/s390x"))
    name = f"{server.host}/app:1"
    assert supply().pull(name).id == mine.config
    assert supply().pull(name, platform="linux/s390x").id == other.config
    assert supply().pull(name).id == mine.config
    assert supply(DOCKER_DEFAULT_PLATFORM="linux/s390x").pull(name).id == other.config
    with pytest.raises(errors.UsageError, match="invalid platform"):
        supply().pull(name, platform="a/b/c/d")


def test_an_alias_is_kept_under_both_names(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    made = publish(server, "team/app:1", "one")
    image = supply(f'[aliases]\napp = "{server.host}/team/app"\n').pull("app:1")
    assert set(image.tags) == {"docker.io/library/app:1", f"{server.host}/team/app:1"}
    assert image.digests == (f"{server.host}/team/app@{made.digest}",)
    assert store.get("app:1").id == made.config


def test_what_is_pulled_by_digest_is_found_by_it(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    made = publish(server, "app:1", "one")
    name = f"{server.host}/app@{made.digest}"
    assert supply().pull(name).tags == ()
    assert store.get(name).id == made.config


def test_a_push_is_remembered(server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]) -> None:
    publish(server, "app:1", "one")
    image = supply().pull(f"{server.host}/app:1")
    name = f"{server.host}/copy:1"
    store.tag(name, image.id)
    digest = supply().push(name)
    assert f"{server.host}/copy@{digest}" in store.get(name).digests
    with pytest.raises(errors.UsageError, match="named by digest"):
        supply().push(f"{server.host}/copy@{digest}")


def test_an_interrupt_ends_the_unpacking_too(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    publish(server, "app:1", "one")
    flag = StopFlag()

    def report(transfer: Transfer) -> None:
        if transfer.state is TransferState.UNPACKING:
            flag.set()

    with pytest.raises(errors.Interrupted):
        supply().pull(f"{server.host}/app:1", report=report, interrupt=flag)
    assert store.find(f"{server.host}/app:1") is None
    supply().pull(f"{server.host}/app:1")


def test_a_layer_that_is_not_what_the_image_promises(
    server: FakeRegistry, store: Store, supply: Callable[..., ImageSupply]
) -> None:
    publish(server, "app:1", "one", rootfs={"type": "layers", "diff_ids": ["sha256:" + "1" * 64]})
    with pytest.raises(errors.DigestMismatch):
        supply().pull(f"{server.host}/app:1")
    assert store.list() == []


def test_without_a_network_the_ways_without_one_are_named(supply: Callable[..., ImageSupply]) -> None:
    with pytest.raises(errors.RegistryUnreachable) as caught:
        supply().pull("registry.invalid/debian:12")
    assert "composer image bootstrap registry.invalid/debian:12" in caught.value.hint

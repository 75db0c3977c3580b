"""Registries that fail in the middle: three layers, each under every fault (reliability F30-F32)."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from composer import errors
from composer.host.process import StopFlag
from composer.image.blobs import ContentStore
from composer.model.distribution import Transfer, TransferState
from composer.registry.registry import Registry
from composer.registry.retry import Patience
from tests.fakes import registry as fake
from tests.fakes.blobs import FakeBlobs
from tests.fakes.registry import FakeRegistry, Fault
from tests.workbench import eventually

OpenRegistry = Callable[..., Registry]

SIZES = (10, 60_000, 300_000)
CUT = 5_000


def layers() -> list[bytes]:
    source = random.Random(1)
    return [source.randbytes(size) for size in SIZES]


def nothing(_transfer: Transfer) -> None:
    return


SURVIVED: dict[str, list[Fault]] = {
    "reset": [fake.reset_at(CUT)],
    "reset at once": [fake.reset_at(0)],
    "reset again and again": [fake.reset_at(CUT)] * 9,
    "stall": [fake.stall_at(CUT)],
    "500": [fake.status(500)],
    "502 and 503": [fake.status(502), fake.status(503)],
    "429 with a date": [fake.status(429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT")],
    "429 with seconds": [fake.status(429, Retry_After="0")],
    "truncated": [fake.truncated_at(CUT)],
    "wrong length": [fake.wrong_length],
    "range ignored": [fake.reset_at(CUT), fake.whole],
    "wrong range": [fake.reset_at(CUT), fake.wrong_range],
    "token expired": [fake.token_expired],
    "token expired in the middle": [fake.reset_at(CUT), fake.token_expired],
    "slow drip": [fake.drip],
    "corrupted once": [fake.corrupted],
}


@pytest.mark.parametrize("which", range(3), ids=["tiny", "small", "large"])
@pytest.mark.parametrize("name", SURVIVED)
def test_it_is_survived(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, name: str, which: int
) -> None:
    server.scheme, server.users = "bearer", {}
    image = server.add_image("app:1", *layers())
    server.faults[image.layers[which]] = list(SURVIVED[name])
    arrived = registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    assert arrived.pulled.manifest.digest == image.digest
    for digest, content in zip(image.layers, layers(), strict=True):
        assert blobs.path(digest).read_bytes() == content
    if "corrupted" not in name and "range" not in name:
        size = SIZES[which]
        assert blobs.written[image.layers[which]] == size, "not a byte was stored twice"


FATAL: dict[str, tuple[Fault, type[errors.ComposerError], str]] = {
    "401": (fake.status(401), errors.RegistryDenied, "wants a login"),
    "403": (fake.status(403), errors.RegistryDenied, "forbids"),
    "404": (fake.status(404), errors.RegistryNotFound, "does not have"),
    "429 for an hour": (fake.status(429, Retry_After="3600"), errors.RegistryBusy, "no more requests"),
    "500 for ever": (fake.status(500), errors.RegistryError, "answers 500"),
    "redirect loop": (fake.redirect_to(""), errors.RegistryError, "circle"),
    "redirect to a file": (fake.redirect_to("file:///etc/passwd"), errors.RegistryError, "no HTTP address"),
    "reset for ever": (fake.reset_at(0), errors.RegistryUnreachable, "cut"),
    "corrupted for ever": (fake.corrupted, errors.DigestMismatch, "sha256"),
    "wrong length for ever": (fake.wrong_length, errors.RegistryError, "announces"),
    "too short for ever": (fake.truncated_at(5), errors.RegistryError, "too early"),
}


@pytest.mark.parametrize("name", FATAL)
def test_it_fails_with_the_reason_in_bounded_time(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs, name: str
) -> None:
    fault, kind, said = FATAL[name]
    image = server.add_image("app:1", *layers())
    server.faults[image.layers[1]] = [fault] * 20
    with pytest.raises(kind, match=said):
        registry_as().pull(f"{server.host}/app:1", blobs, report=nothing)
    assert not blobs.has(image.layers[1])
    assert len(server.faults[image.layers[1]]) >= 10, "it gave up soon"


PULLING = """
import sys
from pathlib import Path
from composer.image.blobs import ContentStore
from composer.registry.registry import Registry
from composer.registry.retry import Patience
Registry({"CONTAINERS_REGISTRIES_CONF": "/dev/null"}).pull(
    sys.argv[1], ContentStore(Path(sys.argv[2])), report=lambda transfer: None
)
"""


def test_a_killed_pull_goes_on_where_it_was(
    server: FakeRegistry, registry_as: OpenRegistry, tmp_path: Path
) -> None:
    content = random.Random(2).randbytes(4_000_000)
    image = server.add_image("app:1", content)
    server.faults[image.layers[0]] = [fake.stall_at(len(content) // 2)]
    name, part = f"{server.host}/app:1", tmp_path / "blobs/ingest" / image.layers[0].removeprefix("sha256:")
    victim = subprocess.Popen([sys.executable, "-c", PULLING, name, str(tmp_path)], cwd="/")
    try:
        eventually(lambda: part.exists() and part.stat().st_size == len(content) // 2)
    finally:
        victim.kill()
        victim.wait(10)
    store = ContentStore(tmp_path)
    registry_as().pull(name, store, report=nothing)
    assert store.path(image.layers[0]).read_bytes() == content
    assert server.sent[image.layers[0]] == len(content)


def test_a_large_layer_needs_little_memory(server: FakeRegistry, tmp_path: Path) -> None:
    image = server.add_image("app:1", bytes(200_000_000))
    # Not ru_maxrss: that of a child begins with what its parent, these tests, had when it forked.
    measuring = f"{PULLING}print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    done = subprocess.run(
        [sys.executable, "-c", measuring, f"{server.host}/app:1", str(tmp_path)],
        cwd="/", capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 80_000, "kilobytes"
    assert ContentStore(tmp_path).size(image.layers[0]) == 200_000_000


def test_ten_pulls_at_once_fetch_a_shared_layer_once(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    shared = random.Random(3).randbytes(500_000)
    images = [server.add_image(f"app{number}:1", shared, str(number).encode()) for number in range(10)]
    failures: list[BaseException] = []

    def pull(number: int) -> None:
        try:
            registry_as().pull(f"{server.host}/app{number}:1", blobs, report=nothing)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=pull, args=[number]) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert server.sent[images[0].layers[0]] == len(shared)
    assert len(server.requests("GET", images[0].layers[0])) == 1


def test_progress_is_reported_from_waiting_to_the_last_byte(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    image = server.add_image("app:1", *layers())
    heard: list[Transfer] = []
    registry_as().pull(f"{server.host}/app:1", blobs, report=heard.append)
    for digest, size in zip(image.layers, SIZES, strict=True):
        *_, last = states = [one for one in heard if one.digest == digest]
        assert states[0].state is TransferState.WAITING
        assert (last.state, last.done) == (TransferState.TRANSFERRING, size)
        assert all(one.total == size for one in heard if one.digest == digest)
    assert image.config not in {one.digest for one in heard}
    heard.clear()
    registry_as().pull(f"{server.host}/app:1", blobs, report=heard.append)
    assert {one.state for one in heard} == {TransferState.PRESENT}


def test_an_interrupt_wakes_a_stalled_transfer(
    server: FakeRegistry, registry_as: OpenRegistry, blobs: FakeBlobs
) -> None:
    image = server.add_image("app:1", *layers())
    server.faults[image.layers[2]] = [fake.stall_at(CUT)]
    flag = StopFlag()

    def report(transfer: Transfer) -> None:
        if transfer.digest == image.layers[2] and transfer.state is TransferState.TRANSFERRING:
            flag.set()

    with pytest.raises(errors.Interrupted):
        registry_as(Patience(stall=60)).pull(f"{server.host}/app:1", blobs, report=report, interrupt=flag)

"""What every ``distribution.Blobs`` promises to the registry client and to archives."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from composer import errors
from composer.image.blobs import ContentStore
from composer.model.distribution import Blobs, Descriptor
from tests.fakes.blobs import FakeBlobs

MAKERS: dict[str, Callable[[Path], Blobs]] = {"fake": FakeBlobs, "store": ContentStore}
"""For each implementation how it is opened on an empty directory; opening twice gives the same content."""

CONTENT = bytes(range(256)) * 4


def of(content: bytes) -> Descriptor:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Descriptor(media_type="application/octet-stream", digest=digest, size=len(content))


@pytest.fixture(params=sorted(MAKERS))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Blobs]:
    """Opens the store anew, as another process would."""
    return lambda: MAKERS[request.param](tmp_path)


@pytest.fixture
def blobs(reopen: Callable[[], Blobs]) -> Blobs:
    return reopen()


def write_whole(blobs: Blobs, content: bytes) -> Descriptor:
    descriptor = of(content)
    with blobs.writer(descriptor) as writer:
        writer.write(content)
        writer.commit()
    return descriptor


def test_what_was_committed_is_there(blobs: Blobs) -> None:
    assert not blobs.has(of(CONTENT).digest)
    descriptor = write_whole(blobs, CONTENT)
    assert blobs.has(descriptor.digest)
    with blobs.open(descriptor.digest) as file:
        assert file.read() == CONTENT
    assert blobs.path(descriptor.digest).read_bytes() == CONTENT


def test_small_content_is_put_by_its_digest(blobs: Blobs) -> None:
    assert blobs.put(b"{}") == of(b"{}").digest
    assert blobs.put(b"{}") == of(b"{}").digest
    with blobs.open(of(b"{}").digest) as file:
        assert file.read() == b"{}"


def test_the_empty_blob_is_a_blob(blobs: Blobs) -> None:
    descriptor = write_whole(blobs, b"")
    assert blobs.has(descriptor.digest)


def test_a_missing_blob_is_a_damaged_store(blobs: Blobs) -> None:
    with pytest.raises(errors.StoreDamaged):
        blobs.open(of(CONTENT).digest)


def test_nothing_is_published_before_the_commit(blobs: Blobs) -> None:
    with blobs.writer(of(CONTENT)) as writer:
        writer.write(CONTENT)
        assert not blobs.has(of(CONTENT).digest)
    assert not blobs.has(of(CONTENT).digest)


@pytest.mark.parametrize("pause", ["left early", "failed", "another process"])
def test_what_came_is_kept_for_the_next_writer(blobs: Blobs, reopen: Callable[[], Blobs], pause: str) -> None:
    def begin() -> None:
        with blobs.writer(of(CONTENT)) as writer:
            assert writer.offset == 0
            writer.write(CONTENT[:100])
            assert writer.offset == 100
            if pause == "failed":
                raise ConnectionResetError

    if pause == "failed":
        with pytest.raises(ConnectionResetError):
            begin()
    else:
        begin()
    later = reopen() if pause == "another process" else blobs
    with later.writer(of(CONTENT)) as writer:
        assert writer.offset == 100
        writer.write(CONTENT[100:])
        writer.commit()
    assert later.has(of(CONTENT).digest)


def test_a_source_that_cannot_resume_begins_again(blobs: Blobs) -> None:
    with blobs.writer(of(CONTENT)) as writer:
        writer.write(CONTENT[:100])
        writer.restart()
        assert writer.offset == 0
        writer.write(CONTENT)
        writer.commit()
    assert blobs.has(of(CONTENT).digest)


def test_more_than_was_announced_is_refused(blobs: Blobs) -> None:
    with blobs.writer(of(CONTENT)) as writer, pytest.raises(errors.ImageError):
        writer.write(CONTENT + b"!")
    assert not blobs.has(of(CONTENT).digest)


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT[:-1] + b"!"], ids=["short", "other"])
def test_content_that_is_not_its_digest_is_forgotten(blobs: Blobs, wrong: bytes) -> None:
    with blobs.writer(of(CONTENT)) as writer:
        writer.write(wrong)
        with pytest.raises(errors.DigestMismatch):
            writer.commit()
    assert not blobs.has(of(CONTENT).digest)
    with blobs.writer(of(CONTENT)) as writer:
        assert writer.offset == 0


def test_a_second_writer_waits_for_the_first(blobs: Blobs) -> None:
    found: list[bool] = []
    has_begun = threading.Event()

    def second() -> None:
        has_begun.set()
        with blobs.writer(of(CONTENT)):
            found.append(blobs.has(of(CONTENT).digest))

    with blobs.writer(of(CONTENT)) as writer:
        other = threading.Thread(target=second)
        other.start()
        assert has_begun.wait(10)
        writer.write(CONTENT)
        writer.commit()
        assert found == []
    other.join(10)
    assert found == [True]


def test_writers_of_different_blobs_do_not_wait(blobs: Blobs) -> None:
    with blobs.writer(of(b"one")) as one, blobs.writer(of(b"two")) as two:
        one.write(b"one")
        two.write(b"two")
        one.commit()
        two.commit()
    assert blobs.has(of(b"one").digest)
    assert blobs.has(of(b"two").digest)


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../x", "md5:0123", "sha256:" + "A" * 64, "sha256:" + "a" * 63]
)
def test_what_is_no_digest_never_becomes_a_path(digest: str, blobs: Blobs) -> None:
    with pytest.raises(errors.ImageError):
        blobs.path(digest)

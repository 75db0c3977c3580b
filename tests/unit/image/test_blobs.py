"""Content by digest: verified, resumed, written once, and never below a path that it names itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from composer import errors
from composer.image import blobs
from composer.image.blobs import ContentStore
from composer.model.distribution import Descriptor

DATA = bytes(range(256)) * 40


def described(data: bytes, **changes: object) -> Descriptor:
    fields = {"media_type": "x", "digest": blobs.digest_of(data), "size": len(data), **changes}
    return Descriptor(**fields)  # type: ignore[arg-type]


def parts(root: Path) -> list[str]:
    return sorted(os.listdir(root / "blobs/ingest"))


def test_what_is_committed_is_there(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    wanted = described(DATA)
    assert not store.has(wanted.digest)
    with store.writer(wanted) as writer:
        writer.write(DATA[:100])
        assert not store.has(wanted.digest)
        writer.write(DATA[100:])
        writer.commit()
    assert store.has(wanted.digest)
    assert store.path(wanted.digest).read_bytes() == DATA
    assert store.digests() == [wanted.digest]
    assert parts(tmp_path) == []
    assert store.path(wanted.digest).stat().st_mode & 0o777 == 0o600


def test_a_cut_transfer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    wanted = described(DATA)
    with store.writer(wanted) as writer:
        writer.write(DATA[:5000])
    assert not store.has(wanted.digest)
    with store.writer(wanted) as writer:
        assert writer.offset == 5000
        writer.write(DATA[5000:])
        writer.commit()
    assert store.path(wanted.digest).read_bytes() == DATA


def test_a_source_that_cannot_resume_begins_anew(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    wanted = described(DATA)
    with store.writer(wanted) as writer:
        writer.write(b"other")
    with store.writer(wanted) as writer:
        assert writer.offset == 5
        writer.restart()
        assert writer.offset == 0
        writer.write(DATA)
        writer.commit()
    assert store.has(wanted.digest)


@pytest.mark.parametrize("data", [DATA[:-1], DATA[:-1] + b"x", b""], ids=["short", "another", "nothing"])
def test_what_is_not_what_its_digest_says_is_forgotten(data: bytes, tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    wanted = described(DATA)
    with store.writer(wanted) as writer:
        writer.write(data)
        with pytest.raises(errors.DigestMismatch):
            writer.commit()
        assert writer.offset == 0
    assert not store.has(wanted.digest)
    assert parts(tmp_path) == []


def test_more_than_was_announced_is_refused(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    wanted = described(DATA, size=10)
    with store.writer(wanted) as writer, pytest.raises(errors.ImageError, match="longer"):
        writer.write(DATA)
    assert not store.has(wanted.digest)


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../etc/passwd", "sha512:" + "a" * 128, "sha256:" + "A" * 64, "sha256:" + "a" * 63, "", "x"],
)
def test_no_path_is_made_of_what_is_no_digest(digest: str, tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    for use in (store.has, store.path, store.open, lambda text: store.writer(described(b"", digest=text))):
        with pytest.raises(errors.ImageError, match="not a SHA-256"):
            use(digest)


def test_a_missing_blob_is_damage_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreDamaged) as caught:
        ContentStore(tmp_path).open(blobs.digest_of(b"x"))
    assert "system check" in caught.value.hint


def test_ten_writers_of_one_blob_write_it_once(tmp_path: Path) -> None:
    written: list[int] = []
    wanted = described(DATA)
    barrier = threading.Barrier(10)

    def fetch() -> None:
        store = ContentStore(tmp_path)
        barrier.wait()
        with store.writer(wanted) as writer:
            rest = DATA[writer.offset :]
            if rest:
                written.append(len(rest))
                writer.write(rest)
            writer.commit()

    threads = [threading.Thread(target=fetch) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [len(DATA)]
    assert ContentStore(tmp_path).path(wanted.digest).read_bytes() == DATA


def test_a_writer_takes_over_from_a_killed_process(tmp_path: Path) -> None:
    wanted = described(DATA)
    code = (
        "import sys; from pathlib import Path; from composer.image.blobs import ContentStore\n"
        "from composer.model.distribution import Descriptor\n"
        f"wanted = Descriptor(media_type='x', digest={wanted.digest!r}, size={wanted.size})\n"
        f"writer = ContentStore(Path({str(tmp_path)!r})).writer(wanted)\n"
        "writer.write(bytes(range(256)))\nprint('ready', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        holder.kill()
    with ContentStore(tmp_path).writer(wanted) as writer:
        assert writer.offset == 256
        writer.write(DATA[256:])
        writer.commit()
    assert ContentStore(tmp_path).has(wanted.digest)


def test_sweeping_spares_what_is_being_written(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    with store.writer(described(b"abandoned")) as left:
        left.write(b"aband")
    with store.writer(described(DATA)) as busy:
        busy.write(DATA[:10])
        assert store.sweep() == 5
        busy.write(DATA[10:])
        busy.commit()
    assert store.has(blobs.digest_of(DATA))
    assert parts(tmp_path) == []


def test_a_full_disk_keeps_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ContentStore(tmp_path)

    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    with store.writer(described(DATA)) as writer:
        writer.write(DATA[:100])
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(errors.RuntimeFailure, match=r"blobs/ingest/.*No space left") as caught:
            writer.write(DATA[100:])
    assert "prune" in caught.value.hint
    assert parts(tmp_path) == []


def test_small_content_is_put_and_read_within_bounds(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    digest = store.put(b"{}")
    assert store.put(b"{}") == digest
    assert store.read(digest, limit=2) == b"{}"
    with pytest.raises(errors.ImageError, match="more than 1 bytes"):
        store.read(digest, limit=1)
    assert store.delete(digest) == 2
    assert not store.has(digest)

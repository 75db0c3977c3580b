from __future__ import annotations

import threading
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile.cachemounts import CacheMounts
from composer.dockerfile.stop import Stop
from composer.host.process import StopFlag


@pytest.fixture
def caches(tmp_path: Path) -> CacheMounts:
    return CacheMounts(tmp_path)


def nothing(_: Path) -> None:
    """Fill a new cache with nothing."""


def test_content_outlives_its_user_and_is_made_once(caches: CacheMounts) -> None:
    made: list[Path] = []
    stop = Stop(StopFlag())
    for number in range(2):
        with caches.held(("../../id",), "shared", stop, made.append) as tree:
            (tree / str(number)).touch()
    assert sorted(path.name for path in tree.iterdir()) == ["0", "1"]
    assert len(made) == 1
    assert [record.id for record in caches.records()] == ["../../id"]


def test_what_it_begins_with_makes_another_cache(caches: CacheMounts) -> None:
    stop = Stop(StopFlag())
    with (
        caches.held(("a", "x"), "shared", stop, nothing) as one,
        caches.held(("a", "y"), "shared", stop, nothing) as other,
    ):
        assert one != other


def test_private_ones_are_never_shared_and_used_again(caches: CacheMounts) -> None:
    stop = Stop(StopFlag())
    with caches.held(("a",), "private", stop, nothing) as first:
        with caches.held(("a",), "private", stop, nothing) as second:
            assert first != second
    with caches.held(("a",), "private", stop, nothing) as third:
        assert third == first


def test_a_locked_one_waits_its_turn(caches: CacheMounts) -> None:
    stop = Stop(StopFlag())
    order: list[str] = []

    def other() -> None:
        with caches.held(("a",), "locked", stop, nothing):
            order.append("second")

    with caches.held(("a",), "locked", stop, nothing):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_waiting_ends_when_the_build_is_stopped(caches: CacheMounts) -> None:
    flag = StopFlag()
    flag.set()
    with caches.held(("a",), "locked", Stop(StopFlag()), nothing):
        with pytest.raises(errors.Interrupted):
            with caches.held(("a",), "locked", Stop(flag), nothing):
                pass


def test_a_content_that_cannot_be_made_leaves_none(caches: CacheMounts) -> None:
    stop = Stop(StopFlag())

    def fail(new: Path) -> None:
        (new / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        with caches.held(("a",), "shared", stop, fail):
            pass
    with caches.held(("a",), "shared", stop, nothing) as tree:
        assert list(tree.iterdir()) == []


def test_prune_leaves_what_is_in_use(caches: CacheMounts) -> None:
    stop = Stop(StopFlag())
    with caches.held(("a",), "shared", stop, nothing) as used:
        (used / "f").write_bytes(b"x" * 10000)
        with caches.held(("b",), "shared", stop, nothing) as unused:
            (unused / "f").write_bytes(b"x" * 10000)
        assert [record.is_in_use for record in sorted(caches.records(), key=lambda one: one.id)] == [
            True,
            False,
        ]
        (gone,) = caches.prune()
        assert (gone.id, gone.size >= 10000) == ("b", True)
        assert used.exists()
        assert not unused.exists()
    assert caches.prune(older_than=0.0) == []
    assert [one.id for one in caches.prune()] == ["a"]
    assert caches.prune() == []

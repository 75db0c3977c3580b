from __future__ import annotations

import stat

import attrs
import pytest

from composer.dockerfile import cachekey
from composer.dockerfile.context import Entry, Selection

RUN = {"user": "", "working_dir": "/", "network": "default"}
ENTRY = Entry(path="a", location="src/a", kind=stat.S_IFREG, mode=0o644, digest="d", modified=1)


def copy_key(entry: Entry, rest: tuple[object, ...] = ("/dest",)) -> str:
    return cachekey.of_copy(("l",), [Selection(name="a", entries=(entry,))], rest)


def test_the_same_command_in_the_same_place_has_the_same_key() -> None:
    first = cachekey.of_run(("l",), ("sh",), {"a": "1", "b": "2"}, **RUN)
    assert first == cachekey.of_run(("l",), ("sh",), {"b": "2", "a": "1"}, **RUN)


@pytest.mark.parametrize(
    "other",
    [
        cachekey.of_run(("m",), ("sh", "x"), {"a": "1"}, **RUN),
        cachekey.of_run(("l",), ("sh x",), {"a": "1"}, **RUN),
        cachekey.of_run(("l",), ("sh", "x"), {"a": "2"}, **RUN),
        cachekey.of_run(("l",), ("sh", "x"), {}, **RUN),
        cachekey.of_run(("l",), ("sh", "x"), {"a": "1"}, **{**RUN, "user": "u"}),
        cachekey.of_run(("l",), ("sh", "x"), {"a": "1"}, **{**RUN, "working_dir": "/w"}),
        cachekey.of_run(("l",), ("sh", "x"), {"a": "1"}, **{**RUN, "network": "none"}),
        cachekey.of_directory(("l",), "x"),
    ],
)
def test_whatever_a_command_sees_changes_the_key(other: str) -> None:
    assert cachekey.of_run(("l",), ("sh", "x"), {"a": "1"}, **RUN) != other


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "e"},
        {"mode": 0o755},
        {"uid": 1},
        {"gid": 1},
        {"path": "b"},
        {"kind": stat.S_IFLNK, "target": "x"},
        {"attributes": (("user.a", b"1"),)},
        {"device": 1},
    ],
)
def test_whatever_makes_another_file_changes_the_key(change: dict[str, object]) -> None:
    assert copy_key(attrs.evolve(ENTRY, **change)) != copy_key(ENTRY)


@pytest.mark.parametrize("change", [{"modified": 2}, {"location": "elsewhere/a"}])
def test_times_and_places_do_not(change: dict[str, object]) -> None:
    assert copy_key(attrs.evolve(ENTRY, **change)) == copy_key(ENTRY)


def test_the_destination_counts() -> None:
    assert copy_key(ENTRY) != copy_key(ENTRY, ("/other",))


def test_parts_cannot_run_into_each_other() -> None:
    assert cachekey._key(("ab", "c")) != cachekey._key(("a", "bc"))
    assert cachekey._key(("a", ("b",))) != cachekey._key((("a",), "b"))
    assert cachekey._key("1") != cachekey._key(1) != cachekey._key(b"1")

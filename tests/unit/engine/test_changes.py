"""What a writable layer says was added, changed and deleted."""

import os
import stat

import pytest

from composer.engine.changes import OPAQUE, Changes, changes_of
from composer.host.filetree import Entry

DIRECTORY, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777
IMAGE = {
    "etc": DIRECTORY, "etc/passwd": FILE, "etc/ssl": DIRECTORY, "etc/ssl/a": FILE, "etc/ssl/b": FILE,
    "bin": DIRECTORY, "bin/sh": FILE, "sbin": LINK,
}  # fmt: skip


class Tree:
    def kind_and_owner(self, path: str) -> tuple[int, int, int] | None:
        return (IMAGE[path], 0, 0) if path in IMAGE else None

    def names(self, path: str) -> list[str]:
        return sorted(one.rpartition("/")[2] for one in IMAGE if one.rpartition("/")[0] == path)


def _gone(path: str) -> Entry:
    return Entry(path=path, mode=stat.S_IFCHR, device=os.makedev(0, 0))


def _changes(*entries: Entry) -> Changes:
    return changes_of([Entry(path="", mode=DIRECTORY), *entries], Tree())


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([Entry(path="new", mode=FILE)], ["A /new"]),
        ([Entry(path="etc", mode=DIRECTORY)], []),
        ([Entry(path="etc", mode=stat.S_IFDIR | 0o700)], ["C /etc"]),
        ([Entry(path="etc", mode=DIRECTORY, uid=5)], ["C /etc"]),
        ([Entry(path="etc", mode=DIRECTORY), Entry(path="etc/passwd", mode=FILE)], ["C /etc", "C /etc/passwd"]),
        ([Entry(path="etc", mode=DIRECTORY), Entry(path="etc/new", mode=FILE)], ["C /etc", "A /etc/new"]),
        ([Entry(path="etc", mode=DIRECTORY), _gone("etc/passwd")], ["C /etc", "D /etc/passwd"]),
        ([Entry(path="bin", mode=FILE)], ["C /bin"]),
        (
            [Entry(path="srv", mode=DIRECTORY), Entry(path="srv/x", mode=DIRECTORY), Entry(path="srv/x/f", mode=FILE)],
            ["A /srv", "A /srv/x", "A /srv/x/f"],
        ),
        (
            [
                Entry(path="etc", mode=DIRECTORY),
                Entry(path="etc/ssl", mode=DIRECTORY, xattrs={OPAQUE: b"y"}),
                Entry(path="etc/ssl/b", mode=FILE),
                Entry(path="etc/ssl/c", mode=FILE),
            ],
            ["C /etc", "C /etc/ssl", "D /etc/ssl/a", "C /etc/ssl/b", "A /etc/ssl/c"],
        ),
        ([_gone("etc")], ["D /etc"]),
        (
            [Entry(path="etc", mode=DIRECTORY), Entry(path="etc/hosts", mode=FILE), Entry(path="proc", mode=DIRECTORY)],
            [],
        ),
        (
            [Entry(path="etc", mode=DIRECTORY), Entry(path="etc/hosts", mode=FILE, size=9)],
            ["C /etc", "A /etc/hosts"],
        ),
    ],
)  # fmt: skip
def test_changes(entries: list[Entry], expected: list[str]) -> None:
    assert [str(change) for change in _changes(*entries).changes] == expected


def test_the_layer_holds_what_carries_a_change_and_no_stub() -> None:
    found = _changes(
        Entry(path="bin", mode=DIRECTORY),
        Entry(path="etc", mode=DIRECTORY),
        Entry(path="etc/hosts", mode=FILE),
        _gone("etc/passwd"),
        Entry(path="sys", mode=DIRECTORY),
    )
    assert [entry.path for entry in found.entries] == ["etc", "etc/passwd"]

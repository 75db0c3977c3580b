"""Where `cp` puts things: Docker's table."""

import pytest

from composer import errors
from composer.engine.copying import Kind, Named, Placement, placement

FILE, DIRECTORY, MISSING = Kind.FILE, Kind.DIRECTORY, Kind.MISSING


def _source(text: str, kind: Kind) -> Named:
    return Named(text=text, path=text, kind=kind, is_contents=text.endswith("/."))


@pytest.mark.parametrize(
    ("source", "kind", "target", "there", "expected"),
    [
        ("/a/f", FILE, "/t/new", MISSING, Placement("/t", "new")),
        ("/a/f", FILE, "/t/old", FILE, Placement("/t", "old")),
        ("/a/f", FILE, "/t", DIRECTORY, Placement("/t", "f")),
        ("/a/f", FILE, "/t/", DIRECTORY, Placement("/t/", "f")),
        ("/a/f", FILE, "/new", MISSING, Placement("/", "new")),
        ("/a/d", DIRECTORY, "/t/new", MISSING, Placement("/t", "new")),
        ("/a/d", DIRECTORY, "/t/new/", MISSING, Placement("/t", "new")),
        ("/a/d/.", DIRECTORY, "/t/new", MISSING, Placement("/t", "new")),
        ("/a/d", DIRECTORY, "/t", DIRECTORY, Placement("/t", "d")),
        ("/a/d/", DIRECTORY, "/t", DIRECTORY, Placement("/t", "d")),
        ("/a/d/.", DIRECTORY, "/t", DIRECTORY, Placement("/t", "")),
        ("/", DIRECTORY, "/t", DIRECTORY, Placement("/t", "")),
    ],
)
def test_table(source: str, kind: Kind, target: str, there: Kind, expected: Placement) -> None:
    assert placement(_source(source, kind), Named(text=target, path=target, kind=there)) == expected


@pytest.mark.parametrize(
    ("kind", "target", "there", "message"),
    [
        (FILE, "/t/new/", MISSING, "does not exist"),
        (FILE, "/t/old/", FILE, "is no directory"),
        (DIRECTORY, "/t/old", FILE, "cannot copy a directory over the file"),
    ],
)
def test_refused(kind: Kind, target: str, there: Kind, message: str) -> None:
    with pytest.raises(errors.UsageError, match=message):
        placement(_source("/a", kind), Named(text=target, path=target.rstrip("/"), kind=there))

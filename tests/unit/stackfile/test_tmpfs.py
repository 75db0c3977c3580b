"""The short form of a tmpfs mount."""

from __future__ import annotations

import pytest

from composer.stackfile import tmpfs


@pytest.mark.parametrize(
    ("text", "target", "size", "mode", "read_only"),
    [
        ("/t", "/t", None, None, False),
        ("/t/../u/", "/u", None, None, False),
        ("/t:size=1m,mode=1770,ro", "/t", 1 << 20, 0o1770, True),
        ("/t:rw,noexec,nosuid,nodev", "/t", None, None, False),
    ],
)
def test_parse(text: str, target: str, size: int | None, mode: int | None, read_only: bool) -> None:
    mount = tmpfs.parse(text)
    assert (mount.target, mount.size, mount.mode, mount.read_only) == (
        target,
        size,
        mode,
        read_only,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [("t", "absolute"), ("/t:mode=888", "octal"), ("/t:mode=", "octal"), ("/t:mode=777777", "octal"),
     ("/t:size=-1m", "invalid size"), ("/t:exec", "unsupported"), ("/t:uid=5", "unsupported"), ("/t:ro=1", "unsupported")],
)  # fmt: skip
def test_what_cannot_be_honoured(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tmpfs.parse(text)

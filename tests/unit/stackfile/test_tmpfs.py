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


def test_further_options_are_kept_as_they_are_written() -> None:
    mount = tmpfs.parse("/t:exec,uid=5,size=50%,nr_inodes=1k,noatime")
    assert mount.options == ("exec", "uid=5", "size=50%", "nr_inodes=1k", "noatime")
    assert mount.size is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("t", "absolute"), ("/t:mode=888", "octal"), ("/t:mode=", "octal"), ("/t:mode=777777", "octal"),
     ("/t:size=-1m", "invalid size"), ("/t:exe", "unsupported"), ("/t:uid=x", "unsupported"), ("/t:uid=-1", "unsupported"), ("/t:size=x%", "unsupported"), ("/t:ro=1", "unsupported")],
)  # fmt: skip
def test_what_cannot_be_honoured(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tmpfs.parse(text)

"""Detach keys: their grammar, and the keys found in what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.runtime import detachkeys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a", b"a"),
        ("ctrl-@,ctrl-a,ctrl-z", b"\x00\x01\x1a"),
        ("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x1b\x1c\x1d\x1e\x1f"),
        ("CTRL-X,x", b"\x18x"),
    ],
)
def test_keys_send_bytes(text: str, expected: bytes) -> None:
    assert detachkeys.parse(text) == expected


@pytest.mark.parametrize("text", ["", ",", "ctrl-", "ctrl-1", "ab", "ctrl-pq", "é", "ctrl-p,,ctrl-q"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(errors.UsageError, match="detach keys"):
        detachkeys.parse(text)


@pytest.mark.parametrize(
    ("typed", "passed", "detached"),
    [
        ([b"ls\n"], b"ls\n", False),
        ([b"\x10\x11"], b"", True),
        ([b"a\x10", b"\x11b"], b"a", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_keys_are_found_across_reads(typed: list[bytes], passed: bytes, detached: bool) -> None:
    detector = detachkeys.Detector(b"\x10\x11")
    found = [detector.feed(data) for data in typed]
    assert b"".join(data for data, _ in found) == passed
    assert found[-1][1] is detached


@given(st.lists(st.binary(max_size=4), max_size=8), st.sampled_from([b"aab", b"ab", b"a", b"aa"]))
def test_nothing_typed_is_lost_or_made_up(typed: list[bytes], keys: bytes) -> None:
    text = b"".join(typed).translate(bytes(ord("a") + code % 3 for code in range(256)))
    detector = detachkeys.Detector(keys)
    passed = b""
    for index in range(len(text)):
        data, is_detached = detector.feed(text[index : index + 1])
        passed += data
        if is_detached:
            assert text[: index + 1] == passed + keys
            return
    assert keys not in text
    assert text.startswith(passed)
    assert keys.startswith(text[len(passed) :])

"""``WWW-Authenticate``: the grammar of RFC 9110, and whatever servers make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.registry import challenge
from composer.registry.challenge import Challenge


def parsed(*headers: str) -> list[tuple[str, dict[str, str], str]]:
    return [(one.scheme, dict(one.parameters), one.token) for one in challenge.parse(headers)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="r"', [("basic", {"realm": "r"}, "")]),
        ("Basic", [("basic", {}, "")]),
        (
            'Bearer realm="https://auth.docker.io/token",service="hub",scope="repository:library/debian:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "hub",
                        "scope": "repository:library/debian:pull,push",
                    },
                    "",
                )
            ],
        ),
        # RFC 9110, 11.6.1
        (
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [
                ("basic", {"realm": "simple"}, ""),
                ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}, ""),
            ],
        ),
        (
            'Newauth realm="apps", type=1, Basic realm="simple"',
            [("newauth", {"realm": "apps", "type": "1"}, ""), ("basic", {"realm": "simple"}, "")],
        ),
        ("Negotiate, Basic", [("negotiate", {}, ""), ("basic", {}, "")]),
        ("Negotiate YII=, Basic realm=x", [("negotiate", {}, "YII="), ("basic", {"realm": "x"}, "")]),
        ('BEARER Realm = "a" , SERVICE= b', [("bearer", {"realm": "a", "service": "b"}, "")]),
        (',, Basic realm="a,b" ,,', [("basic", {"realm": "a,b"}, "")]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"}, "")]),
        ('Bearer realm="never closed', [("bearer", {}, "")]),
        ('Bearer service="s", realm="never closed', [("bearer", {"service": "s"}, "")]),
        ('realm="no scheme"', []),
        ("", []),
        ("\x00\xff", []),
    ],
)
def test_headers(header: str, expected: list[tuple[str, dict[str, str], str]]) -> None:
    assert parsed(header) == expected


def test_several_headers_are_one_list() -> None:
    assert [one[0] for one in parsed("Basic realm=a", 'Bearer realm="b"')] == ["basic", "bearer"]


def test_the_first_of_a_scheme_is_found() -> None:
    found = challenge.parse(['Bearer realm="a"', 'Basic realm="b", Bearer realm="c"'])
    assert challenge.find(found, "bearer") == Challenge(scheme="bearer", parameters={"realm": "a"})
    assert challenge.find(found, "digest") is None


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~!#$%&'*+^`|", min_size=1, max_size=12)
SCHEMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
CHALLENGES = st.lists(
    st.tuples(SCHEMES, st.dictionaries(TOKENS, VALUES, min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)


@given(CHALLENGES, st.sampled_from([",", ", ", " ,\t"]), st.sampled_from(["=", " = "]))
def test_what_is_written_is_read(written: list[tuple[str, dict[str, str]]], comma: str, equals: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = comma.join(
        f"{scheme} {comma.join(f'{name}{equals}{quoted(value)}' for name, value in parameters.items())}"
        for scheme, parameters in written
    )
    assert parsed(header) == [(scheme, parameters, "") for scheme, parameters in written]


@given(st.text(max_size=300))
def test_nothing_breaks_the_reader(header: str) -> None:
    for one in challenge.parse([header]):
        assert one.scheme == one.scheme.lower()


@pytest.mark.parametrize(
    "header", ['Basic realm="' + "\\" * 100_000, "a " * 100_000, "a=" * 100_000, ", " * 100_000]
)
def test_long_headers_take_no_time(header: str) -> None:
    assert len(challenge.parse([header])) <= challenge.LONGEST

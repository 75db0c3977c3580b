from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.dockerfile import pattern
from composer.dockerfile.pattern import Pattern


@pytest.mark.parametrize(
    ("text", "path", "is_match"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "a", True),
        ("*", "a/b", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a]", "/", False),
        ("[a\\]]", "]", True),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("a.c", "abc", False),
    ],
)
def test_match(text: str, path: str, *, is_match: bool) -> None:
    assert Pattern(text).matches(path) is is_match


@pytest.mark.parametrize(
    ("text", "path", "is_match"),
    [
        ("**", "a/b", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a", True),
        ("**/a", "xa", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "ab", False),
        ("**/*.pyc", "x/y.pyc", True),
        ("**/**/**/z", "a/z", True),
        ("**/a/**/b/**/c", "x/a/b/y/c", True),
        ("**/a/**/b/**/c", "x/a/y/c", False),
    ],
)
def test_double_star(text: str, path: str, *, is_match: bool) -> None:
    assert Pattern(text, knows_double_star=True).matches(path) is is_match


@pytest.mark.parametrize("text", ["[", "[a", "a\\", "[z-a]"])
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="syntax error in pattern"):
        Pattern(text)


@given(
    st.text(alphabet="ab/*?", min_size=1, max_size=8),
    st.text(alphabet="ab/", max_size=8),
)
def test_both_ways_of_matching_agree(text: str, path: str) -> None:
    by_regex = Pattern(text, knows_double_star=True)
    tokens = pattern._tokens(text, knows_double_star=True)
    automaton = pattern._Automaton(tokens)
    expression = pattern.re.compile("".join(map(pattern._regex, tokens)), pattern.re.DOTALL)
    assert automaton.matches(path) == (expression.fullmatch(path) is not None)
    assert by_regex.matches(path) == automaton.matches(path)

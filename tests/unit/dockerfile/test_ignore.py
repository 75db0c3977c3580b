from __future__ import annotations

import pytest

from composer.dockerfile import ignore


@pytest.mark.parametrize(
    ("text", "path", "is_ignored"),
    [
        ("", "a", False),
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a/", "a", True),
        ("./a", "a", True),
        ("  a  ", "a", True),
        ("a/../b", "b", True),
        ("# a\na", "a", True),
        ("#a", "#a", False),
        (" #a", "#a", True),
        ("*", "a/b", True),
        ("*/b", "a/b", True),
        ("*/b", "b", False),
        ("**/b", "b", True),
        ("*\n!a", "a", False),
        ("*\n!a", "a/b", False),
        ("!a\n*", "a", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README.md", False),
        ("a\n!a/keep", "a/keep/x", False),
        ("a\n!a/keep", "a/drop", True),
        ("! a", "a", False),
        ("/", "a", False),
        (".", "a", False),
        ("\ufeffa", "a", True),
        ("a\r\nb\r\n", "b", True),
    ],
)
def test_ignored(text: str, path: str, *, is_ignored: bool) -> None:
    assert ignore.parse(text).ignores(path) is is_ignored


def test_the_context_itself_is_never_ignored() -> None:
    assert not ignore.parse("*\n**").ignores("")


def test_marks_are_handed_down() -> None:
    rules = ignore.parse("a\n!a/b")
    above = rules.marks("a", rules.top)
    assert rules.is_ignored(above)
    assert not rules.is_ignored(rules.marks("a/b", above))
    assert rules.marks("a/b", above) == rules.marks_of("a/b")


@pytest.mark.parametrize("text", ["!", "[", "! "])
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        ignore.parse(text)

"""``.dockerignore``: which paths of the build context do not exist for the build.

The rules are those of moby's ``patternmatcher``: patterns are rooted at the context, a pattern that
matches a directory matches everything below it, ``!`` takes back, and the last match wins.
"""

from __future__ import annotations

import posixpath

import attrs

from composer.dockerfile.pattern import Pattern

Marks = tuple[bool, ...]
"""For one path, which rules match it or a directory above it."""


@attrs.frozen(kw_only=True)
class Rule:
    """One line of the file."""

    pattern: Pattern
    is_exception: bool = False


class IgnoreRules:
    """The rules in order.  A walk hands each directory's marks to its children."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self.rules = rules
        self.has_exceptions = any(rule.is_exception for rule in rules)
        self.top: Marks = (False,) * len(rules)

    def marks(self, path: str, above: Marks) -> Marks:
        """The marks of ``path``, whose parent directory has the marks ``above``."""
        return tuple(
            is_marked or rule.pattern.matches(path) for rule, is_marked in zip(self.rules, above, strict=True)
        )

    def is_ignored(self, marks: Marks) -> bool:
        """The verdict: the last rule that matches decides."""
        for rule, is_marked in zip(reversed(self.rules), reversed(marks), strict=True):
            if is_marked:
                return not rule.is_exception
        return False

    def marks_of(self, path: str) -> Marks:
        """The marks of any path, computed from the top ("" is the context itself)."""
        marks = self.top
        position = 0
        while self.rules and path and position >= 0:
            position = path.find("/", position + 1)
            marks = self.marks(path if position < 0 else path[:position], marks)
        return marks

    def ignores(self, path: str) -> bool:
        """Whether ``path`` (relative to the context, clean) is left out."""
        return self.is_ignored(self.marks_of(path))


def parse(text: str) -> IgnoreRules:
    """Read the file; raises ``ValueError`` for a malformed pattern."""
    rules: list[Rule] = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#"):
            continue
        pattern = line.strip()
        is_exception = pattern.startswith("!")
        if is_exception:
            pattern = pattern[1:].strip()
            if not pattern:
                message = 'illegal exclusion pattern: "!"'
                raise ValueError(message)
        if not pattern:
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        # "/" and "." name the context itself: they match nothing inside it.
        if pattern and pattern != ".":
            rules.append(Rule(pattern=Pattern(pattern, knows_double_star=True), is_exception=is_exception))
    return IgnoreRules(tuple(rules))

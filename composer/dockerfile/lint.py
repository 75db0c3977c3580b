"""Build checks: which of them run on a Dockerfile, what they found, and how that is shown.

``# check=skip=Name,Name;error=true`` at the top of the file, or the build argument
``BUILDKIT_DOCKERFILE_CHECK`` with the same words, chooses checks (``checks`` has them) and makes
findings errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from composer import errors
from composer.dockerfile import checks, lexer
from composer.dockerfile.checks import Finding
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.syntax import Dockerfile
from composer.model.image import ImageConfig

ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that takes the place of the directive."""

_ALL = "all"
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})
_CONTEXT_LINES = 2
_RULER = "-" * 20


@attrs.frozen(kw_only=True)
class Policy:
    """Which checks count, and whether a finding fails the build."""

    skipped: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    is_error: bool = False

    def runs(self, rule: str) -> bool:
        """Whether a check is wanted."""
        if rule in self.skipped or _ALL in self.skipped:
            return False
        return rule not in checks.EXPERIMENTAL or bool(self.experimental & {rule, _ALL})


@attrs.frozen(kw_only=True)
class Review:
    """The findings of one file, in the order of its lines."""

    dockerfile: Dockerfile
    findings: tuple[Finding, ...]
    policy: Policy = Policy()

    @property
    def failure(self) -> str:
        """Why the build must not go on; "" when it may."""
        if not self.findings or not self.policy.is_error:
            return ""
        rules = ", ".join(dict.fromkeys(one.rule for one in self.findings))
        return f"lint violation found for rules: {rules}"

    def details(self) -> Iterator[str]:
        """A text per finding with the lines it is about, as ``docker build --check`` shows it."""
        text = self.dockerfile.text.splitlines()
        for one in self.findings:
            first = max(1, one.line - _CONTEXT_LINES)
            shown = [
                f"{number:4} | {'>>>' if one.line <= number <= one.last else '   '} {line}".rstrip()
                for number, line in enumerate(text[first - 1 : one.last + _CONTEXT_LINES], first)
            ]
            yield "\n".join(
                [
                    f"WARNING: {one.rule} - {one.page}",
                    one.message,
                    f"{self.dockerfile.name}:{one.line}",
                    _RULER,
                    *shown,
                    _RULER,
                ]
            )

    def summary(self) -> Iterator[str]:
        """One line per finding with a heading; nothing when there is none."""
        if self.findings:
            count = len(self.findings)
            yield f"{count} warning{'s' if count > 1 else ''} found (use --check to see the lines):"
            yield from (f" - {one.summary}" for one in self.findings)


def review(
    dockerfile: Dockerfile,
    *,
    arguments: Mapping[str, str] | None = None,
    rules: IgnoreRules | None = None,
    config_of: Callable[[str], ImageConfig | None] = lambda _: None,
) -> Review:
    """Look at a whole file.

    ``arguments`` are the build's, ``rules`` its ``.dockerignore``, ``config_of`` gives the configuration
    of a base image by reference, or ``None`` when it is not known.  Raises ``BuildError`` for a ``check``
    directive that says something else.
    """
    policy = _policy_of(dockerfile, arguments or {})
    found = checks.findings(dockerfile, arguments or {}, rules or IgnoreRules(), config_of)
    wanted = [one for one in found if policy.runs(one.rule)]
    return Review(
        dockerfile=dockerfile,
        findings=tuple(sorted(dict.fromkeys(wanted), key=lambda one: (one.line, one.rule))),
        policy=policy,
    )


# --------------------------------------------------------------------------- which checks


def _policy_of(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Policy:
    text = arguments.get(ARGUMENT) or lexer.directives(dockerfile.text).get("check", "")
    try:
        return policy_from(text)
    except ValueError as error:
        message = f"{dockerfile.name}: {error}"
        raise errors.BuildError(message) from error


def policy_from(text: str) -> Policy:
    """``skip=A,B;error=true;experimental=all``; raises ``ValueError``."""
    policy = Policy()
    for part in filter(None, map(str.strip, text.split(";"))):
        name, equals, value = map(str.strip, part.partition("="))
        names = frozenset(word.strip() for word in value.split(","))
        if name == "skip" and equals:
            policy = attrs.evolve(policy, skipped=names)
        elif name == "experimental" and equals:
            policy = attrs.evolve(policy, experimental=names)
        elif name == "error" and value.lower() in _TRUE | _FALSE:
            policy = attrs.evolve(policy, is_error=value.lower() in _TRUE)
        else:
            message = (
                f"invalid check option {part!r}: there are skip=NAMES, error=true and experimental=NAMES"
            )
            raise ValueError(message)
    return policy

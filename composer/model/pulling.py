"""When an image is fetched: ``pull_policy`` (Compose Specification, ``spec.md``) and ``--pull``."""

from __future__ import annotations

import enum

import attrs

from composer.model.quantity import Duration


class PullWhen(enum.Enum):
    """The kinds of policy."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"
    BUILD = "build"
    REFRESH = "refresh"


_WORDS = {
    "missing": PullWhen.MISSING,
    "if_not_present": PullWhen.MISSING,
    "always": PullWhen.ALWAYS,
    "never": PullWhen.NEVER,
    "build": PullWhen.BUILD,
}
_INTERVALS = {"daily": Duration.parse("1d"), "weekly": Duration.parse("1w")}
_EVERY = "every_"


@attrs.frozen(kw_only=True)
class PullPolicy:
    """A policy as written in ``text``; ``interval`` says how old a REFRESH image may become."""

    when: PullWhen = PullWhen.MISSING
    interval: Duration = Duration(0)
    text: str = "missing"


MISSING = PullPolicy()
ALWAYS = PullPolicy(when=PullWhen.ALWAYS, text="always")
NEVER = PullPolicy(when=PullWhen.NEVER, text="never")


def parse(text: str | None) -> PullPolicy:
    """Read a policy, ``None`` and "" being the default; raises ``ValueError`` for what is none."""
    if not text:
        return MISSING
    if text in _WORDS:
        return PullPolicy(when=_WORDS[text], text=text)
    if text in _INTERVALS:
        return PullPolicy(when=PullWhen.REFRESH, interval=_INTERVALS[text], text=text)
    if text.startswith(_EVERY):
        interval = Duration.parse(text.removeprefix(_EVERY))
        return PullPolicy(when=PullWhen.REFRESH, interval=interval, text=text)
    message = f"invalid pull policy {text!r}"
    raise ValueError(message)

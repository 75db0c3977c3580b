"""What is tried again, and after how long: decisions only.

Back-off doubles and is jittered, so that many clients do not come back at the same moment (AWS
Architecture Blog, "Exponential Backoff And Jitter").  A server's ``Retry-After`` (RFC 9110, 10.2.3)
is obeyed up to a bound; beyond that the user is told instead.
"""

from __future__ import annotations

import email.utils

import attrs

WORTH_IT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be different next time."""


@attrs.frozen(kw_only=True)
class Patience:
    """How long a transfer is waited for.

    Times in seconds.  A transfer that brings less than ``slowest`` bytes per second for ``stall``
    seconds counts as cut.  All waits that a server asks for come to ``longest_wait`` at most.  An attempt
    that brought ``progress`` bytes does not count as one: a connection that is cut every minute still
    comes to its end.  Where nothing was ever reached, ``connecting`` attempts are enough.
    """

    attempts: int = 6
    connecting: int = 3
    first_delay: float = 0.5
    longest_delay: float = 20.0
    longest_wait: float = 90.0
    connect: float = 10.0
    stall: float = 30.0
    slowest: int = 1024
    progress: int = 256 * 1024


def delay(
    tried: int,
    patience: Patience,
    *,
    retry_after: float | None,
    jitter: float,
    waited: float = 0.0,
    is_connecting: bool = False,
) -> float | None:
    """Seconds until the next attempt after ``tried`` ones; ``None`` to give up.

    ``jitter`` is random, in [0, 1); ``waited`` are the seconds that the server had us wait before.
    ``is_connecting``: there never was a connection.
    """
    if tried >= (patience.connecting if is_connecting else patience.attempts):
        return None
    if retry_after is not None:
        return retry_after if waited + retry_after <= patience.longest_wait else None
    longest = min(patience.longest_delay, patience.first_delay * 2.0 ** (tried - 1))
    return float(longest * (0.5 + jitter / 2))


def seconds_of(retry_after: str | None, *, now: float) -> float | None:
    """``Retry-After`` as seconds from ``now`` (Unix time); ``None`` when absent or unreadable."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now)

"""Text that stands where a number or a boolean is wanted becomes one, as it comes out of a variable.

A variable is always text; these are the attributes that Docker Compose v2.40.3 converts, for text
written by hand as well (``privileged: "true"``).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from composer.stackfile.tree import Table

Cast = Callable[[str], int | float | bool]

_INTEGER = re.compile(r"[-+]?(0[bB][01_]+|0[oO]?[0-7_]*|0[xX][0-9a-fA-F_]+|[1-9][0-9_]*)", re.ASCII)
_BOOLEANS = {
    "true": True, "y": True, "yes": True, "on": True,
    "false": False, "n": False, "no": False, "off": False,
}  # fmt: skip


def to_boolean(text: str) -> bool:
    """A boolean in any of YAML 1.1's words; raises ``ValueError``."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        message = f"expected true or false, found {text!r}"
        raise ValueError(message) from None


def to_integer(text: str) -> int:
    """A whole number in Go's notation (``0x1f``, ``017``); raises ``ValueError``."""
    message = f"expected a whole number, found {text[:40]!r}"
    if len(text) > 70 or not _INTEGER.fullmatch(text):
        raise ValueError(message)
    digits = text.lstrip("+-").lower()
    if len(digits) > 1 and digits[0] == "0" and digits[1] not in "xbo":
        digits = f"0o{digits[1:]}"
    try:
        number = int(digits, 0)
    except ValueError:
        raise ValueError(message) from None
    number = -number if text.startswith("-") else number
    if not -(2**63) <= number < 2**63:
        raise ValueError(message)
    return number


def to_float(text: str) -> float:
    """A number; raises ``ValueError``."""
    if len(text) <= 70:
        try:
            return float(text)
        except ValueError:
            pass
    message = f"expected a number, found {text[:40]!r}"
    raise ValueError(message)


_SERVICE: dict[Cast, str] = {
    to_integer: """configs.*.mode cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares
        deploy.replicas deploy.update_config.parallelism deploy.rollback_config.parallelism
        deploy.restart_policy.max_attempts deploy.placement.max_replicas_per_node healthcheck.retries
        oom_score_adj pids_limit ports.*.target scale secrets.*.mode ulimits.* ulimits.*.hard
        ulimits.*.soft""",
    to_float: """cpu_percent cpus deploy.update_config.max_failure_ratio
        deploy.rollback_config.max_failure_ratio""",
    to_boolean: """depends_on.*.required depends_on.*.restart healthcheck.disable init oom_kill_disable
        privileged read_only stdin_open tty volumes.*.read_only volumes.*.volume.nocopy
        volumes.*.bind.create_host_path""",
}
_TOP = """networks.*.external networks.*.internal networks.*.attachable volumes.*.external
    secrets.*.external configs.*.external"""

CASTS: Table[Cast] = Table(
    [
        *((f"services.*.{path}", cast) for cast, paths in _SERVICE.items() for path in paths.split()),
        *((path, to_boolean) for path in _TOP.split()),
    ]
)

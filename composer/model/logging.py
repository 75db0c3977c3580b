"""``logging``: where a container's output goes, and how much of it is kept.

Drivers and options are Docker's (its ``json-file``, ``local``, ``journald`` and ``none`` drivers).  What
they come to is one text file that the monitor writes, rotated by size, and besides, where asked for, the
host's journal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import attrs

from composer.model.stack import Logging

DEFAULT = "json-file"
DRIVERS = (DEFAULT, "local", "journald", "none")
ELSEWHERE = ("syslog", "fluentd", "gelf", "awslogs", "gcplogs", "splunk", "etwlogs", "logentries")
"""Drivers of Docker that send output over the network or to another system's log."""

_SHARED = frozenset({"mode", "max-buffer-size", "tag", "labels", "labels-regex", "env", "env-regex"})
_FILE = frozenset({"max-size", "max-file", "compress"})
_OPTIONS = {
    DEFAULT: _SHARED | _FILE,
    "local": _SHARED | _FILE,
    "journald": _SHARED | _FILE,  # of the local copy, as Docker's cache-max-size
    "none": frozenset[str](),
}
_DEFAULT_SIZES = {DEFAULT: (0, 1), "local": (20_000_000, 5), "journald": (20_000_000, 5)}
"""(most bytes of a file, most files) that Docker takes where nothing is said; 0 bytes is no bound."""

_IDLE = {
    "compress": "rotated files stay as they are",
    "mode": "the monitor never drops output",
    "max-buffer-size": "the monitor never drops output",
    "labels": "records hold text alone",
    "labels-regex": "records hold text alone",
    "env": "records hold text alone",
    "env-regex": "records hold text alone",
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
SMALLEST = 4096
"""Bytes: a file must hold more than the longest record that the monitor writes at once."""


@attrs.frozen(kw_only=True)
class LogPolicy:
    """What is written and kept: files of at most ``max_size`` bytes (0: no bound), ``max_files`` of them.

    ``tag`` is a template, "" for the default, and counts for the journal only.
    """

    is_kept: bool = True
    to_journal: bool = False
    max_size: int = 0
    max_files: int = 1
    tag: str = ""


def policy_of(logging: Logging | None) -> LogPolicy:
    """The policy; raises ``ValueError`` for a driver or option that there is not."""
    logging = logging or Logging()
    driver = logging.driver or DEFAULT
    if driver not in DRIVERS:
        reason = "sends output to another system, which the monitor (conmon) cannot do"
        message = (
            f"logging driver {driver} {reason}" if driver in ELSEWHERE else f"no logging driver {driver!r}"
        )
        raise ValueError(message)
    unknown = sorted(logging.options.keys() - _OPTIONS[driver])
    if unknown:
        message = f"{unknown[0]!r} is no option of the logging driver {driver}"
        raise ValueError(message)
    if driver == "none":
        return LogPolicy(is_kept=False)
    size, files = _DEFAULT_SIZES[driver]
    if "max-size" in logging.options:
        size = _size(logging.options["max-size"])
    if "max-file" in logging.options:
        files = _count(logging.options["max-file"])
    return LogPolicy(
        to_journal=driver == "journald",
        max_size=size,
        max_files=files if size else 1,
        tag=logging.options.get("tag", ""),
    )


def idle_options(logging: Logging) -> Mapping[str, str]:
    """The options that are taken and change nothing, each with the reason."""
    found = {name: _IDLE[name] for name in sorted(logging.options) if name in _IDLE}
    if logging.options.get("mode") == "blocking":
        del found["mode"]
    if logging.options.get("compress") == "false":
        del found["compress"]
    if "tag" in logging.options and logging.driver != "journald":
        found["tag"] = "only the journal has tags"
    return found


def tag_of(template: str, *, container_id: str, name: str, image: str, image_id: str) -> str:
    """The journal's tag: Docker's template markup, as far as it names the container."""
    values = {
        "ID": container_id[:12],
        "FullID": container_id,
        "Name": name,
        "ImageName": image,
        "ImageID": image_id.removeprefix("sha256:")[:12],
        "ImageFullID": image_id,
        "DaemonName": "composer",
    }
    return re.sub(
        r"\{\{\s*\.(\w+)\s*\}\}",
        lambda match: values.get(match[1], match[0]),
        template or "{{.ID}}",
    )


def _size(text: str) -> int:
    """Docker's ``FromHumanSize``: powers of 1000; -1 is no bound."""
    if text.strip() == "-1":
        return 0
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        message = f"max-size {text!r} is no size; write it like 10m"
        raise ValueError(message)
    size = int(Decimal(match[1]) * 1000 ** " kmgtp".index(match[2].lower() or " "))
    if 0 < size < SMALLEST:
        message = f"max-size {text!r} is less than {SMALLEST} bytes, which one record may take"
        raise ValueError(message)
    return size


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text.strip(), re.ASCII) or int(text) < 1:
        message = f"max-file {text!r} is no number of files from 1 to 9999"
        raise ValueError(message)
    return int(text)

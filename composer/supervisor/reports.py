"""What a failure shows besides its sentence: the last log lines and the last probe's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOG_LINES = 20
PROBE_BYTES = 2000


def with_evidence(sentence: str, *, log: Path, last_probe: bytes = b"") -> str:
    """The sentence, then the probe's output and the log's tail, indented; control codes escaped."""
    from composer.runtime import logs

    parts = [sentence]
    if last_probe.strip():
        parts.append("last probe said:")
        parts.extend(_indented(last_probe[-PROBE_BYTES:]))
    records = logs.read_records(log, tail=LOG_LINES)
    if records:
        parts.append("last log lines:")
        for record in records:
            parts.extend(_indented(record.text))
    return "\n".join(parts)


def _indented(text: bytes) -> list[str]:
    lines = text.decode("utf-8", errors="replace").splitlines()
    return [
        "  | " + "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in line)
        for line in lines
    ]

"""What a terminal needs: whether there is one, colours, and text that cannot drive it."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

PREFIX_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""SGR colours of log prefixes, in the order services are first seen (ECMA-48 8.3.117)."""

_UNSAFE = re.compile(
    r"(\x1b\[[0-9;]*m)|([\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\udc80-\udcff])"
)


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is a terminal; a closed one is not."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def uses_colour(stream: TextIO, ansi: str) -> bool:
    """Whether to colour: ``--ansi`` decides, else a terminal does unless ``NO_COLOR`` is set."""
    if ansi == "auto":
        return is_terminal(stream) and not os.environ.get("NO_COLOR")
    return ansi == "always"


def coloured(text: str, colour: int) -> str:
    """The text in a colour."""
    return f"\x1b[{colour}m{text}\x1b[0m"


def harmless(text: str) -> str:
    """The text with control characters made visible; colours (SGR) and tabs stay.

    A container's output must not move the cursor, set the title, answer queries or reverse the
    direction of what follows.  Bytes that are no UTF-8 (surrogates, as Python decodes them) are shown, too.
    """
    return _UNSAFE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    code = ord(match[2])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code >> 8 else f"\\x{code:02x}"

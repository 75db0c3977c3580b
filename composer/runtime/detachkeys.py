r"""The keys that leave a session without ending it: ``ctrl-p,ctrl-q`` unless told otherwise.  Pure.

The grammar is Docker's (``docker attach``): keys separated by commas, each a character or ``ctrl-``
with a letter or one of ``@[\\]^_``.
"""

from __future__ import annotations

from composer import errors

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = "ctrl-"
_AFTER_Z = "[\\]^_"


def parse(text: str) -> bytes:
    """The bytes that the keys send; raises ``UsageError``."""
    codes = bytearray()
    for key in text.split(","):
        if len(key) == 1 and key.isascii():
            codes.append(ord(key))
        elif key.lower().startswith(_CONTROL) and len(key) == len(_CONTROL) + 1:
            codes.append(_control(key[-1].lower(), text))
        else:
            raise _invalid(text)
    return bytes(codes)


def _control(letter: str, text: str) -> int:
    """``ctrl-a`` is 1; see ascii(7)."""
    if letter == "@":
        return 0
    if "a" <= letter <= "z":
        return ord(letter) - ord("a") + 1
    if letter in _AFTER_Z:
        return 27 + _AFTER_Z.index(letter)
    raise _invalid(text)


def _invalid(text: str) -> errors.UsageError:
    return errors.UsageError(
        f"invalid detach keys {text!r}", hint="Write keys with commas between: ctrl-p,ctrl-q or a,b."
    )


class Detector:
    """Watches what is typed for the keys; what may be their beginning is held back until it is not."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What is to be passed on of some input, and whether the keys were pressed in it."""
        passed = bytearray()
        for code in data:
            self._held += bytes((code,))
            if self._held == self._keys:
                self._held = b""
                return bytes(passed), True
            while not self._keys.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
        return bytes(passed), False

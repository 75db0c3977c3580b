"""``--chmod``: an octal mode, or the symbolic form of chmod(1) applied to what a file has.

``u+x,go-w``, ``a=rX``: ``X`` is an execute bit for directories and for files that have one already.
The umask plays no part: a build has none.
"""

from __future__ import annotations

import re
import stat

_LARGEST = 0o7777
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][ugo]|[-+=][rwxXst]*)+)")
_ACTION = re.compile(r"([-+=])([ugorwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_ANY_EXECUTE = 0o111


class FileMode:
    """What a copy does to modes; raises ``ValueError`` for a text that is neither form."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._fixed: int | None = None
        self._clauses: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
        if text.isascii() and text.isdigit():
            self._fixed = self._octal(text)
        else:
            self._clauses = tuple(self._clause(clause) for clause in text.split(","))

    def __repr__(self) -> str:
        return f"FileMode({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileMode) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def applied_to(self, mode: int, *, is_directory: bool) -> int:
        """The permission bits of something that has ``mode``."""
        if self._fixed is not None:
            return self._fixed
        bits = stat.S_IMODE(mode)
        for who, actions in self._clauses:
            for operator, permissions in actions:
                bits = _changed(bits, who or "ugo", operator, permissions, is_directory=is_directory)
        return bits

    def _octal(self, text: str) -> int:
        if any(digit in "89" for digit in text) or int(text, 8) > _LARGEST:
            message = f"invalid --chmod={text}: octal modes end at 7777"
            raise ValueError(message)
        return int(text, 8)

    def _clause(self, clause: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            message = f"invalid --chmod={self.text}: {clause!r} is neither octal nor like u+x"
            raise ValueError(message)
        who = match[1].replace("a", "ugo")
        return who, tuple((action[1], action[2]) for action in _ACTION.finditer(match[2]))


def _changed(bits: int, who: str, operator: str, permissions: str, *, is_directory: bool) -> int:
    change = touched = 0
    for name in dict.fromkeys(who):
        shift = _SHIFTS[name]
        touched |= 0o7 << shift
        change |= _permissions(bits, permissions, is_directory=is_directory) << shift
    if "s" in permissions:
        change |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    if "t" in permissions:
        change |= stat.S_ISVTX
    if operator == "+":
        return bits | change
    if operator == "-":
        return bits & ~change
    touched |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    return bits & ~touched | change


def _permissions(bits: int, letters: str, *, is_directory: bool) -> int:
    """The three bits that letters stand for: ``rwx``, ``X``, or those of ``u``, ``g`` or ``o``."""
    found = 0
    for letter in letters:
        if letter in _SHIFTS:
            found |= bits >> _SHIFTS[letter] & 0o7
        elif letter == "X":
            found |= 1 if is_directory or bits & _ANY_EXECUTE else 0
        else:
            found |= _BITS.get(letter, 0)
    return found

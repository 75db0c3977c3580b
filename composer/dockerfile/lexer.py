r"""Text of a Dockerfile to logical lines: directives, comments, continuations, here-documents.

The rules are those of BuildKit's parser, including its corners: a comment or an empty line inside a
continuation is dropped, ``\\`` at the end of a line does not continue it, a directive counts only
before the first comment, blank line or instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from composer.dockerfile.syntax import Heredoc

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes of a Dockerfile that are read at most."""

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_FRONTEND = re.compile(
    r"(docker\.io/)?docker/dockerfile(-upstream)?(:1(\.\d+)*(-labs)?|:latest)?(@sha256:[0-9a-f]{64})?"
)
_HEREDOC = re.compile(r"\d*<<(-?)([^<\s]+)")
_WHITESPACE = " \t\v\f\r"
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})


@attrs.frozen(kw_only=True)
class LogicalLine:
    """One instruction: keyword in upper case, flags, the rest, and the here-documents that follow.

    ``line`` and ``last`` are its first and last line in the file, ``written`` the keyword as it stands
    there; ``has_empty_line`` says that a continuation goes on after an empty line.
    """

    line: int
    keyword: str
    flags: tuple[tuple[str, str | None], ...]
    rest: str
    heredocs: tuple[Heredoc, ...] = ()
    last: int = 0
    written: str = ""
    has_empty_line: bool = False

    @property
    def text(self) -> str:
        """The instruction on one line, for people."""
        flags = "".join(f" --{name}" if value is None else f" --{name}={value}" for name, value in self.flags)
        return " ".join(f"{self.keyword}{flags} {self.rest}".split())


class LexicalError(ValueError):
    """The text is not a Dockerfile at ``line``."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def split(text: str) -> tuple[str, tuple[LogicalLine, ...]]:
    """Return the escape character and the logical lines; raises ``LexicalError``."""
    physical = text.removeprefix("\ufeff").split("\n")
    if physical and not physical[-1]:
        physical.pop()
    escape = _directives(physical).get("escape", "\\")
    return escape, tuple(_logical_lines(physical, escape))


def directives(text: str) -> dict[str, str]:
    """The parser directives by name (``escape``, ``syntax``, ``check``); raises ``LexicalError``."""
    return _directives(text.removeprefix("\ufeff").split("\n"))


def _directives(physical: list[str]) -> dict[str, str]:
    """Read the parser directives, which stand at the very top."""
    seen: dict[str, str] = {}
    for number, line in enumerate(physical, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() not in _DIRECTIVES:
            break
        name = match[1].lower()
        if name in seen:
            message = f"only one {name} parser directive can be used"
            raise LexicalError(number, message)
        seen[name] = match[2]
        if name == "escape" and match[2] not in {"\\", "`"}:
            message = f"invalid escape directive {match[2]!r}: it must be ` or \\"
            raise LexicalError(number, message)
        if name == "syntax" and not _FRONTEND.fullmatch(match[2]):
            message = f"syntax {match[2]!r} is unsupported: composer reads docker/dockerfile:1 itself"
            raise LexicalError(number, message)
    return seen


def _logical_lines(physical: list[str], escape: str) -> Iterator[LogicalLine]:
    mark = re.escape(escape)
    continuation = re.compile(rf"(?:(?<=[^{mark}])|^){mark}[ \t]*$")
    position = 0
    while position < len(physical):
        first = position + 1
        line = _without_comment(physical[position]).lstrip()
        position += 1
        parts = []
        has_empty_line = False
        while True:
            shortened = continuation.sub("", line, count=1)
            parts.append(shortened)
            if shortened == line:
                break
            # A comment or an empty line in the middle of an instruction does not end it.
            while position < len(physical) and not _without_comment(physical[position]).strip():
                has_empty_line = has_empty_line or not physical[position].strip()
                position += 1
            if position == len(physical):
                break
            line = physical[position].rstrip("\r")
            position += 1
        logical = "".join(parts).strip()
        if not logical:
            continue
        keyword, _, rest = _partition(logical)
        flags, rest = _flags(first, rest.strip(), escape)
        heredocs: list[Heredoc] = []
        # "ONBUILD RUN <<EOF" has the here-document of the instruction inside it.
        inner = _partition(rest)[0].upper() if keyword.upper() == "ONBUILD" else keyword.upper()
        if inner in _WITH_HEREDOC and "<<" in rest:
            for opening in _openings(rest):
                heredoc, position = _read_heredoc(first, opening, physical, position)
                heredocs.append(heredoc)
        yield LogicalLine(
            line=first,
            keyword=keyword.upper(),
            flags=flags,
            rest=rest,
            heredocs=tuple(heredocs),
            last=position,
            written=keyword,
            has_empty_line=has_empty_line,
        )


def _without_comment(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line.rstrip("\r")


def _partition(text: str) -> tuple[str, str, str]:
    """Split at the first run of white space."""
    match = re.search(rf"[{_WHITESPACE}]+", text)
    return (text, "", "") if match is None else (text[: match.start()], match[0], text[match.end() :])


def heredoc_opening(word: str) -> Heredoc | None:
    """The here-document (still without content) that a word opens, or ``None``."""
    match = _HEREDOC.fullmatch(word)
    if match is None:
        return None
    name = match[2].replace('"', "").replace("'", "").replace("\\", "")
    if not name:
        return None
    return Heredoc(name=name, content="", expands=name == match[2], strips_tabs=bool(match[1]))


def _openings(rest: str) -> Iterator[Heredoc]:
    """The here-documents a line opens; ``<<`` inside quotes opens none, nor does ``<<<``."""
    for word in words_of(rest, "\\"):
        opening = heredoc_opening(word)
        if opening is not None:
            yield opening


def _read_heredoc(line: int, opening: Heredoc, physical: list[str], position: int) -> tuple[Heredoc, int]:
    content: list[str] = []
    for index in range(position, len(physical)):
        candidate = physical[index].rstrip("\r")
        if (candidate.lstrip("\t") if opening.strips_tabs else candidate) == opening.name:
            return attrs.evolve(opening, content="".join(content)), index + 1
        content.append(physical[index] + "\n")
    message = f"unterminated here-document {opening.name!r}"
    raise LexicalError(line, message)


def _flags(line: int, rest: str, escape: str) -> tuple[tuple[tuple[str, str | None], ...], str]:
    """Take ``--name[=value]`` words off the front; ``--`` ends them."""
    flags: list[tuple[str, str | None]] = []
    while rest.startswith("--"):
        word, rest = _first_word(rest, escape)
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        if any(name == known for known, _ in flags) and name not in {"mount", "exclude"}:
            message = f"duplicate flag specified: --{name}"
            raise LexicalError(line, message)
        flags.append((name, value if equals else None))
    return tuple(flags), rest


def _first_word(text: str, escape: str) -> tuple[str, str]:
    """The first word with its quotes removed, and what follows it."""
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == escape and position + 1 < len(text):
            position += 1
            word.append(text[position])
        elif quote:
            if character == quote:
                quote = ""
            else:
                word.append(character)
        elif character in "'\"":
            quote = character
        elif character.isspace():
            break
        else:
            word.append(character)
        position += 1
    return "".join(word), text[position:].lstrip()


def words_of(text: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay in the words."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == escape and quote != "'":
            # An escape character that ends the text escapes nothing and is dropped.
            word.append(text[position : position + 2] if position + 1 < len(text) else "")
            position += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            if word:
                words.append("".join(word))
                word = []
            position += 1
            continue
        word.append(character)
        position += 1
    if any(word):
        words.append("".join(word))
    return words

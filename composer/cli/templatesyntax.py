"""The syntax of ``--format`` templates: text cut into actions, actions into trees.  Pure.

The language is that of Go's ``text/template`` as Docker's users write it: fields, functions,
pipelines, ``if``/``with``/``range`` with ``else``, ``break`` and ``continue``, variables, comments and
``{{- -}}``.  ``define``, ``template`` and ``block`` are refused by name.
"""

from __future__ import annotations

import re

import attrs

from composer import errors

DEEPEST = 100
"""How deep actions and parentheses may nest."""

_WHITE = " \t\r\n"
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\.)*" | `[^`]*`)
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$(?:[^\W\d]\w*)?)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign>:=|=|\||\(|\)|,)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
_REFUSED = frozenset({"define", "template", "block"})


# --------------------------------------------------------------------------- the tree


@attrs.frozen
class Text:
    """What is copied as it is."""

    text: str


@attrs.frozen
class Literal:
    """A string, number, boolean or ``nil``."""

    value: object


@attrs.frozen
class Dot:
    """The current value."""


@attrs.frozen
class Variable:
    """``$`` (the whole value) or ``$name``."""

    name: str
    place: int


@attrs.frozen
class Field:
    """``.Name`` of something."""

    of: Operand
    name: str
    place: int


@attrs.frozen
class Function:
    """A function's name, as a command's first word or an operand of its own."""

    name: str
    place: int


@attrs.frozen
class Command:
    """An operand, or a function with its arguments."""

    words: tuple[Operand, ...]
    place: int


@attrs.frozen
class Pipeline:
    """Commands, each getting the former's value as its last argument; ``names`` are assigned."""

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()
    is_declaration: bool = False
    place: int = 0


@attrs.frozen
class Print:
    """An action that shows a pipeline's value (nothing when it assigns)."""

    pipeline: Pipeline


@attrs.frozen
class Branch:
    """``if``, ``with`` or ``range``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


@attrs.frozen
class Jump:
    """``break`` or ``continue``."""

    kind: str


Operand = Literal | Dot | Variable | Field | Function | Pipeline
Node = Text | Print | Branch | Jump


def parse(text: str) -> tuple[Node, ...]:
    """Parse a whole template; raises ``UsageError`` that names the column."""
    return _Parser(text).parse()


def failure(text: str, place: int, message: str) -> errors.UsageError:
    """The error for something wrong at an index of the template."""
    before = text[:place]
    line = before.count("\n") + 1
    column = place - (before.rfind("\n") + 1) + 1
    where = f"line {line}, column {column}" if "\n" in text else f"column {column}"
    return errors.UsageError(f"template: {where}: {message}")


# --------------------------------------------------------------------------- pieces


@attrs.frozen
class _Action:
    """The inside of ``{{...}}`` and where it stands."""

    source: str
    place: int


def _pieces(text: str) -> list[Text | _Action]:
    """Text and actions in turn, trimmed, without comments."""
    pieces: list[Text | _Action] = []
    position = 0
    trims = False
    while True:
        start = text.find("{{", position)
        chunk = text[position:] if start < 0 else text[position:start]
        if trims:
            chunk = chunk.lstrip(_WHITE)
        if start < 0:
            pieces.append(Text(chunk))
            return pieces
        begin = start + 2
        if text.startswith("-", begin) and text[begin + 1 : begin + 2] in tuple(_WHITE):
            chunk = chunk.rstrip(_WHITE)
            begin += 2
        pieces.append(Text(chunk))
        end = _end_of(text, start, begin)
        stop = end
        trims = (
            text[end - 1 : end] == "-" and text[end - 2 : end - 1] in tuple(_WHITE) and end - 2 >= begin - 1
        )
        if trims:
            stop = end - 1
        inside = text[begin:stop]
        if not inside.strip(_WHITE).startswith("/*"):
            pieces.append(_Action(inside, begin))
        position = end + 2


def _end_of(text: str, start: int, begin: int) -> int:
    """The index of the action's ``}}``; quotes and comments may contain one."""
    position = begin
    if text[begin:].lstrip(_WHITE).startswith("/*"):
        close = text.find("*/", begin)
        rest = text[close + 2 :].lstrip(_WHITE) if close >= 0 else ""
        if close < 0 or not rest.startswith(("}}", "-}}")):
            raise failure(text, start, "unclosed comment")
        return text.index("}}", close)
    while position < len(text):
        character = text[position]
        if text.startswith("}}", position):
            return position
        if character in "\"`'":
            match = _TOKEN.match(text, position)
            if match is None:
                raise failure(text, position, f"unterminated {character}")
            position = match.end()
        else:
            position += 1
    raise failure(text, start, "unclosed action: }} is missing")


@attrs.frozen
class _Token:
    kind: str
    text: str
    place: int
    is_spaced: bool


def _tokens(text: str, action: _Action) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    is_spaced = True
    source = action.source
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise failure(text, action.place + position, f"unexpected {source[position]!r}")
        kind = match.lastgroup or ""
        if kind == "space":
            is_spaced = True
        else:
            tokens.append(_Token(kind, match[0], action.place + position, is_spaced))
            is_spaced = False
        position = match.end()
    tokens.append(_Token("end", "", action.place + len(source), is_spaced=True))
    return tokens


def unquoted(literal: str) -> str:
    """The value of a Go string literal, or of a character literal."""
    if literal.startswith("`"):
        return literal[1:-1]

    def value(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        if code.isdigit():
            return chr(int(code, 8))
        return _ESCAPED[code]

    return _ESCAPE.sub(value, literal[1:-1])


# --------------------------------------------------------------------------- the parser


class _Parser:
    """Recursive descent over pieces, and over the tokens of one action at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces = _pieces(text)
        self._at = 0
        self._tokens: list[_Token] = []
        self._next = 0
        self._depth = 0
        self._scopes: list[set[str]] = [{"$"}]
        self._ranges = 0

    def parse(self) -> tuple[Node, ...]:
        nodes, ending, place = self._block()
        if ending:
            raise self._failure(place, f"unexpected {{{{{ending}}}}}")
        return nodes

    def _failure(self, place: int, message: str) -> errors.UsageError:
        return failure(self._text, place, message)

    # ------------------------------------------------------------------ blocks

    def _block(self) -> tuple[tuple[Node, ...], str, int]:
        """Nodes up to ``end``, ``else`` or the end of the template (""); the tokens stand after it."""
        nodes: list[Node] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if isinstance(piece, Text):
                if piece.text:
                    nodes.append(piece)
                continue
            self._tokens, self._next = _tokens(self._text, piece), 0
            token = self._peek()
            word = token.text if token.kind == "word" else ""
            if word in ("end", "else"):
                self._take()
                if word == "end":
                    self._expect_end()
                return tuple(nodes), word, token.place
            nodes.append(self._action(word, token))
        return tuple(nodes), "", len(self._text)

    def _action(self, word: str, token: _Token) -> Node:
        if word in ("if", "with", "range"):
            self._take()
            return self._branch(word, token.place)
        if word in _REFUSED:
            raise self._failure(token.place, f"{word} is not supported here")
        if word in ("break", "continue"):
            self._take()
            self._expect_end()
            if not self._ranges:
                raise self._failure(token.place, f"{word} outside of a range")
            return Jump(word)
        pipeline = self._pipeline(may_assign=True)
        self._expect_end()
        return Print(pipeline)

    def _branch(self, kind: str, place: int) -> Branch:
        self._enter(place)
        self._scopes.append(set())
        pipeline = self._pipeline(may_assign=True, names=2 if kind == "range" else 1)
        self._expect_end()
        self._ranges += kind == "range"
        body, ending, _ = self._block()
        self._ranges -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if ending == "else":
            token = self._peek()
            if token.kind == "word" and token.text in ("if", "with") and kind != "range":
                # `{{else if}}` shares the `{{end}}` of what it belongs to.
                self._take()
                otherwise = (self._branch(token.text, token.place),)
                ending = "end"
            else:
                self._expect_end()
                otherwise, ending, _ = self._block()
        if ending != "end":
            raise self._failure(place, f"{kind} without its {{{{end}}}}")
        self._scopes.pop()
        self._depth -= 1
        return Branch(kind, pipeline, body, otherwise)

    # ------------------------------------------------------------------ pipelines

    def _pipeline(self, *, may_assign: bool, names: int = 1) -> Pipeline:
        place = self._peek().place
        assigned, is_declaration = self._assigned(names) if may_assign else ((), False)
        commands = [self._command()]
        while self._is_sign("|"):
            self._take()
            commands.append(self._command())
        for name in assigned:
            if is_declaration:
                self._scopes[-1].add(name)
            elif not self._is_known(name):
                raise self._failure(place, f"undefined variable {name}")
        return Pipeline(tuple(commands), assigned, is_declaration, place)

    def _assigned(self, most: int) -> tuple[tuple[str, ...], bool]:
        """``$x :=``, ``$x =`` or, in a range, ``$i, $x :=``."""
        start, names = self._next, []
        while self._peek().kind == "variable":
            names.append(self._take().text)
            if self._is_sign(":=", "="):
                if len(names) > most:
                    raise self._failure(self._peek().place, "too many variables")
                return tuple(names), self._take().text == ":="
            if not self._is_sign(","):
                break
            self._take()
        self._next = start
        return (), False

    def _command(self) -> Command:
        place = self._peek().place
        words: list[Operand] = []
        while not self._is_sign("|", ")") and self._peek().kind != "end":
            words.append(self._operand())
        if not words:
            raise self._failure(place, "a value or a function is missing")
        if len(words) > 1 and not isinstance(words[0], Function | Field):
            raise self._failure(place, "only a function takes arguments")
        return Command(tuple(words), place)

    def _operand(self) -> Operand:
        token = self._take()
        operand = self._atom(token)
        while self._peek().kind == "field" and not self._peek().is_spaced:
            field = self._take()
            if isinstance(operand, Literal):
                raise self._failure(field.place, "a constant has no fields")
            operand = Field(operand, field.text[1:], field.place)
        return operand

    def _atom(self, token: _Token) -> Operand:
        match token.kind:
            case "dot":
                return Dot()
            case "field":
                return Field(Dot(), token.text[1:], token.place)
            case "variable":
                if not self._is_known(token.text):
                    raise self._failure(token.place, f"undefined variable {token.text}")
                return Variable(token.text, token.place)
            case "string" | "char":
                return Literal(self._unquoted(token))
            case "number":
                return Literal(_number(token.text))
            case "word":
                if token.text in ("true", "false"):
                    return Literal(token.text == "true")
                return Literal(None) if token.text == "nil" else Function(token.text, token.place)
            case "sign" if token.text == "(":
                self._enter(token.place)
                inner = self._pipeline(may_assign=False)
                if not self._is_sign(")"):
                    raise self._failure(token.place, "unclosed parenthesis")
                self._take()
                self._depth -= 1
                return inner
        raise self._failure(token.place, f"unexpected {token.text or 'end of the action'!r}")

    def _unquoted(self, token: _Token) -> object:
        try:
            value = unquoted(token.text)
        except (KeyError, ValueError, OverflowError) as error:
            raise self._failure(token.place, f"invalid escape in {token.text}") from error
        if token.kind == "string":
            return value
        if len(value) != 1:
            raise self._failure(token.place, f"{token.text} is not one character")
        return ord(value)

    # ------------------------------------------------------------------ tokens

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def _is_sign(self, *signs: str) -> bool:
        token = self._peek()
        return token.kind == "sign" and token.text in signs

    def _expect_end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise self._failure(token.place, f"unexpected {token.text!r}")

    def _is_known(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def _enter(self, place: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._failure(place, "nested too deeply")


def _number(text: str) -> int | float:
    digits = text.lstrip("+-").lower()
    if digits.startswith("0x"):
        value = int(digits, 16)
        return -value if text.startswith("-") else value
    return float(text) if any(mark in digits for mark in ".e") else int(text)

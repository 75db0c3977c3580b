"""``--format``: renders the templates people write for Docker's commands.  Pure.

``render("{{.Name}} {{json .State}}", value)`` works on plain values: mappings, lists, strings, numbers,
booleans, ``None``.  A field that a mapping does not have is an error which names the column and what
there is, as a typo in a field of a Go struct is; in an ``OpenMap``, whose keys are the users', it is
``<no value>``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence

from composer import errors
from composer.cli import templatesyntax as syntax
from composer.cli.templatefunctions import (
    FUNCTIONS,
    MISSING,
    OpenMap,
    Record,
    WrongArgument,
    is_true,
    shown,
)

__all__ = ["MOST_OUTPUT", "OpenMap", "Record", "Template", "render"]

MOST_OUTPUT = 16 * 1024 * 1024
"""Characters that one rendering may produce."""


def render(text: str, value: object) -> str:
    """Render a template once; raises ``UsageError``."""
    return Template(text).render(value)


class Template:
    """A parsed template, to be rendered for any number of values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes = syntax.parse(text)

    def render(self, value: object, replaced: Mapping[str, object] | None = None) -> str:
        """The text for a value; ``replaced`` are functions that mean something else this time."""
        return _Rendering(self._text, value, {**FUNCTIONS, **(replaced or {})}).run(self._nodes)


class _Jumping(Exception):
    """``break`` or ``continue`` on its way to its range."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Rendering:
    """One walk of the tree."""

    def __init__(self, text: str, value: object, functions: Mapping[str, object]) -> None:
        self._text = text
        self._value = value
        self._functions = functions
        self._scopes: list[dict[str, object]] = [{"$": value}]
        self._pieces: list[str] = []
        self._size = 0

    def run(self, nodes: Sequence[syntax.Node]) -> str:
        self._walk(nodes, self._value)
        return "".join(self._pieces)

    def _failure(self, place: int, message: str) -> errors.UsageError:
        return syntax.failure(self._text, place, message)

    def _write(self, text: str, place: int) -> None:
        self._size += len(text)
        if self._size > MOST_OUTPUT:
            raise self._failure(place, "the output is too long")
        self._pieces.append(text)

    # ------------------------------------------------------------------ nodes

    def _walk(self, nodes: Sequence[syntax.Node], dot: object) -> None:
        for node in nodes:
            match node:
                case syntax.Text():
                    self._write(node.text, 0)
                case syntax.Print():
                    value = self._pipeline(node.pipeline, dot)
                    if not node.pipeline.names:
                        self._write(shown(value), node.pipeline.place)
                case syntax.Jump():
                    raise _Jumping(node.kind)
                case syntax.Branch():
                    self._scopes.append({})
                    try:
                        self._branch(node, dot)
                    finally:
                        self._scopes.pop()

    def _branch(self, node: syntax.Branch, dot: object) -> None:
        if node.kind == "range":
            self._range(node, dot)
            return
        value = self._pipeline(node.pipeline, dot)
        if is_true(value):
            self._walk(node.body, value if node.kind == "with" else dot)
        else:
            self._walk(node.otherwise, dot)

    def _range(self, node: syntax.Branch, dot: object) -> None:
        names = node.pipeline.names
        value = self._pipeline(node.pipeline, dot, assigns=False)
        is_empty = True
        for key, item in self._items(value, node.pipeline.place):
            is_empty = False
            scope: dict[str, object] = dict(
                zip(names, (key, item) if len(names) == 2 else (item,), strict=False)
            )
            if not node.pipeline.is_declaration:
                for name, assigned in scope.items():
                    self._assign(name, assigned)
                scope = {}
            self._scopes.append(scope)
            try:
                self._walk(node.body, item)
            except _Jumping as jump:
                if jump.kind == "break":
                    break
            finally:
                self._scopes.pop()
        if is_empty:
            self._walk(node.otherwise, dot)

    def _items(self, value: object, place: int) -> Iterator[tuple[object, object]]:
        if value is None or value is MISSING:
            return iter(())
        if isinstance(value, Mapping):
            return iter(sorted(value.items()))
        if isinstance(value, int) and not isinstance(value, bool):
            return ((number, number) for number in range(value))
        if isinstance(value, Sequence) and not isinstance(value, str):
            return enumerate(value)
        raise self._failure(place, f"range cannot go over {shown(value)!r}")

    # ------------------------------------------------------------------ values

    def _pipeline(self, pipeline: syntax.Pipeline, dot: object, *, assigns: bool = True) -> object:
        piped: tuple[object, ...] = ()
        for command in pipeline.commands:
            piped = (self._command(command, dot, piped),)
        (value,) = piped
        if assigns:
            for name in pipeline.names:
                if pipeline.is_declaration:
                    self._scopes[-1][name] = value
                else:
                    self._assign(name, value)
        return value

    def _assign(self, name: str, value: object) -> None:
        for scope in reversed(self._scopes):
            if name in scope:
                scope[name] = value
                return

    def _command(self, command: syntax.Command, dot: object, piped: tuple[object, ...]) -> object:
        first = command.words[0]
        if isinstance(first, syntax.Function):
            return self._call(first, command.words[1:], dot, piped)
        value = self._operand(first, dot)
        if isinstance(first, syntax.Field) and callable(value):
            values = (*(self._operand(word, dot) for word in command.words[1:]), *piped)
            return self._applied(value, first, values)
        if piped:
            raise self._failure(command.place, "only a function can take what a pipe gives")
        if len(command.words) > 1:
            raise self._failure(command.place, "only a function takes arguments")
        return value

    def _call(
        self,
        function: syntax.Function,
        words: Sequence[syntax.Operand],
        dot: object,
        piped: tuple[object, ...],
    ) -> object:
        if function.name in ("and", "or"):
            return self._choose(function, words, dot, piped)
        call = self._functions.get(function.name)
        if call is None:
            near = difflib.get_close_matches(function.name, (*self._functions, "and", "or"), n=1)
            hint = (
                f"; did you mean {near[0]}, or .{function.name}?" if near else f"; is .{function.name} meant?"
            )
            raise self._failure(function.place, f"there is no function {function.name}{hint}")
        assert callable(call)
        return self._applied(call, function, (*(self._operand(word, dot) for word in words), *piped))

    def _applied(
        self, call: Callable[..., object], named: syntax.Function | syntax.Field, values: tuple[object, ...]
    ) -> object:
        try:
            return call(*values)
        except WrongArgument as error:
            raise self._failure(named.place, f"{named.name}: {error}") from error
        except TypeError as error:
            raise self._failure(named.place, f"{named.name}: wrong number of arguments") from error

    def _choose(
        self,
        function: syntax.Function,
        words: Sequence[syntax.Operand],
        dot: object,
        piped: tuple[object, ...],
    ) -> object:
        """``and`` and ``or``: the first argument that decides, those after it are not looked at."""
        value: object = MISSING
        decides = function.name == "or"
        for word in words:
            value = self._operand(word, dot)
            if is_true(value) is decides:
                return value
        if piped:
            value = piped[0]
        if value is MISSING:
            raise self._failure(function.place, f"{function.name} wants arguments")
        return value

    def _operand(self, operand: syntax.Operand, dot: object) -> object:
        match operand:
            case syntax.Literal():
                return operand.value
            case syntax.Dot():
                return dot
            case syntax.Variable():
                return next(scope[operand.name] for scope in reversed(self._scopes) if operand.name in scope)
            case syntax.Pipeline():
                return self._pipeline(operand, dot)
            case syntax.Function():
                return self._call(operand, (), dot, ())
            case syntax.Field():
                return self._field(self._operand(operand.of, dot), operand)

    def _field(self, value: object, field: syntax.Field) -> object:
        if isinstance(value, OpenMap):
            return value.get(field.name, MISSING)
        if isinstance(value, Mapping):
            if field.name in value:
                return value[field.name]
            if isinstance(value, Record) and field.name in value.methods:
                return value.methods[field.name]
            known = [str(key) for key in value]
            near = difflib.get_close_matches(field.name, known, n=1)
            hint = f"did you mean .{near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise self._failure(field.place, f"there is no field .{field.name}; {hint}")
        what = "nothing" if value is None or value is MISSING else repr(shown(value))
        raise self._failure(field.place, f"{what} has no field .{field.name}")

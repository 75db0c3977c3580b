"""What a Dockerfile says that is allowed and probably not meant.

Names and messages are BuildKit's (docs.docker.com/reference/build-checks), because people have learnt,
searched and skipped them.  Every stage is looked at, also one that the build leaves out.  A check that
needs what is not known stays silent: ``UndefinedVar`` of a stage whose base image is not in the store
(its environment may define the name), ``CopyIgnoredFile`` of what a pattern will match.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from composer.dockerfile import draft, lexer, stages
from composer.dockerfile.expand import expand
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.lexer import LogicalLine
from composer.dockerfile.syntax import (
    Arg,
    Cmd,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    HealthcheckSetting,
    Instruction,
    Label,
    Maintainer,
    Shell,
    ShellForm,
    Workdir,
)
from composer.model.image import ImageConfig

EXPERIMENTAL = frozenset({"InvalidDefinitionDescription"})
"""Checks that only run when the directive's ``experimental`` names them."""

_PAGES = "https://docs.docker.com/go/dockerfile/rule"
_RESERVED = frozenset({"context", "scratch"})
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_PUBLIC = re.compile(r"(?:_|^)public(?:_|$)", re.IGNORECASE)
_REFERENCE = re.compile(r"[a-z0-9](?:[\w./:@-]*\w)?", re.ASCII)
_EXPANDED = frozenset(
    {"ADD", "ARG", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_MAPPED_PORT = re.compile(r"[^/]*:.*")

Statements = Sequence[tuple[LogicalLine, Instruction]]


@attrs.frozen(kw_only=True)
class Finding:
    """What one check says about the lines from ``line`` to ``last``."""

    rule: str
    message: str
    line: int
    last: int

    @property
    def page(self) -> str:
        """Where the check is explained."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.rule)
        return f"{_PAGES}/{words.lower()}/"

    @property
    def summary(self) -> str:
        """One line: the check, what it says, and where."""
        return f"{self.rule}: {self.message} (line {self.line})"


def findings(
    dockerfile: Dockerfile,
    arguments: Mapping[str, str],
    rules: IgnoreRules,
    config_of: Callable[[str], ImageConfig | None],
) -> Iterator[Finding]:
    """What every check finds, whether it is wanted or not; ``lint.review`` says what the arguments are."""
    _, lines = lexer.split(dockerfile.text)
    statements = tuple(zip(lines, dockerfile.instructions, strict=True))
    yield from _casing(lines)
    yield from _continuations(lines)
    yield from _stage_names(statements)
    yield from _descriptions(dockerfile.text, statements)
    yield from _Walk(dockerfile, arguments, rules, config_of).findings(statements)


def _at(line: LogicalLine, rule: str, message: str) -> Finding:
    return Finding(rule=rule, message=message, line=line.line, last=line.last)


# --------------------------------------------------------------------------- how it is written


def _casing(lines: Sequence[LogicalLine]) -> Iterator[Finding]:
    """All instructions are in upper or all in lower case, as most of them are, and so is AS as its FROM."""
    lower = sum(line.written.islower() for line in lines)
    upper = sum(line.written.isupper() for line in lines)
    majority = "lowercase" if lower > upper else "uppercase"
    for line in lines:
        if not (line.written.islower() if lower > upper else line.written.isupper()):
            message = f"Command '{line.written}' should match the case of the command majority ({majority})"
            yield _at(line, "ConsistentInstructionCasing", message)
        words = line.rest.split()
        if line.keyword == "FROM" and len(words) > 1 and not _is_alike(line.written, words[1]):
            message = f"'{words[1]}' and '{line.written}' keywords' casing do not match"
            yield _at(line, "FromAsCasing", message)


def _is_alike(keyword: str, other: str) -> bool:
    if keyword.islower():
        return other.islower()
    return other.isupper() or not keyword.isupper()


def _continuations(lines: Sequence[LogicalLine]) -> Iterator[Finding]:
    for line in lines:
        if line.has_empty_line:
            yield _at(line, "NoEmptyContinuation", "Empty continuation line")


def _stage_names(statements: Statements) -> Iterator[Finding]:
    seen: set[str] = set()
    for line, instruction in statements:
        if not isinstance(instruction, From) or not instruction.name:
            continue
        name = line.rest.split()[-1]
        if name != instruction.name:
            yield _at(line, "StageNameCasing", f"Stage name '{name}' should be lowercase")
        if instruction.name in _RESERVED:
            message = f'Stage name should not use the same name as reserved stage "{instruction.name}"'
            yield _at(line, "ReservedStageName", message)
        if instruction.name in seen:
            message = f'Duplicate stage name "{instruction.name}", stage names should be unique'
            yield _at(line, "DuplicateStageName", message)
        seen.add(instruction.name)


def _descriptions(text: str, statements: Statements) -> Iterator[Finding]:
    """A comment directly above a stage or an argument describes it, and begins with its name."""
    physical = text.splitlines()
    for line, instruction in statements:
        match instruction:
            case From():
                names = [line.rest.split()[-1]] if instruction.name else []
            case Arg():
                names = [name for name, _ in instruction.pairs]
            case _:
                continue
        above = physical[line.line - 2].strip() if line.line > 1 else ""
        words = above.removeprefix("#").split() if above.startswith("#") else []
        if names and words and words[0] not in names:
            example = names[0] if len(names) == 1 else "<arg_key>"
            message = f"Comment for {line.keyword} should follow the format: `# {example} <description>`"
            yield _at(line, "InvalidDefinitionDescription", message)


# --------------------------------------------------------------------------- what it means


@attrs.define(kw_only=True)
class _Stage:
    """What is known at one place of a stage; ``names`` is ``None`` when the base image is not known."""

    names: set[str] | None
    has_shell: bool = False
    has_directory: bool = False
    last_of: dict[str, LogicalLine] = attrs.field(factory=dict)

    def continued(self) -> _Stage:
        """A stage that begins on this one."""
        names = None if self.names is None else set(self.names)
        return _Stage(names=names, has_shell=self.has_shell, has_directory=self.has_directory)


class _Walk:
    """One pass over the instructions with what each stage knows."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        arguments: Mapping[str, str],
        rules: IgnoreRules,
        config_of: Callable[[str], ImageConfig | None],
    ) -> None:
        self._escape = dockerfile.escape
        self._arguments = arguments
        self._rules = rules
        self._config_of = config_of
        self._globals: dict[str, str] = stages.platform_arguments()
        self._defaults: dict[str, str] = dict(self._globals)
        self._stages: dict[str, _Stage] = {}
        self._stage: _Stage | None = None

    def findings(self, statements: Statements) -> Iterator[Finding]:
        """What each instruction gives cause for."""
        for line, instruction in statements:
            if isinstance(instruction, From):
                yield from self._from(line, instruction)
            elif self._stage is None:
                yield from self._global(line, instruction)
            else:
                yield from self._variables(line, self._stage)
                yield from self._inside(line, instruction, self._stage)

    def _global(self, line: LogicalLine, instruction: Instruction) -> Iterator[Finding]:
        if not isinstance(instruction, Arg):
            return
        for name, default in instruction.pairs:
            value = "" if default is None else self._expanded(default, self._globals)
            self._defaults[name] = "" if default is None else self._expanded(default, self._defaults)
            self._globals[name] = self._arguments.get(name, value)
            yield from _secret(line, name)

    def _expanded(self, text: str, known: Mapping[str, str]) -> str:
        try:
            return expand(text, known, escape=self._escape)
        except ValueError:
            return text  # the build says what is wrong with it

    def _from(self, line: LogicalLine, instruction: From) -> Iterator[Finding]:
        for name in _references(f"{instruction.platform} {instruction.base}", self._escape):
            if name not in self._globals:
                message = f"FROM argument '{name}' is not declared{_suggestion(name, self._globals)}"
                yield _at(line, "UndefinedArgInFrom", message)
        base = self._expanded(instruction.base, self._globals)
        by_default = self._expanded(instruction.base, self._defaults)
        if base and not _REFERENCE.fullmatch(by_default):
            message = f"Default value for ARG {instruction.base} results in empty or invalid base image name"
            yield _at(line, "InvalidDefaultArgInFrom", message)
        yield from _platform(line, instruction)
        parent = self._stages.get(base.lower())
        self._stage = self._based_on(base) if parent is None else parent.continued()
        if instruction.name:
            self._stages[instruction.name] = self._stage

    def _based_on(self, base: str) -> _Stage:
        if base == stages.SCRATCH:
            return _Stage(names={"PATH"})
        config = self._config_of(base)
        if config is None:
            return _Stage(names=None)
        return _Stage(names={"PATH", *config.environment}, has_shell=bool(config.shell))

    def _variables(self, line: LogicalLine, stage: _Stage) -> Iterator[Finding]:
        if stage.names is None or line.keyword not in _EXPANDED:
            return
        flags = " ".join(value or "" for _, value in line.flags)
        known = {*stage.names, *draft.PROXY_ARGUMENTS}
        for name in dict.fromkeys(_references(f"{flags} {line.rest}", self._escape)):
            if name not in known:
                message = f"Usage of undefined variable '${name}'{_suggestion(name, stage.names, '$')}"
                yield _at(line, "UndefinedVar", message)

    def _inside(self, line: LogicalLine, instruction: Instruction, stage: _Stage) -> Iterator[Finding]:
        match instruction:
            case Arg() | Env():
                for name, _ in instruction.pairs:
                    yield from _secret(line, name)
                    if stage.names is not None:
                        stage.names.add(name)
                if isinstance(instruction, Env):
                    yield from self._legacy(line)
            case Label():
                yield from self._legacy(line)
            case Cmd() | Entrypoint():
                yield from _once(line, stage)
                yield from _form(line, instruction, stage)
            case HealthcheckSetting():
                yield from _once(line, stage)
            case Shell():
                stage.has_shell = True
            case Workdir():
                yield from _directory(line, instruction, stage)
            case Expose():
                yield from _ports(line, instruction)
            case Copy():
                yield from self._copy(line, instruction)
            case Maintainer():
                message = "Maintainer instruction is deprecated in favor of using label"
                yield _at(line, "MaintainerDeprecated", message)
            case _:
                pass

    def _legacy(self, line: LogicalLine) -> Iterator[Finding]:
        if "=" not in lexer.words_of(line.rest, self._escape)[0]:
            form, legacy = f"{line.keyword} key=value", f"{line.keyword} key value"
            message = f'"{form}" should be used instead of legacy "{legacy}" format'
            yield _at(line, "LegacyKeyValueFormat", message)

    def _copy(self, line: LogicalLine, instruction: Copy) -> Iterator[Finding]:
        if instruction.origin:
            return
        for source in instruction.sources:
            path = posixpath.normpath(source).lstrip("/")
            if re.search(r"[$*?\[\\]|://", source) or path == ".":
                continue
            # With exceptions, something below an ignored directory may be there all the same.
            if self._rules.ignores(path) and not self._rules.has_exceptions:
                verb = line.keyword.capitalize()
                message = f'Attempting to {verb} file "{source}" that is excluded by .dockerignore'
                yield _at(line, "CopyIgnoredFile", message)


def _secret(line: LogicalLine, name: str) -> Iterator[Finding]:
    if _SECRET.search(name) and not _PUBLIC.search(name):
        message = f'Do not use ARG or ENV instructions for sensitive data ({line.keyword} "{name}")'
        yield _at(line, "SecretsUsedInArgOrEnv", message)


def _platform(line: LogicalLine, instruction: From) -> Iterator[Finding]:
    platform = instruction.platform
    if platform in {"$TARGETPLATFORM", "${TARGETPLATFORM}"}:
        message = (
            f"Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
        )
        yield _at(line, "RedundantTargetPlatform", message)
        return
    # A stage that is called for its platform is one of several that the target's platform chooses from.
    is_one_of_several = any(part in instruction.name for part in platform.split("/"))
    if platform and "$" not in platform and not is_one_of_several:
        message = f'FROM --platform flag should not use constant value "{platform}"'
        yield _at(line, "FromPlatformFlagConstDisallowed", message)


def _once(line: LogicalLine, stage: _Stage) -> Iterator[Finding]:
    """Only the last counts, so it is the one before that is pointed at."""
    before = stage.last_of.get(line.keyword)
    if before is not None:
        message = (
            f"Multiple {line.keyword} instructions should not be used in the same stage "
            "because only the last one will be used"
        )
        yield _at(before, "MultipleInstructionsDisallowed", message)
    stage.last_of[line.keyword] = line


def _form(line: LogicalLine, instruction: Cmd | Entrypoint, stage: _Stage) -> Iterator[Finding]:
    """A shell between runtime and program swallows signals; a ``SHELL`` says that it is meant."""
    if isinstance(instruction.command, ShellForm) and not stage.has_shell:
        message = (
            f"JSON arguments recommended for {line.keyword} to prevent unintended behavior "
            "related to OS signals"
        )
        yield _at(line, "JSONArgsRecommended", message)


def _directory(line: LogicalLine, instruction: Workdir, stage: _Stage) -> Iterator[Finding]:
    if not stage.has_directory and not instruction.path.strip("\"'").startswith(("/", "$")):
        message = (
            f'Relative workdir "{instruction.path}" can have unexpected results if the base image changes'
        )
        yield _at(line, "WorkdirRelativePath", message)
    stage.has_directory = True


def _ports(line: LogicalLine, instruction: Expose) -> Iterator[Finding]:
    for port in instruction.ports:
        protocol = port.partition("/")[2]
        if "$" not in protocol and protocol != protocol.lower():
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield _at(line, "ExposeProtoCasing", message)
        if "$" not in port and _MAPPED_PORT.fullmatch(port):
            message = (
                f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            )
            yield _at(line, "ExposeInvalidFormat", message)


def _references(text: str, escape: str) -> Iterator[str]:
    """The variables that a text uses without saying what stands for one that is not set."""
    variable = r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?P<operator>[^}]?))"
    token = re.compile(rf"{re.escape(escape)}.|'[^']*'|{variable}", re.DOTALL | re.ASCII)
    for match in token.finditer(text):
        name = match["plain"] or match["name"]
        if name and not match["operator"]:
            yield name


def _suggestion(name: str, known: Mapping[str, str] | set[str], sign: str = "") -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {sign}{close[0]}?)" if close else ""

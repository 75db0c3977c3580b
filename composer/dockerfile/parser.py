"""Logical lines to instructions: every form that composer carries out, and a clear no to the rest.

All problems of a file are reported at once.  What BuildKit knows and composer does not is refused
here with the word *unsupported*, before anything runs: a build never ignores a flag silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from composer import errors
from composer.dockerfile import lexer, mountflag
from composer.dockerfile.syntax import (
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    ExecForm,
    Expose,
    From,
    HealthcheckSetting,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Run,
    Shell,
    ShellForm,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from composer.model.quantity import Duration
from composer.model.stack import Healthcheck

_FLAGS: Mapping[str, frozenset[str]] = {
    "FROM": frozenset({"platform"}),
    "RUN": frozenset({"network", "security", "mount"}),
    "COPY": frozenset({"from", "chown", "chmod", "link", "parents", "exclude"}),
    "ADD": frozenset({"chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
}
_FLAGS_OF_BUILDKIT: Mapping[str, frozenset[str]] = {
    "RUN": frozenset({"device"}),
}
SCRIPTS = "/dev/pipes"
"""Where a here-document that is a program of its own is put for its RUN."""

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_TRIGGER = "ONBUILD of "
_SHORTEST_PROBE = Duration(1_000_000)


def parse(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Read a whole file; raises ``BuildError`` with every problem as ``name:line: ...``."""
    try:
        escape, lines = lexer.split(text)
    except lexer.LexicalError as error:
        message = f"{name}:{error.line}: {error}"
        raise errors.BuildError(message) from error
    problems: list[str] = []
    instructions: list[Instruction] = []
    for line in lines:
        try:
            instructions.append(_instruction(line, escape))
        except ValueError as error:
            problems.append(f"{name}:{line.line}: {error}")
    problems.extend(_problems_of_order(name, instructions) if not problems else ())
    if problems:
        raise errors.BuildError("\n".join(problems))
    return Dockerfile(name=name, instructions=tuple(instructions), escape=escape, text=text)


def parse_trigger(text: str, image: str) -> Dockerfile:
    """Read one ``ONBUILD`` trigger of a base image; messages name the image."""
    parsed = parse(text, f"{_TRIGGER}{image}")
    for one in parsed.instructions:
        if isinstance(one, From | OnBuild | Maintainer):
            message = f"{parsed.place(one)}: {one.text.split()[0]} isn't allowed as an ONBUILD trigger"
            raise errors.BuildError(message)
    return parsed


def _problems_of_order(name: str, instructions: list[Instruction]) -> list[str]:
    first = next((one for one in instructions if not isinstance(one, Arg)), None)
    if name.startswith(_TRIGGER) or isinstance(first, From):
        return []
    if first is None:
        return [f"{name}: the file has no FROM: there is nothing to build"]
    return [f"{name}:{first.line}: no build stage in current context: FROM must come first"]


def _instruction(line: lexer.LogicalLine, escape: str) -> Instruction:
    parse_one = _PARSERS.get(line.keyword)
    if parse_one is None:
        message = f"unknown instruction: {line.keyword}"
        raise ValueError(message)
    for name, _ in line.flags:
        if name in _FLAGS_OF_BUILDKIT.get(line.keyword, ()):
            message = f"{line.keyword} --{name} is unsupported"
            raise ValueError(message)
        if name not in _FLAGS.get(line.keyword, ()):
            message = f"unknown flag: {line.keyword} --{name}"
            raise ValueError(message)
    if not line.rest and line.keyword not in {"CMD", "ENTRYPOINT"}:
        message = f"{line.keyword} requires an argument"
        raise ValueError(message)
    return parse_one(line, escape)


# --------------------------------------------------------------------------- the forms of arguments


def _json_array(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, ``None`` when the text is not one.

    Like BuildKit, text after the array is ignored and an array of other things is an error.
    """
    if not text.startswith("["):
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in value):
        message = "when using JSON array syntax, arrays must be comprised of strings only"
        raise ValueError(message)
    return tuple(value)


def _command(text: str) -> Command:
    argv = _json_array(text) if text else ()
    return ShellForm(text=text) if argv is None else ExecForm(argv=argv)


def _list(text: str) -> tuple[str, ...]:
    """A JSON array or words; quotes stay in the words until they are expanded."""
    argv = _json_array(text)
    return tuple(text.split()) if argv is None else argv


def _pairs(line: lexer.LogicalLine, escape: str) -> tuple[tuple[str, str], ...]:
    """``name=value ...`` or the old form ``name value``."""
    words = lexer.words_of(line.rest, escape)
    if "=" not in words[0]:
        name, *value = line.rest.split(maxsplit=1)
        if not value:
            message = f"{line.keyword} must have two arguments"
            raise ValueError(message)
        return ((name, value[0]),)
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            message = f"syntax error - can't find = in {word!r}. Must be of the form: name=value"
            raise ValueError(message)
        if not name:
            message = f"{line.keyword} names can not be blank"
            raise ValueError(message)
        pairs.append((name, text))
    return tuple(pairs)


def _flag(line: lexer.LogicalLine, name: str, default: str = "") -> str:
    for flag, value in line.flags:
        if flag == name:
            if value is None:
                message = f"missing a value on flag: --{name}"
                raise ValueError(message)
            return value
    return default


def _switch(line: lexer.LogicalLine, name: str) -> bool | None:
    """A flag that is on or off; ``None`` when it was not given."""
    for flag, value in line.flags:
        if flag == name:
            if value is None or value.lower() == "true":
                return True
            if value.lower() == "false":
                return False
            message = f"expecting boolean value for flag --{name}, not: {value}"
            raise ValueError(message)
    return None


# --------------------------------------------------------------------------- the instructions


def _from(line: lexer.LogicalLine, _: str) -> From:
    words = line.rest.split()
    name = ""
    if len(words) == 3 and words[1].upper() == "AS":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            message = f"invalid name for build stage: {words[2]!r}: it starts with a letter"
            raise ValueError(message)
    elif len(words) != 1:
        message = "FROM requires either one or three arguments"
        raise ValueError(message)
    return From(line=line.line, text=line.text, base=words[0], platform=_flag(line, "platform"), name=name)


def _arg(line: lexer.LogicalLine, escape: str) -> Arg:
    pairs: list[tuple[str, str | None]] = []
    for word in lexer.words_of(line.rest, escape):
        name, equals, value = word.partition("=")
        if not name:
            message = "ARG names can not be blank"
            raise ValueError(message)
        pairs.append((name, value if equals else None))
    return Arg(line=line.line, text=line.text, pairs=tuple(pairs))


def _env(line: lexer.LogicalLine, escape: str) -> Env:
    return Env(line=line.line, text=line.text, pairs=_pairs(line, escape))


def _label(line: lexer.LogicalLine, escape: str) -> Label:
    return Label(line=line.line, text=line.text, pairs=_pairs(line, escape))


def _run(line: lexer.LogicalLine, _: str) -> Run:
    network = _flag(line, "network", "default")
    if network not in {"default", "none", "host"}:
        message = f"RUN --network={network} is unsupported: there are default, none and host"
        raise ValueError(message)
    security = _flag(line, "security", "sandbox")
    if security not in {"sandbox", "insecure"}:
        message = f"RUN --security={security} is unsupported: there are sandbox and insecure"
        raise ValueError(message)
    mounts = tuple(value or "" for name, value in line.flags if name == "mount")
    for mount in mounts:
        mountflag.parse(mount)
    command = _command(line.rest)
    if command == ExecForm(argv=()):
        message = "RUN requires a command"
        raise ValueError(message)
    script = None
    if line.heredocs:
        if isinstance(command, ExecForm):
            message = "a here-document needs the shell form of RUN"
            raise ValueError(message)
        command, script = _scripted(line.rest, line.heredocs)
    return Run(
        line=line.line,
        text=line.text,
        command=command,
        network=network,
        is_insecure=security == "insecure",
        mounts=mounts,
        script=script,
    )


def _scripted(rest: str, heredocs: tuple[Heredoc, ...]) -> tuple[ShellForm, Heredoc | None]:
    """What a RUN with here-documents runs, and the script that must be a file for that.

    ``RUN <<EOF`` runs the content, by the program of its ``#!`` line where it has one; a longer
    command line is put together for the shell to read.
    """
    if lexer.heredoc_opening(rest) is None:
        return ShellForm(text=rest + "".join(f"\n{one.content}{one.name}" for one in heredocs)), None
    (script,) = heredocs
    if script.content.startswith("#!"):
        return ShellForm(text=f"{SCRIPTS}/{script.name}"), script
    return ShellForm(text=script.body), None


def _copy(line: lexer.LogicalLine, _: str) -> Copy:
    *sources, destination = _list(line.rest)
    if not sources:
        message = (
            f"{line.keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
        raise ValueError(message)
    is_add = line.keyword == "ADD"
    openings = [source for source in sources if line.heredocs and lexer.heredoc_opening(source)]
    files = [source for source in sources if source not in openings]
    if len(sources) > 1 and "$" not in destination and not names_directory(destination):
        message = (
            f"when using {line.keyword} with more than one source file, the destination must be a "
            "directory and end with a /"
        )
        raise ValueError(message)
    origin = _flag(line, "from")
    if "$" in origin:
        message = (
            "variable expansion is not supported for --from: define a stage with FROM, "
            "using an ARG from global scope"
        )
        raise ValueError(message)
    return Copy(
        line=line.line,
        text=line.text,
        sources=tuple(files),
        destination=destination,
        inline=line.heredocs,
        origin=origin,
        owner=_flag(line, "chown"),
        mode=_flag(line, "chmod"),
        unpacks=is_add,
        is_link=_switch(line, "link") is True,
        keeps_parents=_switch(line, "parents") is True,
        excluded=tuple(value or "" for name, value in line.flags if name == "exclude"),
        checksum=_flag(line, "checksum"),
        keeps_git_directory=_switch(line, "keep-git-dir") is True,
        extracts=_switch(line, "unpack"),
    )


def names_directory(destination: str) -> bool:
    """Whether a destination says by its form that it is a directory."""
    return destination in {".", ".."} or destination.endswith(("/", "/.", "/.."))


def _workdir(line: lexer.LogicalLine, _: str) -> Workdir:
    return Workdir(line=line.line, text=line.text, path=line.rest)


def _user(line: lexer.LogicalLine, _: str) -> User:
    return User(line=line.line, text=line.text, user=line.rest)


def _expose(line: lexer.LogicalLine, _: str) -> Expose:
    return Expose(line=line.line, text=line.text, ports=tuple(line.rest.split()))


def _volume(line: lexer.LogicalLine, _: str) -> Volume:
    paths = _list(line.rest)
    if not paths or not all(path.strip() for path in paths):
        message = "VOLUME specified can not be an empty string"
        raise ValueError(message)
    return Volume(line=line.line, text=line.text, paths=paths)


def _cmd(line: lexer.LogicalLine, _: str) -> Cmd:
    return Cmd(line=line.line, text=line.text, command=_command(line.rest))


def _entrypoint(line: lexer.LogicalLine, _: str) -> Entrypoint:
    return Entrypoint(line=line.line, text=line.text, command=_command(line.rest))


def _healthcheck(line: lexer.LogicalLine, _: str) -> HealthcheckSetting:
    kind, *rest = line.rest.split(maxsplit=1)
    if kind.upper() == "NONE":
        if rest or line.flags:
            message = "HEALTHCHECK NONE takes no arguments"
            raise ValueError(message)
        healthcheck = Healthcheck(disabled=True)
    elif kind.upper() == "CMD" and rest:
        command = _command(rest[0])
        retries = _flag(line, "retries", "0")
        if not (retries.isascii() and retries.isdigit()):
            message = f"--retries must be a number that is not negative, not {retries!r}"
            raise ValueError(message)
        healthcheck = Healthcheck(
            test=("CMD-SHELL", command.text) if isinstance(command, ShellForm) else ("CMD", *command.argv),
            interval=_duration(line, "interval"),
            timeout=_duration(line, "timeout"),
            start_period=_duration(line, "start-period"),
            start_interval=_duration(line, "start-interval"),
            retries=int(retries) or None,
        )
    else:
        message = (
            "missing command after HEALTHCHECK CMD"
            if kind.upper() == "CMD"
            else f"unknown type {kind!r} in HEALTHCHECK (try CMD)"
        )
        raise ValueError(message)
    return HealthcheckSetting(line=line.line, text=line.text, healthcheck=healthcheck)


def _duration(line: lexer.LogicalLine, name: str) -> Duration | None:
    try:
        value = Duration.parse(_flag(line, name, "0"))
    except ValueError as error:
        message = f"--{name}: {error}"
        raise ValueError(message) from error
    if 0 < value < _SHORTEST_PROBE:
        message = f"--{name} cannot be less than 1ms"
        raise ValueError(message)
    return value or None


def _shell(line: lexer.LogicalLine, _: str) -> Shell:
    argv = _json_array(line.rest)
    if not argv:
        message = "SHELL requires the arguments to be in JSON form"
        raise ValueError(message)
    return Shell(line=line.line, text=line.text, argv=argv)


def _stop_signal(line: lexer.LogicalLine, _: str) -> StopSignal:
    return StopSignal(line=line.line, text=line.text, signal=line.rest)


def _maintainer(line: lexer.LogicalLine, _: str) -> Maintainer:
    return Maintainer(line=line.line, text=line.text, name=line.rest)


def _on_build(line: lexer.LogicalLine, _: str) -> OnBuild:
    keyword = line.rest.split(maxsplit=1)[0].upper()
    if keyword in {"ONBUILD", "FROM", "MAINTAINER"}:
        message = f"{keyword} isn't allowed as an ONBUILD trigger"
        raise ValueError(message)
    if keyword not in _PARSERS:
        message = f"unknown instruction: {keyword}"
        raise ValueError(message)
    documents = "".join(f"\n{one.content}{one.name}" for one in line.heredocs)
    return OnBuild(line=line.line, text=line.text, trigger=line.rest + documents)


_PARSERS: Mapping[str, Callable[[lexer.LogicalLine, str], Instruction]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}

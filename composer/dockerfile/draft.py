"""The image that a stage is making: configuration, layers, history and what its variables hold.

``after`` gives the draft after an instruction that changes no file.  Drafts are values: a stage that
starts from another continues its draft and cannot disturb it.

Sources: Dockerfile reference; BuildKit's dispatch rules where the reference is silent (ENTRYPOINT
drops an inherited CMD, ENV beats ARG, arguments are inherited by child stages).
"""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Mapping

import attrs

from composer.dockerfile.expand import expand
from composer.dockerfile.syntax import (
    Arg,
    Cmd,
    Command,
    Entrypoint,
    Env,
    Expose,
    HealthcheckSetting,
    Instruction,
    Label,
    OnBuild,
    Shell,
    ShellForm,
    StopSignal,
    User,
    Volume,
)
from composer.model.image import HistoryEntry, Image, ImageConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
PROXY_ARGUMENTS = frozenset(
    spelling
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelling in (name, name.lower())
)
"""Build arguments that need no declaration and stay out of history and cache unless declared."""

_LARGEST_PORT = 65535
_HOST_PART = re.compile(r"(?:(?:[0-9.]+|\[[0-9a-fA-F:.]+\]):)?[0-9-]*:", re.ASCII)
"""Address and port of the host, which mean nothing in an image."""


@attrs.frozen(kw_only=True)
class Settings:
    """What is the same for a whole build."""

    arguments: Mapping[str, str] = attrs.field(factory=dict)
    global_arguments: Mapping[str, str] = attrs.field(factory=dict)
    escape: str = "\\"
    created: str = ""


@attrs.frozen(kw_only=True)
class Draft:
    """A stage at one point.  ``declared`` are its arguments, ``None`` for one without a value."""

    config: ImageConfig = ImageConfig()
    layers: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    declared: Mapping[str, str | None] = attrs.field(factory=dict)
    has_command: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """The declared arguments that have a value and that no ENV covers."""
        environment = self.config.environment
        return {
            name: value
            for name, value in self.declared.items()
            if value is not None and name not in environment
        }

    @property
    def variables(self) -> dict[str, str]:
        """What ``$name`` means in an instruction."""
        return {**self.arguments, **self.config.environment}

    @property
    def working_dir(self) -> str:
        """The absolute directory that relative paths start from."""
        return posixpath.normpath(posixpath.join("/", self.config.working_dir))

    def argv_of(self, command: Command) -> tuple[str, ...]:
        """The program and arguments of a command; the shell form is wrapped by ``SHELL``."""
        if isinstance(command, ShellForm):
            return (*(self.config.shell or DEFAULT_SHELL), command.text)
        return command.argv

    def with_history(self, created: str, text: str, *, is_empty: bool = True) -> Draft:
        """Add one line of history."""
        entry = HistoryEntry(created=created, created_by=text, is_empty=is_empty)
        return attrs.evolve(self, history=(*self.history, entry))

    def with_layer(self, created: str, text: str, layers: tuple[str, ...]) -> Draft:
        """Add the layer that a step gave, if it gave one, and its line of history."""
        grown = attrs.evolve(self, layers=(*self.layers, *layers))
        return grown.with_history(created, text, is_empty=not layers)


def draft_on(image: Image | None) -> Draft:
    """A fresh stage on an image, or on nothing (``scratch``)."""
    config = ImageConfig(working_dir="/") if image is None else image.config
    if "PATH" not in config.environment:
        config = attrs.evolve(config, environment={**config.environment, "PATH": DEFAULT_PATH})
    if image is None:
        return Draft(config=config)
    return Draft(config=config, layers=image.layers, history=image.history)


def after(draft: Draft, instruction: Instruction, settings: Settings) -> Draft:
    """The draft after an instruction that changes the configuration only.

    Raises ``ValueError`` for what the reference forbids.  RUN, COPY, ADD and WORKDIR need a root to
    work in: the builder carries them out.
    """
    config = draft.config

    def read(text: str) -> str:
        return expand(text, draft.variables, escape=settings.escape)

    text = instruction.text
    match instruction:
        case Arg():
            declared = {**draft.declared, **_declared(instruction, draft, settings)}
            return attrs.evolve(draft, declared=declared).with_history(settings.created, text)
        case Env():
            # All pairs see the values from before the instruction: ENV abc=bye def=$abc.
            pairs = {read(name): read(value) for name, value in instruction.pairs}
            config = attrs.evolve(config, environment={**config.environment, **pairs})
            text = "ENV " + " ".join(f"{name}={value}" for name, value in pairs.items())
        case Label():
            pairs = {read(name): read(value) for name, value in instruction.pairs}
            config = attrs.evolve(config, labels={**config.labels, **pairs})
            text = "LABEL " + " ".join(f"{name}={value}" for name, value in pairs.items())
        case User():
            config = attrs.evolve(config, user=_not_blank("USER", read(instruction.user)))
        case Expose():
            words = " ".join(map(read, instruction.ports)).split()
            ports = {*config.exposed_ports, *(port for word in words for port in ports_of(word))}
            config = attrs.evolve(config, exposed_ports=tuple(sorted(ports, key=_port_order)))
        case Volume():
            paths = [_not_blank("VOLUME", read(path)) for path in instruction.paths]
            config = attrs.evolve(config, volumes=tuple(dict.fromkeys((*config.volumes, *paths))))
        case Cmd():
            config = attrs.evolve(config, command=draft.argv_of(instruction.command))
            draft = attrs.evolve(draft, has_command=True)
        case Entrypoint():
            command = config.command if draft.has_command else None
            argv = draft.argv_of(instruction.command)
            config = attrs.evolve(config, entrypoint=argv, command=command)
        case HealthcheckSetting():
            config = attrs.evolve(config, healthcheck=instruction.healthcheck)
        case Shell():
            config = attrs.evolve(config, shell=instruction.argv)
        case StopSignal():
            config = attrs.evolve(config, stop_signal=_signal(read(instruction.signal)))
        case OnBuild():
            config = attrs.evolve(config, on_build=(*config.on_build, instruction.trigger))
        case _:
            pass
    return attrs.evolve(draft, config=config).with_history(settings.created, text)


def _declared(instruction: Arg, draft: Draft, settings: Settings) -> dict[str, str | None]:
    """The values that ARG gives: the build's argument, else the default, else the global one."""
    declared: dict[str, str | None] = {}
    for name, default in instruction.pairs:
        if name in settings.arguments:
            declared[name] = settings.arguments[name]
        elif default is None:
            declared[name] = settings.global_arguments.get(name)
        else:
            known = {
                **draft.variables,
                **{one: value for one, value in declared.items() if value is not None},
            }
            declared[name] = expand(default, known, escape=settings.escape)
    return declared


def ports_of(text: str) -> tuple[str, ...]:
    """The ports of one word of EXPOSE: ``80``, ``53/udp``, ``8000-8002/tcp``.

    Of ``127.0.0.1:8080:80`` the last part counts, as with Docker; a build check says so.
    """
    mapping, _, protocol = text.partition("/")
    numbers = mapping[len(match[0]) :] if (match := _HOST_PART.match(mapping)) else mapping
    first, dash, last = numbers.partition("-")
    protocol = protocol.lower() or "tcp"
    bounds = (first, last if dash else first)
    if protocol not in {"tcp", "udp", "sctp"} or not all(b.isascii() and b.isdigit() for b in bounds):
        message = f"invalid containerPort: {text}"
        raise ValueError(message)
    low, high = map(int, bounds)
    if not 0 < low <= high <= _LARGEST_PORT:
        message = f"invalid containerPort: {text}: a port is between 1 and {_LARGEST_PORT}"
        raise ValueError(message)
    return tuple(f"{number}/{protocol}" for number in range(low, high + 1))


def _port_order(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return (int(number), protocol)


def _not_blank(keyword: str, value: str) -> str:
    if not value.strip():
        message = f"{keyword} is blank after its variables were expanded"
        raise ValueError(message)
    return value


def _signal(text: str) -> str:
    """A signal by name (with or without ``SIG``, also ``SIGRTMIN+3``) or number."""
    name = text.upper().removeprefix("SIG")
    base, _, offset = name.partition("+") if name.startswith("RTMIN") else name.partition("-")
    is_number = text.isascii() and text.isdigit() and 0 < int(text) <= signal.SIGRTMAX
    is_name = f"SIG{base}" in signal.Signals.__members__ and (not offset or base in {"RTMIN", "RTMAX"})
    if not (is_number or (is_name and (not offset or offset.isdigit()))):
        message = f"Invalid signal: {text}"
        raise ValueError(message)
    return text

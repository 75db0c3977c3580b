"""What a Dockerfile says: one frozen class per instruction, each knowing where it stands.

The values are as written: variables are not expanded and names not resolved, because both depend on
the stage in which an instruction runs.  Flags that only change how an instruction is carried out are
checked by the parser, so what is here can be carried out.

Source: the Dockerfile reference (docs.docker.com/reference/dockerfile), syntax version 1.
"""

from __future__ import annotations

import attrs

from composer.model.stack import Healthcheck


@attrs.frozen(kw_only=True)
class Heredoc:
    """A here-document: its name, its content, and whether variables in the content expand."""

    name: str
    content: str
    expands: bool = True
    strips_tabs: bool = False

    @property
    def body(self) -> str:
        """The content as a shell would feed it: ``<<-`` strips leading tabs."""
        if not self.strips_tabs:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


@attrs.frozen(kw_only=True)
class ShellForm:
    """A command that the stage's ``SHELL`` interprets."""

    text: str


@attrs.frozen(kw_only=True)
class ExecForm:
    """A command given as a JSON array."""

    argv: tuple[str, ...]


Command = ShellForm | ExecForm


@attrs.frozen(kw_only=True)
class Statement:
    """What every instruction has: its first line and its text on one line, for people."""

    line: int
    text: str


@attrs.frozen(kw_only=True)
class From(Statement):
    """Begins a stage on an image, an earlier stage or ``scratch``."""

    base: str
    platform: str = ""
    name: str = ""


@attrs.frozen(kw_only=True)
class Arg(Statement):
    """Declares build arguments; a value of ``None`` means no default."""

    pairs: tuple[tuple[str, str | None], ...]


@attrs.frozen(kw_only=True)
class Env(Statement):
    """Sets environment variables of the image."""

    pairs: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class Label(Statement):
    """Sets labels of the image."""

    pairs: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class Run(Statement):
    """Runs a command.

    ``network`` is ``default``, ``none`` or ``host``.  ``mounts`` are the values of ``--mount`` as
    written (``mountflag`` reads them).  ``script`` is a here-document that begins with ``#!``: it is
    put into a file, and ``command`` runs that.
    """

    command: Command
    network: str = "default"
    is_insecure: bool = False
    mounts: tuple[str, ...] = ()
    script: Heredoc | None = None


@attrs.frozen(kw_only=True)
class Copy(Statement):
    """``COPY`` or, when ``unpacks`` is set, ``ADD``.

    ``inline`` are here-documents, written as files of their names.  ``origin`` is ``--from``.
    ``is_link`` makes a layer of its own that knows nothing of what is below it; ``keeps_parents``
    keeps the sources' directories.  ``extracts`` is ``--unpack`` where it was said, ``checksum`` what
    a URL's content or a repository's commit must be.
    """

    sources: tuple[str, ...]
    destination: str
    inline: tuple[Heredoc, ...] = ()
    origin: str = ""
    owner: str = ""
    mode: str = ""
    unpacks: bool = False
    is_link: bool = False
    keeps_parents: bool = False
    excluded: tuple[str, ...] = ()
    checksum: str = ""
    keeps_git_directory: bool = False
    extracts: bool | None = None

    @property
    def keyword(self) -> str:
        """The instruction's name."""
        return "ADD" if self.unpacks else "COPY"


@attrs.frozen(kw_only=True)
class Workdir(Statement):
    """Changes, and makes, the working directory."""

    path: str


@attrs.frozen(kw_only=True)
class User(Statement):
    """Changes the user of the commands that follow."""

    user: str


@attrs.frozen(kw_only=True)
class Expose(Statement):
    """Names ports."""

    ports: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Volume(Statement):
    """Names directories that hold data."""

    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Cmd(Statement):
    """The default command."""

    command: Command


@attrs.frozen(kw_only=True)
class Entrypoint(Statement):
    """The program of the container."""

    command: Command


@attrs.frozen(kw_only=True)
class HealthcheckSetting(Statement):
    """How health is probed."""

    healthcheck: Healthcheck


@attrs.frozen(kw_only=True)
class Shell(Statement):
    """The shell of the shell forms that follow."""

    argv: tuple[str, ...]


@attrs.frozen(kw_only=True)
class StopSignal(Statement):
    """The signal that asks the container to stop."""

    signal: str


@attrs.frozen(kw_only=True)
class Maintainer(Statement):
    """The author (deprecated): accepted, said once, not kept."""

    name: str


@attrs.frozen(kw_only=True)
class OnBuild(Statement):
    """An instruction for the builds that start from this image."""

    trigger: str


Instruction = (
    From
    | Arg
    | Env
    | Label
    | Run
    | Copy
    | Workdir
    | User
    | Expose
    | Volume
    | Cmd
    | Entrypoint
    | HealthcheckSetting
    | Shell
    | StopSignal
    | Maintainer
    | OnBuild
)


@attrs.frozen(kw_only=True)
class Dockerfile:
    """A whole file: its name for messages, its text, escape character and instructions in order."""

    name: str
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    text: str = ""

    def place(self, statement: Statement) -> str:
        """``Dockerfile:12``."""
        return f"{self.name}:{statement.line}"

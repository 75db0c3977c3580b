"""Every error a user can meet, as one tree.

The tree is documentation: each class says who raises it and what the reader can do.  Each carries a
stable exit code; only ``composer.cli.main`` turns one into text and a process status::

    ComposerError
    ├── StackFileError     15  the stack file (or an env file it names) is wrong
    ├── UsageError         16  the command line asks for something impossible
    ├── ConflictError      17  the world is in the way: a port, a name, a subnet, a lock
    ├── ImageError         18  an image is missing, damaged or hostile
    │   └── RegistryError  18  a registry refused, is not to be reached, or answers nonsense
    ├── BuildError         19  an instruction of a Dockerfile failed
    ├── RuntimeFailure     20  the OCI runtime, conmon or the kernel refused
    ├── StoreDamaged       21  state on disk is not what was written
    ├── HostUnsupported    22  the host lacks something needed
    ├── OperationFailed     1  a step of a plan failed (a service unhealthy, exited, timed out)
    └── InternalError      70  an invariant of ours is broken

Codes 15 and above follow Docker Compose where it has one (15: compose file invalid, 16: command
line); 1 is what Docker Compose answers when a container fails.  Foreign exceptions (``OSError``,
netlink, ``sqlite3``, ``yaml``) are translated where they arise, with ``raise ... from``.
"""

from __future__ import annotations


class Problem:
    """One thing wrong at one place of a file: where, what, and how to put it right.

    A value: it is collected, sorted and rendered, never raised.  Lines and columns count from 1;
    0 means unknown.  ``via`` is the chain of files that led to this one, outermost first.
    """

    __slots__ = ("column", "file", "hint", "line", "message", "path", "via")

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        path: str = "",
        hint: str = "",
        via: tuple[str, ...] = (),
    ) -> None:
        self.message = message
        self.via = via
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.hint = hint

    @property
    def place(self) -> str:
        """``file:line:column`` with the unknown parts left out."""
        parts = [self.file] if self.file else []
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)

    def __str__(self) -> str:
        head = f"{self.place}: " if self.place else ""
        where = f"{self.path}: " if self.path else ""
        return f"{head}{where}{self.message}"

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int, int, str, str]:
        return (self.file, self.line, self.column, self.path, self.message)

    def __lt__(self, other: Problem) -> bool:
        return self._key() < other._key()


class ComposerError(Exception):
    """The root: a sentence for the user and, where one helps, a hint.  Never raised bare."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StackFileError(ComposerError):
    """The stack file cannot be used.  Raised by the loader with *all* problems it found."""

    exit_code = 15

    def __init__(self, problems: tuple[Problem, ...] | list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(ComposerError):
    """The command line names something that does not exist or combines what cannot be combined."""

    exit_code = 16


class ConflictError(ComposerError):
    """Something outside this stack is in the way and only its owner can move it."""

    exit_code = 17


class PortTaken(ConflictError):
    """A published port is bound already, by a program of the host or by another stack."""


class SubnetOverlap(ConflictError):
    """A declared subnet overlaps a route of the host or another network."""


class StackLocked(ConflictError):
    """Another process is changing this stack and did not finish within the deadline."""


class ImageError(ComposerError):
    """An image cannot be used."""

    exit_code = 18


class ImageNotFound(ImageError):
    """No image of that name is in the store; names the commands that can make one."""


class HostileLayer(ImageError):
    """A layer asks for something no layer may do; nothing of it was published."""


class DigestMismatch(ImageError):
    """Content is not what its digest says; nothing of it was published."""


class RegistryError(ImageError):
    """A registry could not do what was asked: the network, the protocol, a limit, or it said no."""


class RegistryUnreachable(RegistryError):
    """No answer: the name does not resolve, the connection or TLS failed, or it stalled."""


class RegistryDenied(RegistryError):
    """401 or 403: it wants credentials, others than were given, or more rights."""


class RegistryNotFound(RegistryError, ImageNotFound):
    """404: the registry has no such repository, tag or digest (or says so to who is not logged in)."""


class RegistryBusy(RegistryError):
    """429: too many requests, also after waiting."""


class BuildError(ComposerError):
    """An instruction failed.  ``message`` names file and line; ``output`` is the step's tail."""

    exit_code = 19

    def __init__(self, message: str, *, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output


class RuntimeFailure(ComposerError):
    """The OCI runtime, conmon or a kernel call behind them failed."""

    exit_code = 20


class NetworkFailure(RuntimeFailure):
    """Netlink or nftables refused; the message names the object and the kernel's answer."""


class StoreDamaged(ComposerError):
    """State on disk is unreadable or from a newer composer; nothing was changed."""

    exit_code = 21


class HostUnsupported(ComposerError):
    """The host lacks a tool, a kernel feature or a permission; the hint says how to get it."""

    exit_code = 22


class OperationFailed(ComposerError):
    """A step of the plan failed for a reason inside the stack (unhealthy, exited, timed out)."""

    exit_code = 1


class Interrupted(ComposerError):
    """The user or a deadline stopped a long operation; what was begun is undone or recorded."""

    exit_code = 130


class InternalError(ComposerError):
    """A bug of composer.  Asks for a report."""

    exit_code = 70

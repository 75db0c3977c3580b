"""What one command works with: the root options, and what is made when it is first asked for.

That is the stack's name, its file, a connection to its supervisor, the records, the drivers.  The
cheapest way is tried first: a name that is remembered, a supervisor that lives.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from composer import errors
from composer.cli import shortcut
from composer.supervisor.client import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from composer.engine.drivers import Drivers
    from composer.engine.records import Records
    from composer.host.database import Database
    from composer.host.paths import Paths
    from composer.stackfile.load import Document, Loaded, LoadRequest, Omissions
    from composer.supervisor.main import Nursling

Json = dict[str, object]
OpenConnection = Callable[[str, str, Callable[[], Connection] | None], Connection | None]

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class Session:
    """One invocation.  ``root`` are the options before the verb."""

    def __init__(
        self,
        root: argparse.Namespace,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        open_connection: OpenConnection = Connection.open,
    ) -> None:
        self.root = root
        self.out = sys.stdout if out is None else out
        self.err = sys.stderr if err is None else err
        self._open_connection = open_connection
        self._stdin: str | None = None
        self._name: str | None = None
        self._paths: Paths | None = None
        self._drivers: Drivers | None = None
        self._records: Records | None = None
        self._database: Database | None = None
        self._databases: list[Database] = []
        self._loaded: tuple[LoadRequest, Loaded] | None = None

    # ------------------------------------------------------------------ saying

    def say(self, text: str) -> None:
        """A line of the answer."""
        self.out.write(f"{text}\n")

    def note(self, text: str) -> None:
        """A line beside the answer; where nobody can read it (the terminal is gone) it is not said."""
        with contextlib.suppress(OSError):
            self.err.write(f"{text}\n")
            self.err.flush()

    # ------------------------------------------------------------------ the stack and its file

    def source(self) -> Json:
        """What a loader needs to find and read the stack file as this process would."""
        if "-" in self.root.files and self._stdin is None:
            self._stdin = _read_stdin()
        return {
            "directory": os.getcwd(),
            "files": self.root.files,
            "project_name": self.root.project_name,
            "project_directory": self.root.project_directory,
            "profiles": self.root.profiles,
            "env_files": self.root.env_files,
            "environment": dict(os.environ),
            "stdin": self._stdin,
        }

    def stack_name(self) -> str:
        """The stack that the command line means: as written, as remembered, or from the file."""
        if self._name is None:
            self._name = self._find_name()
        return self._name

    def _find_name(self) -> str:
        given: str | None = self.root.project_name
        if given:
            if not _is_stack_name(given):
                message = f"invalid project name {given!r}"
                hint = "Lower case letters, digits, - and _; the first a letter or a digit."
                raise errors.UsageError(message, hint=hint)
            return given
        known = shortcut.lookup(self.run, self._key(), os.environ)
        if known is not None and _is_stack_name(known):
            return known
        return self._name_from_files()

    def _name_from_files(self) -> str:
        """Read just enough of the files to know the name, and remember it for later commands."""
        import attrs

        from composer.stackfile import locate
        from composer.supervisor import loading

        consulted = shortcut.ConsultedVariables(os.environ)
        request = attrs.evolve(loading.request_from(self.source()), environment=consulted)
        name, inputs = locate.project_name_and_inputs(request)
        if "-" not in self.root.files:
            shortcut.remember(
                self.run,
                self._key(),
                name=name,
                files=[(file.path, file.mtime_ns, file.size, file.inode) for file in inputs],
                variables=consulted.names,
                environment=os.environ,
            )
        return name

    def load(self, services: Sequence[str] = ()) -> Loaded:
        """Load the stack file (once); raises ``StackFileError``.

        A supervisor forked later inherits what was loaded; the name is kept for later commands.
        """
        if self._loaded is None:
            from composer.stackfile import load
            from composer.supervisor import loading

            request = loading.request_from(self.source(), tuple(services))
            loaded = load.load_stack(request)
            self._loaded = request, loaded
            if self._name is None and self.stack_name() != loaded.stack.name:
                shortcut.forget(self.run, self._key())
            self._name = loaded.stack.name
        return self._loaded[1]

    def read(self, services: Sequence[str] = (), passes: Omissions | None = None) -> Document:
        """Read the stack file as ``config`` does; raises ``StackFileError``."""
        from composer.stackfile import load
        from composer.supervisor import loading

        return load.read_document(loading.request_from(self.source(), tuple(services)), passes)

    def _key(self) -> str:
        root = self.root
        selection = (root.files, root.project_name, root.project_directory, root.env_files)
        return shortcut.key_of(os.getcwd(), selection, os.environ)

    # ------------------------------------------------------------------ the supervisor

    def connect(self, *, revive: bool = False) -> Connection | None:
        """A connection to the stack's living supervisor.

        With ``revive``, a supervisor that is just ending is followed by a new one instead of an error.
        """
        return self._open_connection(self.run, self.stack_name(), self.start_supervisor if revive else None)

    def connect_or_adopt(self) -> Connection | None:
        """As ``connect``; where a stack is up without a supervisor, start one that takes over.

        ``None`` when the stack is not up.
        """
        connection = self.connect()
        if connection is None and self.is_recorded():
            connection = self.start_supervisor()
        return connection

    def connect_for_up(self, services: Sequence[str] = ()) -> Connection:
        """A supervisor for a command that brings something up; loads the file before forking one."""
        connection = self.connect(revive=True)
        if connection is None:
            self._close_databases()
            from composer.supervisor.main import Nursling

            nursling = Nursling()
            self.load(services)
            connection = self.start_supervisor(nursling)
        return connection

    def start_supervisor(self, nursling: Nursling | None = None) -> Connection:
        """A connection to the stack's supervisor, which is forked when none lives.

        No database may be open then: SQLite's state must not cross a fork (sqlite.org/howtocorrupt).
        """
        self._close_databases()
        from composer.supervisor.main import ensure_supervisor

        return ensure_supervisor(self.paths, self.stack_name(), self._loaded, nursling)

    def connect_to(self, stack: str) -> Connection:
        """A connection to the supervisor of any stack, which is started when none lives."""

        def start() -> Connection:
            self._close_databases()
            from composer.supervisor.main import ensure_supervisor

            return ensure_supervisor(self.paths, stack)

        return self._open_connection(self.run, stack, start) or start()

    def described(self, stack: str) -> list[Json] | None:
        """A stack's containers as its living supervisor describes them, ``None`` when none lives."""
        try:
            connection = self._open_connection(self.run, stack, None)
            if connection is None:
                return None
            with connection:
                answer = connection.call("container_inspect", {}).get("containers")
        except (errors.StackLocked, errors.OperationFailed, errors.UsageError):
            return None  # it ended just now, or is of an older composer
        return [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else None

    def _close_databases(self) -> None:
        for database in self._databases:
            database.close()
        self._databases.clear()
        self._records = self._drivers = self._database = None

    def is_recorded(self) -> bool:
        """Whether the records know the stack as up, or half down."""
        return self.paths.database.exists() and self.records().stack(self.stack_name()) is not None

    def records(self) -> Records:
        """The records alone, without the drivers."""
        if self._records is None:
            from composer.engine.records import Records

            self._records = Records(self.database())
        return self._records

    def database(self) -> Database:
        """The file of records itself."""
        if self._database is None:
            from composer.host.database import Database

            self._database = Database(self.paths.database)
            self._databases.append(self._database)
        return self._database

    def rows(self) -> list[Json]:
        """The stack's containers, from its supervisor or, when none lives, from a look of our own."""
        from composer.cli import containers

        try:
            connection = self.connect_or_adopt()
            if connection is not None:
                with connection:
                    return containers.rows_in(connection.call("ps", {"all": True}))
        except errors.StackLocked:
            pass  # it is ending: what it leaves is on record
        return self.observed_rows()

    def observed_rows(self) -> list[Json]:
        """The stack's containers as the kernel and the records show them."""
        if not self.paths.database.exists():
            return []
        from composer.engine import observe, status

        return status.rows_of(observe.observe(self.drivers(), self.stack_name()))

    # ------------------------------------------------------------------ this host

    @property
    def run(self) -> str:
        """The root of what is gone after a reboot."""
        given = os.environ.get("COMPOSER_RUN")
        return os.path.abspath(given) if given else str(self.paths.run)

    @property
    def paths(self) -> Paths:
        """Where state lies."""
        if self._paths is None:
            from composer.host.paths import Paths

            self._paths = Paths.of_environment()
        return self._paths

    def drivers(self) -> Drivers:
        """The capabilities, for commands that need no supervisor."""
        if self._drivers is None:
            from composer.engine.drivers import open_drivers

            self._drivers = open_drivers(self.paths, is_lazy=True)
            self._databases.append(self._drivers.database)
        return self._drivers


def _read_stdin() -> str:
    """What the loader would take of a stack file, and a byte more, so that it can say: too large.

    Bytes that are no UTF-8 travel as surrogates, and the loader says where they stand.
    """
    from composer.stackfile.reader import LARGEST_STACK_FILE

    return sys.stdin.buffer.read(LARGEST_STACK_FILE + 1).decode("utf-8", "surrogateescape")


def _is_stack_name(text: str) -> bool:
    """As ``model.names.STACK_NAME``, whose module this path does not load."""
    return bool(text) and text[0] not in "-_" and _NAME_CHARACTERS.issuperset(text)

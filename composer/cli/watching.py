"""``watch``: keeps a running stack as its files are, rule by rule (Compose Specification, ``develop.md``).

Changes are gathered until nothing happened for a moment, so that a save of many files is one rebuild.
What goes wrong with one change is said, and the next one has its turn.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import select
import tarfile
import time
from collections.abc import Iterable

from composer import errors
from composer.cli import progress, watchrules
from composer.host.treewatch import TreeWatch, files_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.session import Json, Session
    from composer.cli.watchrules import Work
    from composer.engine.records import ContainerRecord
    from composer.model.deploy import Hook

QUIET = 0.15
"""Seconds without a change after which a flock of changes is complete."""

LONGEST = 2.0
"""Seconds after which a flock is acted on though it goes on."""

REMOVAL_SECONDS = 60.0
HOOK_SECONDS = 3600.0


class Watcher:
    """Watches for the services of one stack that is up."""

    def __init__(self, session: Session, services: list[str], *, quiet: bool = False) -> None:
        self._session = session
        self._quiet = quiet
        stack = session.load(services).stack
        self._stack = stack.name
        contexts = {one.build.context.rstrip("/") for one in stack.services.values() if one.build}
        self._rules = watchrules.rules_of(stack, services, {path: _dockerignore(path) for path in contexts})
        if not self._rules:
            message = "none of the services has a develop.watch section"
            raise errors.UsageError(message, hint="It says what happens when files change.")
        self._tree = TreeWatch(
            sorted({rule.watch.path.rstrip("/") for rule in self._rules}), self._is_skipped
        )

    def prepare(self) -> None:
        """Bring files in that are to be there from the start; the process gets its own mount namespace."""
        from composer.host import mounts

        mounts.enter_private_namespace()
        for rule in self._rules:
            if rule.watch.initial_sync and rule.watch.action in watchrules.SYNCING:
                self._act(watchrules.work_for(files_below(rule.watch.path.rstrip("/"), rule.skips), [rule]))

    def run(self) -> None:
        """Act on changes for ever."""
        self._session.note("Watch enabled")
        while True:
            select.select([self._tree.descriptor], [], [])
            work = watchrules.work_for(self._flock(), self._rules)
            self._act(work)

    def _is_skipped(self, directory: str) -> bool:
        return all(rule.skips(directory) for rule in self._rules)

    def _flock(self) -> set[str]:
        changed = self._tree.changed()
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline and select.select([self._tree.descriptor], [], [], QUIET)[0]:
            changed |= self._tree.changed()
        return changed

    # ------------------------------------------------------------------ acting

    def _act(self, work: Work) -> None:
        """Rebuild, then sync, restart and run hooks."""
        try:
            if work.rebuild:
                self._say(f"Rebuilding {', '.join(work.rebuild)} after changes were detected...")
                self._rebuild(work.rebuild)
            for service, files in work.sync.items():
                self._sync(service, files)
            if work.restart:
                self._say(f"Restarting {', '.join(work.restart)}")
                self._ask("restart", {"services": list(work.restart), "no_deps": True})
            for service, hook in work.hooks:
                self._run_hook(service, hook)
        except errors.ComposerError as error:
            self._say(f"error: {error.message}")

    def _rebuild(self, services: Iterable[str]) -> None:
        wanted: Json = {
            "source": self._session.source(),
            "services": list(services),
            "build": True,
            "no_deps": True,
            "ignore_orphans": True,
        }
        self._ask("up", wanted)

    def _ask(self, command: str, arguments: Json) -> None:
        """Make a request to the supervisor; what a build prints is shown unless quiet."""
        renderer = progress.renderer_for("quiet" if self._quiet else "plain", self._session.err)
        connection = self._session.connect(revive=True)
        if connection is None:
            raise errors.OperationFailed(f"the stack {self._stack} is not up")
        with connection:
            connection.call(command, arguments, renderer.show)

    def _sync(self, service: str, files: tuple[tuple[str, str], ...]) -> None:
        there = [(path, inside) for path, inside in files if os.path.lexists(path)]
        gone = [inside for path, inside in files if not os.path.lexists(path)]
        self._say(f"Syncing service {service} after {len(files)} changes were detected")
        for record in self._running(service):
            self._remove(record, gone)
            self._copy(record, there)

    def _running(self, service: str) -> list[ContainerRecord]:
        runtime = self._session.drivers().runtime
        return [
            record
            for record in self._session.drivers().records.containers(self._stack)
            if record.spec.service == service
            and not record.spec.one_off
            and runtime.state(record.id).is_running
        ]

    def _copy(self, record: ContainerRecord, files: list[tuple[str, str]]) -> None:
        from composer.engine import rootview
        from composer.engine.copying import Copier

        if not files:
            return
        with rootview.as_seen_inside(self._session.drivers(), record) as root:
            Copier(root).from_tar(archive_of(files, missing_directories(root, files)), "/")

    def _remove(self, record: ContainerRecord, paths: list[str]) -> None:
        """By the container's own ``rm``, as Docker Compose does it."""
        from composer.model.protocols import ExecRequest

        if not paths:
            return
        wanted = ExecRequest(argv=("rm", "-rf", "--", *paths), user="0")
        done = self._session.drivers().runtime.execute(record.id, wanted, seconds=REMOVAL_SECONDS)
        if done.exit_code:
            said = done.output.decode("utf-8", errors="replace").strip()
            message = f"cannot remove {', '.join(paths)} in {record.spec.name}: {said}"
            raise errors.OperationFailed(message)

    def _run_hook(self, service: str, hook: Hook) -> None:
        from composer.model.protocols import ExecRequest

        wanted = ExecRequest(
            argv=hook.command,
            environment=hook.environment,
            user=hook.user or None,
            working_dir=hook.working_dir or None,
            is_privileged=hook.privileged,
        )
        for record in self._running(service):
            done = self._session.drivers().runtime.execute(record.id, wanted, seconds=HOOK_SECONDS)
            said = done.output.decode("utf-8", errors="replace").rstrip()
            if said:
                self._say(said)
            if done.exit_code:
                self._say(
                    f"error: {' '.join(hook.command)} exited with {done.exit_code} in {record.spec.name}"
                )

    def _say(self, text: str) -> None:
        from composer.cli import terminal

        self._session.note(terminal.harmless(text))


def _dockerignore(context: str) -> str:
    try:
        with open(f"{context}/.dockerignore", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def missing_directories(root: int, files: Iterable[tuple[str, str]]) -> list[str]:
    """The directories that the files need and the container lacks, outermost first."""
    from composer.host import descriptor

    missing: set[str] = set()
    for _, inside in files:
        parent = posixpath.dirname(inside)
        while parent not in ("", "/") and parent not in missing:
            try:
                os.close(descriptor.open_in_root(root, parent, os.O_PATH | os.O_DIRECTORY))
                break
            except OSError:
                missing.add(parent)
                parent = posixpath.dirname(parent)
    return sorted(missing)


def archive_of(files: Iterable[tuple[str, str]], directories: Iterable[str]) -> io.BytesIO:
    """A tar of files of the host by their paths in the container, owned by root as Docker Compose's are."""
    buffer = io.BytesIO()

    def of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in directories:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, int(time.time())
            tar.addfile(entry)
        for path, inside in files:
            with contextlib.suppress(FileNotFoundError):  # the next flock removes it
                tar.add(path, arcname=inside.lstrip("/"), recursive=False, filter=of_root)
    buffer.seek(0)
    return buffer

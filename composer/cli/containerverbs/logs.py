"""``container logs``: what a container wrote, each stream to ours, as it wrote it."""

from __future__ import annotations

import contextlib
import os
import select
import sys

from composer import errors
from composer.cli import arguments, hand, terminal
from composer.cli.commands import logs as of_stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from composer.cli.session import Session
    from composer.engine.records import ContainerRecord
    from composer.runtime.logs import LogRecord

EXAMPLES = """composer container logs -f --tail 20 web
composer container logs --since 10m -t web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container logs``."""
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="go on until the container ends")
    add("-n", "--tail", default="all", metavar="LINES", help="only the last lines")
    arguments.add_period(parser)
    add("-t", "--timestamps", action="store_true", help="show when each line was written")
    add("--details", action="store_true", help="extra attributes: composer's logs have none")
    add("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Write what the log has, and with ``--follow`` what comes."""

    def show(word: str) -> None:
        record = hand.find(session, word)
        _refuse_unkept(record)
        since, until = arguments.period(options)
        reader = Reader(
            tail=of_stacks.lines_of(options.tail), since=since, until=until, has_time=options.timestamps
        )
        reader.open(session, record)
        reader.drain()
        if options.follow:
            _follow(session, record, reader)

    return hand.each(session, [options.container], show)


def _follow(session: Session, record: ContainerRecord, reader: Reader) -> None:
    """Until the container ends; sleeps until its log grows (inotify) or its first process is gone (pidfd)."""
    from composer.host import inotify
    from composer.runtime.driver import OciRuntime

    runtime = OciRuntime(session.paths)
    with contextlib.ExitStack() as stack:
        bell = inotify.Inotify()
        stack.callback(bell.close)
        bell.watch(
            session.paths.container_data(record.id), inotify.MODIFIED | inotify.CREATED | inotify.MOVED_TO
        )
        ended = runtime.descriptor_of(record.id)
        if ended is not None:
            stack.callback(os.close, ended)
        while ended is not None and not reader.is_over:
            reader.drain()
            ready, _, _ = select.select([bell.descriptor, ended], [], [])
            while bell.read():
                pass
            if ended in ready:
                # The monitor writes what is left, then the exit code.
                runtime.await_exit_code(record.id, seconds=2.0)
                break
        reader.drain()


def _refuse_unkept(record: ContainerRecord) -> None:
    if record.spec.logging is not None and record.spec.logging.driver == "none":
        message = f"the logs of {record.spec.name} are not kept: its logging driver is none"
        raise errors.OperationFailed(message)


class Reader:
    """Writes the records of one log that are asked for, raw but where a terminal would obey them."""

    def __init__(self, *, tail: int | None, since: float, until: float, has_time: bool) -> None:
        self._tail = tail
        self._since = since
        self._until = until
        self._has_time = has_time
        self._is_begun: dict[str, bool] = {}
        self.is_over = False
        """Whether a record past ``--until`` was met: nothing more will be shown."""

    def open(self, session: Session, record: ContainerRecord) -> None:
        """Show the tail that was asked for, and stand after it."""
        from composer.runtime import logs

        path = session.paths.container_data(record.id) / "log"
        self._follower = logs.LogFollower(path, from_end=self._tail is not None)
        self._seen_until = float("-inf")
        if self._tail is not None:
            # The follower was opened before: what both have is shown once.
            history = logs.read_records(path, tail=self._tail)
            self._write(history)
            self._seen_until = history[-1].time if history else self._seen_until

    def drain(self) -> None:
        """Write what is new."""
        while records := self._follower.read_new():
            self._write(record for record in records if record.time > self._seen_until)
        sys.stdout.flush()
        sys.stderr.flush()

    def _write(self, records: Iterable[LogRecord]) -> None:
        for record in records:
            self.is_over = self.is_over or record.time > self._until
            if self._since <= record.time <= self._until:
                self._write_one(record)

    def _write_one(self, record: LogRecord) -> None:
        stream = sys.stderr if record.stream == "stderr" else sys.stdout
        head = ""
        if self._has_time and not self._is_begun.get(record.stream):
            head = f"{record.timestamp} "
        self._is_begun[record.stream] = record.is_partial
        text = record.text if record.is_partial else record.text + b"\n"
        if terminal.is_terminal(stream):
            stream.write(head + terminal.harmless(text.decode("utf-8", errors="replace")))
            return
        stream.flush()
        stream.buffer.write(head.encode() + text)

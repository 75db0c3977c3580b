"""One blob from a registry into the store: resumed where it was cut, verified, fetched by one at a time.

What is here already is asked for no more: a transfer goes on at the writer's offset, be it after a cut
connection or after the death of an earlier process.  A server that ignores ``Range`` sends again what we
have, and that is read past; one that answers with another range is not believed.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.model.distribution import Transfer, TransferState
from composer.registry import attempts
from composer.registry.refusal import Temporary
from composer.registry.transport import ConnectionFailed

if TYPE_CHECKING:
    from composer.model.distribution import Blobs, BlobWriter, Descriptor, Report
    from composer.registry.client import Client
    from composer.registry.transport import Response

REPORT_EVERY = 0.1
"""Seconds between two reports of one transfer."""

_CORRUPTIONS = 2
"""Times that content is fetched which is not its digest."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)


def download(client: Client, blobs: Blobs, blob: Descriptor, report: Report) -> None:
    """Fetch a blob unless it is here; raises ``RegistryError``, ``DigestMismatch``, ``Interrupted``.

    The last report is that every byte came: what is done with them is the store's to tell.
    """
    if blobs.has(blob.digest):
        report(Transfer(digest=blob.digest, state=TransferState.PRESENT, done=blob.size, total=blob.size))
        return
    report(Transfer(digest=blob.digest, state=TransferState.WAITING, total=blob.size))
    with blobs.writer(blob) as writer:
        state = TransferState.PRESENT
        if not blobs.has(blob.digest):  # another one may have fetched it while we waited
            _fetch(client, blob, writer, report)
            state = TransferState.TRANSFERRING
    report(Transfer(digest=blob.digest, state=state, done=blob.size, total=blob.size))


def _fetch(client: Client, blob: Descriptor, writer: BlobWriter, report: Report) -> None:
    for remaining in reversed(range(_CORRUPTIONS)):
        _Fetching(client, blob, writer, report).run()
        try:
            writer.commit()
        except errors.DigestMismatch:
            if not remaining:
                raise
        else:
            return


class _Fetching:
    """The attempts at the content of one blob."""

    def __init__(self, client: Client, blob: Descriptor, writer: BlobWriter, report: Report) -> None:
        self._client = client
        self._blob = blob
        self._writer = writer
        self._report = report
        self._reported = 0.0

    def run(self) -> None:
        """Until every byte is here."""
        tries = attempts.Attempts(self._client.patience, self._client.interrupt)
        while self._writer.offset < self._blob.size:
            attempts.check(self._client.interrupt)
            before = self._writer.offset
            try:
                self._attempt()
            except (Temporary, ConnectionFailed) as failure:
                tries.failed(failure, brought=self._writer.offset - before)

    def _attempt(self) -> None:
        offset = self._writer.offset
        with self._client.open_blob(self._blob.digest, offset) as response:
            if response.status == 416:
                # It is shorter there than what we have: what we have is not the beginning of it.
                self._writer.restart()
                raise self._broken("has less of it than was fetched before")
            skip = self._bytes_to_skip(response, offset)
            interrupt = self._client.interrupt
            unregister = interrupt.on_set(response.abort) if interrupt is not None else None
            try:
                self._copy(response, skip)
            finally:
                if unregister is not None:
                    unregister()

    def _bytes_to_skip(self, response: Response, offset: int) -> int:
        """How much of the answer we have already; raises when it is not what was asked for."""
        if response.status == 206:
            match = _CONTENT_RANGE.fullmatch(response.header("Content-Range").strip())
            if match is None or int(match[1]) != offset or match[3] not in ("*", str(self._blob.size)):
                self._writer.restart()  # without a Range there is nothing to get wrong
                raise self._broken("answers with another range than was asked for")
            return 0
        length = response.header("Content-Length")
        if length.isdecimal() and int(length) != self._blob.size:
            raise self._broken(f"announces {length} bytes instead of {self._blob.size}")
        return offset

    def _copy(self, response: Response, skip: int) -> None:
        pace = _Pace(self._client.patience.slowest, self._client.patience.stall)
        while self._writer.offset < self._blob.size:
            data = response.read_some()
            attempts.check(self._client.interrupt)
            if not data:
                raise self._broken("ended too early")
            if not pace.allows(len(data)):
                raise self._broken("came to almost nothing")
            if skip:
                passed = min(skip, len(data))
                skip, data = skip - passed, data[passed:]
            self._writer.write(data[: self._blob.size - self._writer.offset])
            self._say()

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_EVERY:
            self._reported = now
            blob, done = self._blob, self._writer.offset
            state = TransferState.TRANSFERRING
            self._report(Transfer(digest=blob.digest, state=state, done=done, total=blob.size))

    def _broken(self, what: str) -> Temporary:
        message = (
            f"blob {self._blob.digest[:19]} of {self._client.endpoint.name} cannot be fetched: it {what}"
        )
        return Temporary(errors.RegistryError(message, hint="The registry or a proxy may be at fault."), None)


@attrs.define
class _Pace:
    """Tells a slow transfer from one that has all but stopped, by windows of ``seconds``."""

    slowest: int
    seconds: float
    _began: float = attrs.field(factory=time.monotonic)
    _bytes: int = 0

    def allows(self, count: int) -> bool:
        """Take ``count`` bytes in; whether the rate of the last whole window is enough."""
        self._bytes += count
        now = time.monotonic()
        elapsed = now - self._began
        if elapsed < self.seconds:
            return True
        is_enough = self._bytes >= self.slowest * elapsed
        self._began, self._bytes = now, 0
        return is_enough

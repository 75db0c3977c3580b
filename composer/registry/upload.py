"""One blob from the store to a registry: skipped or mounted where possible, resumed where it was cut.

The content goes in one ``PATCH``, which every registry takes, and ``PUT`` names its digest.  After a
cut the registry is asked how much it has (distribution-spec v1.1, "Pushing a blob in chunks").
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from composer.model.distribution import Transfer, TransferState
from composer.registry import attempts
from composer.registry.download import REPORT_EVERY
from composer.registry.refusal import Temporary
from composer.registry.transport import CHUNK, ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.model.distribution import Blobs, Descriptor, Report
    from composer.registry.client import Client


def upload(client: Client, blobs: Blobs, blob: Descriptor, origin: str, report: Report) -> None:
    """Send a blob unless the repository has it; ``origin`` is one beside it that has it, or "".

    Raises ``RegistryError`` and its kinds, ``StoreDamaged``, ``Interrupted``.
    """

    def say(state: TransferState, done: int) -> None:
        report(Transfer(digest=blob.digest, state=state, done=done, total=blob.size))

    say(TransferState.WAITING, 0)
    if client.has_blob(blob.digest):
        say(TransferState.PRESENT, blob.size)
        return
    location = client.begin_upload(mount=blob.digest if origin else "", origin=origin)
    if not location:
        say(TransferState.MOUNTED, blob.size)
        return
    with blobs.open(blob.digest) as file:
        _send(client, file, blob, location, say)
    say(TransferState.DONE, blob.size)


def _send(
    client: Client,
    file: BinaryIO,
    blob: Descriptor,
    location: str,
    say: Callable[[TransferState, int], None],
) -> None:
    tries = attempts.Attempts(client.patience, client.interrupt)
    offset = 0
    while True:
        attempts.check(client.interrupt)
        try:
            if offset < blob.size:
                body = _pieces(client, file, offset, say)
                location = client.send(location, body, blob.size - offset, offset=offset)
                offset = blob.size
            client.finish_upload(location, blob.digest)
        except (Temporary, ConnectionFailed) as failure:
            attempts.check(client.interrupt)
            if client.has_blob(blob.digest):
                return  # it was only the answer that did not come
            before = offset
            offset, location = _state_after(client, location, blob)
            tries.failed(failure, brought=max(0, offset - before))
        else:
            return


def _state_after(client: Client, location: str, blob: Descriptor) -> tuple[int, str]:
    """How far the registry is and where it goes on; from the beginning where it does not know."""
    try:
        received = client.received(location)
    except (Temporary, ConnectionFailed):
        received = None
    if received is None or received[0] > blob.size:
        return 0, client.begin_upload()
    return received


def _pieces(
    client: Client, file: BinaryIO, offset: int, say: Callable[[TransferState, int], None]
) -> Iterator[bytes]:
    """The content from ``offset`` on, in pieces; whoever takes them has the progress reported."""
    file.seek(offset, os.SEEK_SET)
    done, reported = offset, 0.0
    while data := file.read(CHUNK):
        attempts.check(client.interrupt)
        yield data
        done += len(data)
        now = time.monotonic()
        if now - reported >= REPORT_EVERY:
            reported = now
            say(TransferState.TRANSFERRING, done)

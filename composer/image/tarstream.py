"""The entries of a tar stream, with bounds on what a header may cost.

``tarfile`` parses every dialect there is, but believes its input: it reads a PAX header of any size
into memory and recurses once per extended header.  Here headers are bounded before they are read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Self, cast

from composer import errors
from composer.image.blobs import Reader

LARGEST_HEADER = 1024 * 1024
"""Bytes of one extended header (PAX, GNU long name), and of all PAX fields of an entry together."""

_EXTENDED = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)


class _BoundedInfo(tarfile.TarInfo):
    """A header that is looked at before what belongs to it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a block; a wrong one is an error, where ``tarfile`` takes it for the end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> Self:
        if self.type in _EXTENDED and not 0 <= self.size <= LARGEST_HEADER:
            message = f"an extended header of {self.size} bytes; {LARGEST_HEADER} is the most"
            raise errors.HostileLayer(message)
        return cast("Self", cast("Any", super())._proc_member(archive))


@contextmanager
def opened(source: Reader, *, most: int) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """An archive and its entries, in order, at most so many; the archive reads an entry's content.

    Raises ``ImageError`` for what is no archive, and ``HostileLayer``, also from the block.
    """
    stream = cast("BinaryIO", source)
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape", tarinfo=_BoundedInfo
        ) as archive:
            yield archive, _entries(archive, most)
    except RecursionError as error:
        raise errors.HostileLayer("extended headers without end") from error
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, OverflowError, IndexError) as error:
        message = f"the archive is damaged: {error}"
        raise errors.ImageError(message) from error


def _entries(archive: tarfile.TarFile, most: int) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive):
        if count >= most:
            message = f"the archive has more than {most} entries"
            raise errors.HostileLayer(message)
        if sum(len(key) + len(value) for key, value in member.pax_headers.items()) > LARGEST_HEADER:
            raise errors.HostileLayer("an entry has oversized headers")
        cast("Any", archive).members = []  # a stream needs no index; it would grow for ever
        yield member

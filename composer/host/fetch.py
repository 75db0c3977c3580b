"""Fetches one file over HTTP: what ``ADD URL`` and remote build contexts need, no more.

Redirects are followed between http and https only, proxies are those of the environment, certificates
are checked.  Nobody's credentials are sent.
"""

from __future__ import annotations

import email.message
import email.utils
import http.client
import urllib.error
import urllib.request
from typing import IO

import attrs

from composer import errors
from composer.model.protocols import Interrupt

_CHUNK = 1 << 18
_SECONDS = 60.0
"""How long a server may be silent."""
_NOT_MODIFIED = 304


@attrs.frozen(kw_only=True)
class Fetched:
    """What a server said of a file: ``modified`` in Unix seconds where it said so, ``etag`` as it wrote it.

    ``is_unchanged`` says that nothing was sent because the file is still what ``etag`` names.
    """

    modified: float | None = None
    etag: str = ""
    is_unchanged: bool = False


def fetch(url: str, sink: IO[bytes], *, largest: int, interrupt: Interrupt, etag: str = "") -> Fetched:
    """Write the file at ``url`` into ``sink``.

    Raises ``OperationFailed``: no answer, a refusal, or more than ``largest`` bytes; ``Interrupted``.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "composer", "Accept-Encoding": "identity"})  # noqa: S310 -- the opener below knows http and https only
    if etag:
        request.add_header("If-None-Match", etag)
    try:
        with _opener().open(request, timeout=_SECONDS) as answer:
            _copy(answer, sink, url, largest, interrupt)
            return _said(answer.headers)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _NOT_MODIFIED and etag:
            return attrs.evolve(_said(error.headers), is_unchanged=True)
        message = f"cannot fetch {url}: the server answered {error.code} {error.reason}"
        raise errors.OperationFailed(message) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        message = f"cannot fetch {url}: {reason}"
        raise errors.OperationFailed(message) from error


def _opener() -> urllib.request.OpenerDirector:
    """The standard one without ``file:``, ``ftp:`` and ``data:``."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _copy(
    answer: http.client.HTTPResponse, sink: IO[bytes], url: str, largest: int, interrupt: Interrupt
) -> None:
    total = 0
    while chunk := answer.read(_CHUNK):
        if interrupt.is_set:
            message = f"fetching {url} was stopped"
            raise errors.Interrupted(message)
        total += len(chunk)
        if total > largest:
            message = f"cannot fetch {url}: it is larger than {largest} bytes"
            raise errors.OperationFailed(message)
        sink.write(chunk)
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) != total:
        message = f"cannot fetch {url}: the connection broke off after {total} of {announced} bytes"
        raise errors.OperationFailed(message)


def _said(headers: email.message.Message) -> Fetched:
    moment = None
    if text := headers.get("Last-Modified"):
        try:
            moment = email.utils.parsedate_to_datetime(text).timestamp()
        except (ValueError, OverflowError):
            moment = None
    return Fetched(modified=moment, etag=headers.get("ETag", ""))

"""Connections to registries: pools, TLS, proxies and time limits; nothing here knows what is asked.

One pool per origin, shared by all threads of a process.  Redirects and retries are not urllib3's: who is
told our credentials, and what is asked twice, is decided by ``client``.  urllib3's exceptions end here.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from typing import IO, Self
from urllib.parse import unquote, urlsplit

import attrs
import urllib3
import urllib3.exceptions

from composer import errors
from composer.registry import proxies, tls
from composer.registry.retry import Patience

CHUNK = 256 * 1024
"""Bytes per read and per write."""

_DEFAULT_PORTS = {"http": 80, "https": 443}

Body = bytes | IO[bytes] | Iterable[bytes] | None


@attrs.frozen(kw_only=True)
class Origin:
    """Scheme, host and port: to whom a request goes, and who may see its credentials (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute URL; raises ``RegistryError`` for what is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            message = f"the registry names {url[:200]!r}, which is no HTTP address"
            raise errors.RegistryError(message)
        return cls(scheme=parts.scheme, host=parts.hostname, port=port or _DEFAULT_PORTS[parts.scheme])


class ConnectionFailed(errors.RegistryUnreachable):
    """No answer came, or not all of it.

    ``may_pass`` says whether trying again makes sense, ``is_connecting`` that there was no connection yet.
    """

    def __init__(
        self, message: str, *, hint: str = "", may_pass: bool = True, is_connecting: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.may_pass = may_pass
        self.is_connecting = is_connecting


class Response:
    """An answer whose body is still to come; a context manager that gives the connection back."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, origin: Origin) -> None:
        self._raw = raw
        self.origin = origin
        self.status = raw.status

    def header(self, name: str) -> str:
        """A header's value, "" when absent."""
        return self._raw.headers.get(name, "")

    def headers(self, name: str) -> list[str]:
        """Every value of a header that may come several times."""
        return list(self._raw.headers.getlist(name))

    def read_some(self) -> bytes:
        """The next bytes as they arrive, empty at the end; raises ``ConnectionFailed``."""
        try:
            return self._raw.read1(CHUNK)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _translated(error, self.origin) from error

    def read_all(self, most: int) -> bytes:
        """A small body; raises ``RegistryError`` when it is larger than ``most`` bytes."""
        content = bytearray()
        while data := self.read_some():
            content += data
            if len(content) > most:
                message = f"{self.origin.host} answers more than {most} bytes"
                raise errors.RegistryError(message)
        return bytes(content)

    def read_start(self, most: int) -> bytes:
        """What an error says: its first bytes, fewer when the connection ends."""
        content = bytearray()
        try:
            while len(content) < most and (data := self.read_some()):
                content += data
        except ConnectionFailed:
            pass  # the status is known, and that is what counts
        return bytes(content[:most])

    def abort(self) -> None:
        """Wake whoever reads, from another thread."""
        try:
            self._raw.shutdown()
        except (OSError, ValueError, AttributeError, RuntimeError):
            return  # it ended by itself meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        # A body that was not read to its end would be in the way of the next answer: close, not keep.
        if self._raw.closed:
            self._raw.release_conn()
        else:
            self._raw.close()


class Transport:
    """Sends requests in the name of one user; safe for many threads."""

    def __init__(self, environment: Mapping[str, str], patience: Patience, *, agent: str) -> None:
        self._environment = environment
        self._patience = patience
        self._agent = agent
        self._lock = threading.Lock()
        self._pools: dict[tuple[Origin, bool], urllib3.PoolManager] = {}
        self.schemes: dict[str, str] = {}
        """For each host that need not speak TLS what it was found to speak."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = None,
        *,
        is_insecure: bool = False,
    ) -> Response:
        """Send one request and wait for the head of the answer; raises ``ConnectionFailed``."""
        origin = Origin.of(url)
        pool = self._pool(origin, is_insecure=is_insecure)
        try:
            raw = pool.urlopen(
                method,
                url,
                body=body,
                headers={"User-Agent": self._agent, "Accept-Encoding": "identity", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _translated(error, origin) from error
        return Response(raw, origin)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _pool(self, origin: Origin, *, is_insecure: bool) -> urllib3.PoolManager:
        with self._lock:
            pool = self._pools.get((origin, is_insecure))
            if pool is None:
                pool = self._pools[origin, is_insecure] = self._make_pool(origin, is_insecure=is_insecure)
            return pool

    def _make_pool(self, origin: Origin, *, is_insecure: bool) -> urllib3.PoolManager:
        timeout = urllib3.Timeout(connect=self._patience.connect, read=self._patience.stall)
        context = None
        if origin.scheme == "https":
            names = (origin.host, f"{origin.host}:{origin.port}")
            context = tls.context_for(names, tls.directories(self._environment), is_insecure=is_insecure)
        if is_insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        proxy = proxies.proxy_for(origin.scheme, origin.host, origin.port, self._environment)
        if not proxy:
            return urllib3.PoolManager(
                num_pools=1, maxsize=8, timeout=timeout, ssl_context=context, blocksize=CHUNK
            )
        return _proxied(proxy, timeout, context)


def _proxied(proxy: str, timeout: urllib3.Timeout, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    parts = urlsplit(proxy)
    headers = None
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        return urllib3.ProxyManager(
            address, num_pools=1, maxsize=8, timeout=timeout, ssl_context=context, proxy_headers=headers
        )
    except (ValueError, urllib3.exceptions.HTTPError) as error:
        message = f"cannot use the proxy {address}"
        raise errors.RegistryError(
            message, hint="See HTTP_PROXY and HTTPS_PROXY: http:// or https://."
        ) from error


def _translated(error: Exception, origin: Origin) -> ConnectionFailed:
    """urllib3's and the system's exceptions as one of ours, with a hint where there is one."""
    where = origin.host if origin.port == _DEFAULT_PORTS[origin.scheme] else f"{origin.host}:{origin.port}"
    kinds = urllib3.exceptions
    if isinstance(error, kinds.ProxyError):
        inner = error.original_error
        message = f"the proxy does not lead to {where}: {_reason(inner)}"
        hint = "See HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
        return ConnectionFailed(message, hint=hint, is_connecting=True)
    if isinstance(error, kinds.NameResolutionError):
        hint = "Check the name, /etc/resolv.conf, and whether this machine is online."
        return ConnectionFailed(f"the name {origin.host} cannot be resolved", hint=hint, is_connecting=True)
    if isinstance(error, kinds.SSLError | ssl.SSLError):
        return _tls_failure(error, where)
    if isinstance(error, kinds.ConnectTimeoutError) and not isinstance(error, kinds.NewConnectionError):
        hint = "A firewall may drop the packets; behind a proxy, set HTTPS_PROXY."
        return ConnectionFailed(f"{where} does not answer", hint=hint, is_connecting=True)
    if isinstance(error, kinds.ReadTimeoutError | TimeoutError | socket.timeout):
        return ConnectionFailed(f"{where} went silent in the middle of an answer")
    if isinstance(error, kinds.NewConnectionError):
        return ConnectionFailed(f"cannot connect to {where}: {_reason(error)}", is_connecting=True)
    return ConnectionFailed(f"the connection to {where} was cut: {_reason(error)}")


def _tls_failure(error: Exception, where: str) -> ConnectionFailed:
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        hint = (
            f"Put its authority's certificate into /etc/containers/certs.d/{where}/ca.crt, "
            "or mark the registry as insecure in registries.conf."
        )
        message = f"the certificate of {where} is not trusted: {inner.verify_message}"
        return ConnectionFailed(message, hint=hint, may_pass=False)
    reason = getattr(inner, "reason", "") or str(inner)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        hint = "Mark it as insecure in registries.conf if it is meant to be without TLS."
        message = f"{where} does not speak TLS"
        return ConnectionFailed(message, hint=hint, may_pass=False)
    return ConnectionFailed(f"TLS with {where} failed: {reason}")


def _reason(error: BaseException) -> str:
    """The system's words, without the addresses and class names that urllib3 wraps them in."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__ or _wrapped(seen)
    return "it ended early" if isinstance(error, urllib3.exceptions.ProtocolError) else type(error).__name__


def _wrapped(error: BaseException) -> BaseException | None:
    return next((item for item in error.args if isinstance(item, BaseException)), None)

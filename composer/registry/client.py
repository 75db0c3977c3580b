"""One repository at one registry: authenticated requests of distribution-spec v1.1.

Credentials and tokens are sent to the registry's own origin only: a redirect (blobs usually lie at a
content network) is followed without them, also when it leads back.  Reading follows redirects, writing
does not.  Every method but ``open_blob`` and those of an upload tries again by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode, urljoin

import attrs

from composer import errors
from composer.model import manifest as manifests
from composer.registry import attempts, challenge, refusal, retry, token
from composer.registry.refusal import Circumstances, Temporary
from composer.registry.transport import ConnectionFailed, Origin

if TYPE_CHECKING:
    from composer.model.protocols import Interrupt
    from composer.registry.credentials import Credentials, Keyring
    from composer.registry.mirrors import Endpoint
    from composer.registry.retry import Patience
    from composer.registry.token import Token
    from composer.registry.transport import Body, Response, Transport

_Result = TypeVar("_Result")

MOST_REDIRECTS = 5

ACCEPTED = ", ".join((*manifests.MANIFESTS, *manifests.INDEXES))

_TAGS_PER_PAGE = 1000
_MOST_PAGES = 100
_NEXT_PAGE = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
"""The ``Link`` header to the next page (RFC 8288; distribution-spec v1.1, "Listing Tags")."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READING = frozenset({"GET", "HEAD"})


@attrs.frozen(kw_only=True)
class Served:
    """A manifest exactly as served."""

    content: bytes
    media_type: str
    digest: str


class Client:
    """``actions`` is what it is for: ``pull`` or ``pull,push``; safe for many threads.

    ``origins`` are other repositories of the registry that blobs may be mounted from.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        keyring: Keyring,
        patience: Patience,
        *,
        actions: str = "pull",
        interrupt: Interrupt | None = None,
        credentials: Credentials | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self.interrupt = interrupt
        self._transport = transport
        self._keyring = keyring
        self._actions = actions
        self._lock = threading.Lock()
        self._credentials = credentials
        self._has_looked = credentials is not None
        self._bearer: challenge.Challenge | None = None
        self._token: Token | None = None
        self._is_basic = False
        self._origins = tuple(origins)

    # ------------------------------------------------------------------ reading

    def manifest(self, name: str) -> Served:
        """The manifest that a tag or digest names, verified."""
        what = self._naming(name)

        def get() -> Served:
            with self._ask("GET", self._path(f"manifests/{name}"), what, {"Accept": ACCEPTED}) as response:
                content = response.read_all(manifests.LARGEST)
                media_type = response.header("Content-Type")
                announced = response.header("Docker-Content-Digest")
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            wanted = name if manifests.is_digest(name) else announced
            if manifests.is_digest(wanted) and wanted != digest:
                message = f"{self.endpoint.registry} served {digest} as {what} instead of {wanted}"
                raise errors.DigestMismatch(message)
            return Served(content=content, media_type=media_type, digest=digest)

        return self._persistently(get)

    def digest_of(self, name: str) -> str:
        """The digest that a tag names, without fetching its manifest where the registry says it."""

        def head() -> str:
            path, headers = self._path(f"manifests/{name}"), {"Accept": ACCEPTED}
            with self._ask("HEAD", path, self._naming(name), headers) as response:
                return response.header("Docker-Content-Digest")

        digest = self._persistently(head)
        return digest if manifests.is_digest(digest) else self.manifest(name).digest

    def tags(self) -> tuple[str, ...]:
        """Every tag of the repository, page by page."""
        found: list[str] = []
        url = self._path(f"tags/list?n={_TAGS_PER_PAGE}")
        for _ in range(_MOST_PAGES):
            page, following = self._persistently(partial(self._page_of_tags, url))
            found += page
            if not following:
                break
            url = urljoin(url, following)
        return tuple(dict.fromkeys(found))

    def _page_of_tags(self, url: str) -> tuple[list[str], str]:
        with self._ask("GET", url, f"the tags of {self.endpoint.repository}") as response:
            content, link = response.read_all(manifests.LARGEST), response.header("Link")
        try:
            tags = [str(tag) for tag in json.loads(content)["tags"] or ()]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{self.endpoint.registry} answers nonsense for the tags of {self.endpoint.repository}"
            raise errors.RegistryError(message) from error
        match = _NEXT_PAGE.search(link)
        return tags, match[1] if match else ""

    def open_blob(self, digest: str, offset: int) -> Response:
        """Begin to read a blob (one attempt): 200, 206 when resuming, or 416.

        Raises ``Temporary``, ``ConnectionFailed`` and the final kinds of ``RegistryError``.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        path, what = self._path(f"blobs/{digest}"), f"blob {digest[:19]} of {self.endpoint.name}"
        return self._ask("GET", path, what, headers, accepted=(200, 206, 416))

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has it."""

        def head() -> bool:
            path, what = self._path(f"blobs/{digest}"), self.endpoint.name
            with self._ask("HEAD", path, what, accepted=(200, 404)) as response:
                return response.status == 200

        return self._persistently(head)

    def check(self) -> None:
        """Ask nothing, only whether we may: what ``login`` does; raises ``RegistryDenied``."""

        def ping() -> None:
            with self._ask("GET", f"{self.base}/v2/", "a login"):
                return

        self._persistently(ping)

    @property
    def identity(self) -> str:
        """The identity token that the authorization server gave for the password; "" for none."""
        return self._token.identity if self._token else ""

    # ------------------------------------------------------------------ writing

    def begin_upload(self, *, mount: str = "", origin: str = "") -> str:
        """Where to send a blob; "" when it was mounted from the repository ``origin`` instead."""
        query = f"?{urlencode({'mount': mount, 'from': origin})}" if mount else ""

        def post() -> str:
            path = self._path("blobs/uploads/") + query
            headers = {"Content-Length": "0"}
            with self._ask("POST", path, self._pushing, headers, accepted=(201, 202)) as response:
                return "" if response.status == 201 else self._location(response)

        return self._persistently(post)

    def send(self, location: str, body: Body, size: int, *, offset: int = 0) -> str:
        """Send ``size`` bytes of a blob from ``offset`` on (one attempt); returns the next location."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        if offset:
            headers["Content-Range"] = f"{offset}-{offset + size - 1}"
        with self._ask("PATCH", location, self._pushing, headers, body, accepted=(202, 204)) as response:
            return self._location(response)

    def received(self, location: str) -> tuple[int, str] | None:
        """How many bytes of an upload arrived, and where it goes on; ``None`` to begin another."""
        with self._ask("GET", location, self._pushing, accepted=(204, 202, 200, 404)) as response:
            if response.status == 404:
                return None
            first, _, last = response.header("Range").removeprefix("bytes=").partition("-")
            # "0-0" is answered for one byte and for none: such an upload is not worth going on with.
            if first != "0" or not last.isdecimal() or not int(last):
                return None
            return int(last) + 1, self._location(response, otherwise=location)

    def finish_upload(self, location: str, digest: str) -> None:
        """The blob is complete (one attempt)."""
        separator = "&" if "?" in location else "?"
        url = f"{location}{separator}{urlencode({'digest': digest})}"
        with self._ask("PUT", url, self._pushing, {"Content-Length": "0"}, accepted=(201, 204)):
            return

    def put_manifest(self, name: str, content: bytes, media_type: str) -> None:
        """Publish a manifest under a tag or its digest."""
        headers = {"Content-Type": media_type, "Content-Length": str(len(content))}

        def put() -> None:
            path = self._path(f"manifests/{name}")
            with self._ask("PUT", path, self._pushing, headers, content, accepted=(201, 202)):
                return

        self._persistently(put)

    def _location(self, response: Response, *, otherwise: str = "") -> str:
        """The absolute URL of the next step of an upload."""
        location = response.header("Location") or otherwise
        if not location:
            message = f"{self.endpoint.registry} does not say where to send a blob"
            raise errors.RegistryError(message)
        url = urljoin(f"{self.base}/", location)
        if self.base.startswith("https:") and not url.startswith("https:"):
            message = f"{self.endpoint.registry} wants a blob sent to {_shown(url)} in clear"
            raise errors.RegistryError(message)
        return url

    # ------------------------------------------------------------------ asking

    @property
    def base(self) -> str:
        """Scheme and host; what need not speak TLS is asked once what it speaks."""
        host = self.endpoint.host
        if not self.endpoint.is_insecure:
            return f"https://{host}"
        scheme = self._transport.schemes.get(host)
        if scheme is None:
            scheme = self._transport.schemes[host] = self._scheme_of(host)
        return f"{scheme}://{host}"

    def _scheme_of(self, host: str) -> str:
        """Without credentials: a server of the other kind answers an error, or none at all."""
        is_local = Origin.of(f"http://{host}").host in ("localhost", "127.0.0.1", "::1")
        failure: ConnectionFailed | None = None
        for scheme in ("http", "https") if is_local else ("https", "http"):
            try:
                with self._transport.send("GET", f"{scheme}://{host}/v2/", {}, is_insecure=True) as response:
                    if response.status != 400:  # what nginx and Go answer to http on a port for https
                        return scheme
            except ConnectionFailed as error:
                failure = failure or error
        message = f"{host} speaks neither http nor https"
        raise failure or errors.RegistryError(message)

    def _persistently(self, call: Callable[[], _Result]) -> _Result:
        tries = attempts.Attempts(self.patience, self.interrupt)
        while True:
            attempts.check(self.interrupt)
            try:
                return call()
            except (Temporary, ConnectionFailed) as failure:
                tries.failed(failure)

    def _ask(
        self,
        method: str,
        url: str,
        what: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        *,
        accepted: tuple[int, ...] = (200,),
    ) -> Response:
        """One attempt, with a fresh token where the one we had is not taken any more."""
        used = self._authorization(url, what)
        response = self._follow(method, url, _with(headers, used), body)
        if response.status == 401 and response.origin == Origin.of(self.base):
            with response:
                challenges = challenge.parse(response.headers("WWW-Authenticate"))
                refused = self._refused(response, what)
            if not self._can_answer(challenges, used, what):
                raise refused
            if body is not None and not isinstance(body, bytes):
                raise Temporary(refused, 0.0)  # part of the body is sent: its owner begins again
            response = self._follow(method, url, _with(headers, self._authorization(url, what)), body)
        if response.status in accepted:
            return response
        with response:
            raise self._refused(response, what)

    def _follow(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> Response:
        home = Origin.of(self.base)
        for _ in range(MOST_REDIRECTS + 1):
            is_home = Origin.of(url).host == home.host
            is_insecure = self.endpoint.is_insecure and is_home
            response = self._transport.send(method, url, headers, body, is_insecure=is_insecure)
            if response.status not in _REDIRECTS or not response.header("Location"):
                return response
            with response:
                location = urljoin(url, response.header("Location"))
            if method not in _READING:
                message = f"{self.endpoint.registry} redirects an upload, which is not followed"
                raise errors.RegistryError(message)
            if url.startswith("https:") and not location.startswith("https:"):
                message = f"{self.endpoint.registry} redirects to {_shown(location)}, which is not encrypted"
                raise errors.RegistryError(message)
            if Origin.of(location) != home:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = location
        message = f"{self.endpoint.registry} redirects in a circle"
        raise errors.RegistryError(message)

    def _refused(self, response: Response, what: str) -> errors.RegistryError:
        body = response.read_start(refusal.LARGEST_BODY)
        retry_after = retry.seconds_of(response.header("Retry-After"), now=time.time())
        return refusal.error_for(response.status, body, self._asked(what), retry_after=retry_after)

    def _asked(self, what: str) -> Circumstances:
        user = self._credentials.username or "an identity token" if self._credentials else ""
        is_push = "push" in self._actions
        return Circumstances(registry=self.endpoint.registry, what=what, user=user, is_push=is_push)

    def _path(self, rest: str) -> str:
        return f"{self.base}/v2/{quote(self.endpoint.repository)}/{rest}"

    def _naming(self, name: str) -> str:
        separator = "@" if ":" in name else ":"
        return f"{self.endpoint.repository}{separator}{name}"

    @property
    def _pushing(self) -> str:
        return f"pushing to {self.endpoint.repository}"

    # ------------------------------------------------------------------ authorization

    def _authorization(self, url: str, what: str) -> str:
        """What to send with a request: to the registry itself what it wanted before, to others nothing."""
        if Origin.of(url) != Origin.of(self.base):
            return ""
        with self._lock:
            if self._bearer is not None and (self._token is None or not self._token.is_fresh):
                self._fetch_token(self._bearer, what)  # rather than send a large body in vain
            return self._header()

    def _header(self) -> str:
        if self._is_basic and self._credentials is not None:
            return self._credentials.basic
        return f"Bearer {self._token.value}" if self._token is not None else ""

    def _can_answer(self, challenges: tuple[challenge.Challenge, ...], used: str, what: str) -> bool:
        """Get what the challenge asks for; returns whether asking again makes sense.

        ``used`` is what was refused: when it is not what we have, another thread has been here.
        """
        with self._lock:
            if used != self._header():
                return True
            if not self._has_looked:
                self._credentials = self._keyring.find(self.endpoint.registry, self.endpoint.repository)
                self._has_looked = True
            self._bearer = challenge.find(challenges, "bearer")
            if self._bearer is not None:
                self._fetch_token(self._bearer, what)
                return True
            self._is_basic = challenge.find(challenges, "basic") is not None
            return self._is_basic and self._header() != used

    def _fetch_token(self, bearer: challenge.Challenge, what: str) -> None:
        self._token = None
        self._token = token.fetch(
            self._transport,
            bearer,
            self._scopes(bearer),
            self._credentials,
            self._asked(what),
            is_insecure=self.endpoint.is_insecure,
            wants_identity=not self.endpoint.repository,
        )

    def _scopes(self, bearer: challenge.Challenge) -> list[str]:
        scopes = []
        if self.endpoint.repository:
            scopes = [f"repository:{self.endpoint.repository}:{self._actions}"]
        scopes += [f"repository:{origin}:pull" for origin in self._origins]
        asked = bearer.parameters.get("scope", "").split()
        known = {scope.rpartition(":")[0] for scope in scopes}
        return [*scopes, *(scope for scope in asked if scope.rpartition(":")[0] not in known)]


def _with(headers: Mapping[str, str] | None, authorization: str) -> dict[str, str]:
    return {**(headers or {}), **({"Authorization": authorization} if authorization else {})}


def _shown(url: str) -> str:
    """An address for a message: its query may hold a signature that lets anybody in."""
    return url.partition("?")[0][:200]

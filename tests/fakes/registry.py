"""A registry on the loopback that misbehaves as told: faults are scripted per blob, requests recorded.

It speaks enough of distribution-spec v1.1 to be pulled from and pushed to.  A second server stands for the
content network that blobs are redirected to: another port, so another origin.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import attrs

from composer.model import manifest

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@attrs.frozen
class Seen:
    """One request as it arrived; ``server`` is ``registry`` or ``cdn``."""

    server: str
    method: str
    path: str
    authorization: str
    range: str


@attrs.define
class Stored:
    """An image of the registry."""

    manifest: bytes
    digest: str
    layers: tuple[str, ...]
    config: str


Fault = Callable[["_Handler", bytes], None]
"""Answers one GET of a blob with the given content."""


class FakeRegistry:
    """What the servers share.  ``faults`` are used up one per request of the blob, then all is well."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.manifest_faults: list[Fault] = []
        self.upload_faults: list[Fault] = []
        self.uploads: dict[str, bytearray] = {}
        self.mountable: set[tuple[str, str]] = set()
        self.seen: list[Seen] = []
        self.sent: dict[str, int] = {}
        self.users: dict[str, str] = {}
        self.scheme = ""
        self.tokens: set[str] = set()
        self.scopes: list[list[str]] = []
        self.token_life = 300
        self.uses_cdn = False
        self.gone = threading.Event()
        self.host = self.cdn = ""

    def add_image(self, name: str, *layers: bytes, **config: object) -> Stored:
        """Publish an image as ``repository:tag``."""
        content = json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
                **config,
            }
        ).encode()
        parts = [self.add_blob(layer) for layer in layers]
        document = {
            "schemaVersion": 2,
            "mediaType": manifest.OCI_MANIFEST,
            "config": {
                "mediaType": manifest.OCI_CONFIG,
                "digest": self.add_blob(content),
                "size": len(content),
            },
            "layers": [
                {"mediaType": LAYER, "digest": digest, "size": len(self.blobs[digest])} for digest in parts
            ],
        }
        raw = json.dumps(document).encode()
        self.add_manifest(name, raw, manifest.OCI_MANIFEST)
        return Stored(manifest=raw, digest=digest_of(raw), layers=tuple(parts), config=digest_of(content))

    def add_index(self, name: str, *children: tuple[Stored, str]) -> str:
        """Publish an index of images, each with its platform; returns its digest."""
        document = {
            "schemaVersion": 2,
            "mediaType": manifest.OCI_INDEX,
            "manifests": [
                {
                    "mediaType": manifest.OCI_MANIFEST,
                    "digest": child.digest,
                    "size": len(child.manifest),
                    "platform": dict(
                        zip(("os", "architecture", "variant"), platform.split("/"), strict=False)
                    ),
                }
                for child, platform in children
            ],
        }
        raw = json.dumps(document).encode()
        self.add_manifest(name, raw, manifest.OCI_INDEX)
        return digest_of(raw)

    def add_manifest(self, name: str, content: bytes, media_type: str) -> None:
        repository, _, tag = name.rpartition(":")
        self.manifests[f"{repository}:{tag}"] = self.manifests[f"{repository}:{digest_of(content)}"] = (
            content,
            media_type,
        )

    def add_blob(self, content: bytes) -> str:
        digest = digest_of(content)
        self.blobs[digest] = content
        return digest

    def requests(self, method: str, part: str = "") -> list[Seen]:
        return [one for one in self.seen if one.method == method and part in one.path]

    def is_authorized(self, header: str) -> bool:
        if self.scheme == "basic":
            return self._user(header) is not None
        return header.removeprefix("Bearer ") in self.tokens

    def give_token(self, header: str, scopes: list[str]) -> str | None:
        if header and self._user(header) is None:
            return None
        self.scopes.append(scopes)
        token = f"token-{len(self.scopes)}"
        self.tokens.add(token)
        return token

    def _user(self, header: str) -> str | None:
        pair = base64.b64decode(header.removeprefix("Basic ")).decode() if header.startswith("Basic ") else ""
        user, _, password = pair.partition(":")
        return user if self.users.get(user) == password and user else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: FakeRegistry
    server_name = ""

    def log_message(self, *_arguments: object) -> None:
        return

    # ------------------------------------------------------------------ answering

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, **headers: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.answer(status, body, **headers)

    def challenge(self) -> None:
        host = self.registry.host
        if self.registry.scheme == "basic":
            self.refuse(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="fake"')
        else:
            value = f'Bearer realm="http://{host}/token",service="fake"'
            self.refuse(401, "UNAUTHORIZED", WWW_Authenticate=value)

    def begin_blob(self, content: bytes) -> int:
        """Send the head of an answer to a GET, honouring Range; returns the offset."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        offset = int(match[1]) if match else 0
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {offset}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - offset))
        self.end_headers()
        return offset

    def send_blob(self, data: bytes) -> None:
        digest = self.path.rpartition("/")[2]
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
            return
        self.registry.sent[digest] = self.registry.sent.get(digest, 0) + len(data)

    def reset(self) -> None:
        """Cut the connection with RST."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            return

    # ------------------------------------------------------------------ requests

    def handle_one(self) -> None:
        path = urlsplit(self.path).path
        self.registry.seen.append(
            Seen(
                server=self.server_name,
                method=self.command,
                path=self.path,
                authorization=self.headers.get("Authorization", ""),
                range=self.headers.get("Range", ""),
            )
        )
        if self.server_name == "cdn":
            self._blob(path.rpartition("/")[2])
        elif path == "/token":
            self._token()
        elif self.registry.scheme and not self.registry.is_authorized(self.headers.get("Authorization", "")):
            self._drain()
            self.challenge()
        elif path == "/v2/":
            self.answer(200, b"{}")
        elif (match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path)) is not None:
            self._manifest(match[1], match[2])
        elif (match := re.fullmatch(r"/v2/(.+)/tags/list", path)) is not None:
            self._tags(match[1])
        elif "/blobs/uploads/" in path:
            self._upload(path)
        elif (match := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", path)) is not None:
            if self.registry.uses_cdn and self.command == "GET":
                self.answer(307, Location=f"http://{self.registry.cdn}/{match[2]}")
            else:
                self._blob(match[2])
        else:
            self.refuse(404, "NOT_FOUND")

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = handle_one

    def _token(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        token = self.registry.give_token(self.headers.get("Authorization", ""), query.get("scope", []))
        if token is None:
            self.refuse(401, "UNAUTHORIZED")
        else:
            self.answer(200, json.dumps({"token": token, "expires_in": self.registry.token_life}).encode())

    def _tags(self, repository: str) -> None:
        tags = [
            name.rpartition(":")[2]
            for name in self.registry.manifests
            if name.startswith(f"{repository}:") and "sha256" not in name
        ]
        first = parse_qs(urlsplit(self.path).query).get("last", [""])[0]
        page = [tag for tag in sorted(tags) if tag > first][:2]
        link = {"Link": f'</v2/{repository}/tags/list?last={page[-1]}>; rel="next"'} if len(page) == 2 else {}
        self.answer(200, json.dumps({"name": repository, "tags": page}).encode(), **link)

    def _manifest(self, repository: str, name: str) -> None:
        if self.command == "PUT":
            content = self._drain()
            self.registry.add_manifest(f"{repository}:{name}", content, self.headers["Content-Type"])
            self.answer(201, Docker_Content_Digest=digest_of(content))
            return
        found = self.registry.manifests.get(f"{repository}:{name}")
        if self.registry.manifest_faults:
            self.registry.manifest_faults.pop(0)(self, found[0] if found else b"")
        elif found is None:
            self.refuse(404, "MANIFEST_UNKNOWN")
        else:
            self.answer(200, found[0], Content_Type=found[1], Docker_Content_Digest=digest_of(found[0]))

    def _blob(self, digest: str) -> None:
        content = self.registry.blobs.get(digest)
        if content is None:
            self.refuse(404, "BLOB_UNKNOWN")
        elif self.command == "HEAD":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
        elif self.registry.faults.get(digest):
            self.registry.faults[digest].pop(0)(self, content)
        else:
            self.send_blob(content[self.begin_blob(content) :])

    # ------------------------------------------------------------------ uploads

    def _upload(self, path: str) -> None:
        repository = path.removeprefix("/v2/").partition("/blobs/uploads/")[0]
        query = parse_qs(urlsplit(self.path).query)
        name = path.rpartition("/")[2]
        if self.command == "POST":
            mount, origin = query.get("mount", [""])[0], query.get("from", [""])[0]
            if mount and (origin, mount) in self.registry.mountable:
                self.answer(201)
                return
            name = f"upload-{len(self.registry.uploads)}"
            self.registry.uploads[name] = bytearray()
            self.answer(202, Location=f"/v2/{repository}/blobs/uploads/{name}?state=x")
            return
        content = self.registry.uploads.get(name)
        if content is None:
            self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
            return
        location = f"/v2/{repository}/blobs/uploads/{name}?state=y"
        if self.command == "PATCH":
            if self.registry.upload_faults:
                self.registry.upload_faults.pop(0)(self, bytes(content))
                return
            first = self.headers.get("Content-Range", "0-").partition("-")[0]
            if int(first) != len(content):
                self.refuse(416, "RANGE_INVALID")
                return
            content += self._drain()
            self.answer(202, Location=location, Range=f"0-{max(0, len(content) - 1)}")
        elif self.command == "GET":
            self.answer(204, Location=location, Range=f"0-{max(0, len(content) - 1)}")
        elif digest_of(bytes(content)) != query["digest"][0]:
            self.refuse(400, "DIGEST_INVALID")
        else:
            self.registry.add_blob(bytes(content))
            self.answer(201)

    def _drain(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise AssertionError("bodies are sent with their length")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


# ---------------------------------------------------------------------- faults


def reset_at(count: int) -> Fault:
    def fault(handler: _Handler, content: bytes) -> None:
        offset = handler.begin_blob(content)
        handler.send_blob(content[offset : offset + count])
        handler.reset()

    return fault


def stall_at(count: int) -> Fault:
    def fault(handler: _Handler, content: bytes) -> None:
        offset = handler.begin_blob(content)
        handler.send_blob(content[offset : offset + count])
        handler.wfile.flush()
        handler.registry.gone.wait(20)
        handler.close_connection = True

    return fault


def status(code: int, **headers: str) -> Fault:
    return lambda handler, _content: handler.refuse(code, "SOMETHING", **headers)


def truncated_at(count: int) -> Fault:
    """Closed in good order, without a length: only the manifest says that it is too short."""

    def fault(handler: _Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.send_blob(content[:count])
        handler.close_connection = True

    return fault


def wrong_length(handler: _Handler, content: bytes) -> None:
    handler.answer(200, content + b"more than was promised")


def whole(handler: _Handler, content: bytes) -> None:
    """As if ``Range`` had not been asked for."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.send_blob(content)


def wrong_range(handler: _Handler, content: bytes) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.send_blob(content)


def token_expired(handler: _Handler, _content: bytes) -> None:
    handler.registry.tokens.clear()
    handler.challenge()


def redirect_to(location: str) -> Fault:
    return lambda handler, _content: handler.answer(307, Location=location or handler.path)


def corrupted(handler: _Handler, content: bytes) -> None:
    handler.send_blob((b"X" + content[1:])[handler.begin_blob(content) :])


def drip(handler: _Handler, content: bytes) -> None:
    """A byte now and then, each in time for a limit on silence."""
    offset = handler.begin_blob(content)
    for position in range(offset, len(content)):
        if handler.registry.gone.wait(0.02):
            break
        try:
            handler.send_blob(content[position : position + 1])
            handler.wfile.flush()
        except OSError:
            break
        if handler.close_connection:
            break
    handler.close_connection = True


def upload_cut_at(count: int) -> Fault:
    """Takes some of the body, keeps it, and cuts the connection."""

    def fault(handler: _Handler, _content: bytes) -> None:
        name = urlsplit(handler.path).path.rpartition("/")[2]
        handler.registry.uploads[name] += handler.rfile.read(count)
        handler.reset()

    return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what many faults are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[FakeRegistry]:
    """A registry and its content network, until the block ends."""
    registry = FakeRegistry()
    servers = []
    for name in ("registry", "cdn"):
        handler = type("Handler", (_Handler,), {"registry": registry, "server_name": name})
        server = _Server(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    registry.host, registry.cdn = (f"127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield registry
    finally:
        registry.gone.set()
        for server in servers:
            server.shutdown()
            server.server_close()

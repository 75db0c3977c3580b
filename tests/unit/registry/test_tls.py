"""Registries behind TLS: who is trusted, and what is said of one who is not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.registry import tls
from composer.registry.retry import Patience
from composer.registry.transport import ConnectionFailed, Transport


@attrs.frozen
class Served:
    """A server of TLS and the certificate that it shows, which is its own authority."""

    host: str
    certificate: Path


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "ca.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=test",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield Served(f"127.0.0.1:{server.server_address[1]}", certificate)
    server.shutdown()
    server.server_close()


@pytest.fixture
def transport(tmp_path: Path) -> Callable[..., Transport]:
    return lambda **more: Transport(
        {"HOME": str(tmp_path), **more}, Patience(connect=5, stall=5), agent="test"
    )


def test_a_stranger_is_not_trusted(secure: Served, transport: Callable[..., Transport]) -> None:
    with pytest.raises(ConnectionFailed, match="certificate of .* is not trusted") as caught:
        transport().send("GET", f"https://{secure.host}/v2/", {})
    assert not caught.value.may_pass
    assert f"/etc/containers/certs.d/{secure.host}/ca.crt" in caught.value.hint


def test_an_authority_in_certs_d_is(
    secure: Served, transport: Callable[..., Transport], tmp_path: Path
) -> None:
    directory = tmp_path / ".config/containers/certs.d" / secure.host
    directory.mkdir(parents=True)
    (directory / "ca.crt").write_bytes(secure.certificate.read_bytes())
    with transport().send("GET", f"https://{secure.host}/v2/", {}) as response:
        assert (response.status, response.read_all(10)) == (200, b"{}")


def test_insecure_takes_any(secure: Served, transport: Callable[..., Transport]) -> None:
    with transport().send("GET", f"https://{secure.host}/v2/", {}, is_insecure=True) as response:
        assert response.status == 200


def test_a_certificate_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "q.io").mkdir()
    (tmp_path / "q.io/ca.crt").write_text("nonsense")
    with pytest.raises(errors.RegistryError, match=r"q\.io/ca\.crt"):
        tls.context_for(("q.io",), (tmp_path,), is_insecure=False)
    (tmp_path / "q.io/ca.crt").unlink()
    (tmp_path / "q.io/client.cert").write_text("nonsense")
    with pytest.raises(errors.RegistryError, match=r"client\.cert"):
        tls.context_for(("q.io",), (tmp_path,), is_insecure=False)


def test_who_speaks_no_tls_is_told_from_who_is_not_trusted(transport: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectionFailed, match="does not speak TLS") as caught:
            transport().send("GET", f"https://127.0.0.1:{server.getsockname()[1]}/v2/", {})
        thread.join(10)
    assert "insecure" in caught.value.hint

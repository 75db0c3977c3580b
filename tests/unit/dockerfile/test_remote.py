"""ADD and contexts from elsewhere: a server on the loopback interface, repositories by git's own daemon."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile import git, remote
from composer.dockerfile.git import Address
from composer.host import fetch, process
from composer.host.process import StopFlag
from tests.fakes.builds import Workshop

MODIFIED = "Sun, 09 Sep 2001 01:46:40 GMT"


class Site:
    """Files by path, each with an ETag; ``asked`` are the requests with their If-None-Match."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("If-None-Match")
                site.asked.append((self.path, known))
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/a%20file.txt")
                    self.end_headers()
                    return
                if self.path == "/away":
                    self.send_response(302)
                    self.send_header("Location", "file:///etc/passwd")
                    self.end_headers()
                    return
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
                self.send_response(304 if known == etag else 200)
                self.send_header("ETag", etag)
                self.send_header("Last-Modified", MODIFIED)
                if self.path == "/cut":
                    self.send_header("Content-Length", str(len(content) + 5))
                self.end_headers()
                if known != etag:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Site()
    made.files = {"/a%20file.txt": b"content\n", "/cut": b"short"}
    yield made
    made.close()


def archive_of(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


# --------------------------------------------------------------------------- URLs


def test_a_file_is_private_and_as_old_as_the_server_says(shop: Workshop, site: Site) -> None:
    image = shop.build(f"FROM scratch\nADD {site.url}/a%20file.txt /d/\nADD {site.url}/moved /x\n")
    assert shop.files(image) == {"d/a file.txt": "content\n", "x": "content\n"}
    assert shop.mode(image, "x") == 0o600
    assert (shop.store.layer_paths(image)[0] / "d/a file.txt").stat().st_mtime == 1_000_000_000


def test_it_is_not_sent_twice_and_its_content_is_the_key(shop: Workshop, site: Site) -> None:
    text = f"FROM scratch\nADD {site.url}/a%20file.txt /x\nRUN after\n"
    shop.build(text)
    shop.build(text)
    assert [known is None for _, known in site.asked] == [True, False]
    assert len(shop.runtime.requests) == 1
    site.files["/a%20file.txt"] = b"other\n"
    assert shop.files(shop.build(text))["x"] == "other\n"
    assert len(shop.runtime.requests) == 2


def test_archives_are_unpacked_on_demand_only(shop: Workshop, site: Site) -> None:
    site.files["/a.tgz"] = archive_of(**{"in/f": b"inside"})
    assert list(shop.files(shop.build(f"FROM scratch\nADD {site.url}/a.tgz /d/\n"))) == ["d/a.tgz"]
    image = shop.build(f"FROM scratch\nADD --unpack {site.url}/a.tgz /d/\n")
    assert shop.files(image) == {"d/in/f": "inside"}
    shop.write({"local.tgz": site.files["/a.tgz"]})
    kept = shop.build("FROM scratch\nADD --unpack=false local.tgz /d/\n")
    assert list(shop.files(kept)) == ["d/local.tgz"]


def test_checksums(shop: Workshop, site: Site) -> None:
    digest = hashlib.sha256(b"content\n").hexdigest()
    shop.build(f"FROM scratch\nADD --checksum=sha256:{digest} {site.url}/moved /x\n")
    with pytest.raises(errors.BuildError, match="digest mismatch"):
        shop.build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {site.url}/moved /x\n")
    with pytest.raises(errors.BuildError, match="invalid checksum"):
        shop.build(f"FROM scratch\nADD --checksum=md5:0 {site.url}/moved /x\n")
    shop.write({"f": "f"})
    with pytest.raises(errors.BuildError, match="checksum can't be specified"):
        shop.build(f"FROM scratch\nADD --checksum=sha256:{digest} f /x\n")


@pytest.mark.parametrize(
    ("path", "part"), [("/nothing", "404"), ("/away", "cannot fetch"), ("/cut", "cannot fetch")]
)
def test_what_cannot_be_had(shop: Workshop, site: Site, path: str, part: str) -> None:
    with pytest.raises(errors.BuildError, match=part):
        shop.build(f"FROM scratch\nADD {site.url}{path} /x\n")


def test_downloads_can_be_pruned(shop: Workshop, site: Site) -> None:
    text = f"FROM scratch\nADD {site.url}/moved /x\n"
    shop.build(text)
    assert remote.prune_downloads(shop.store.build_state) == len(b"content\n")
    assert remote.prune_downloads(shop.store.build_state) == 0
    assert shop.files(shop.build(text)) == {"x": "content\n"}


def test_more_than_is_wanted_is_not_taken(site: Site) -> None:
    with pytest.raises(errors.OperationFailed, match="larger than 3 bytes"):
        fetch.fetch(f"{site.url}/moved", io.BytesIO(), largest=3, interrupt=StopFlag())


def test_a_context_at_a_url(shop: Workshop, site: Site) -> None:
    site.files["/context.tar.gz"] = archive_of(Dockerfile=b"FROM scratch\nCOPY f /f\n", f=b"there")
    site.files["/Dockerfile"] = b"FROM base\nRUN alone\n"
    fields = {"dockerfile_inline": None}
    image = shop.build_request(context=f"{site.url}/context.tar.gz", **fields)
    assert shop.files(image) == {"f": "there"}
    shop.build_request(context=f"{site.url}/Dockerfile", **fields)
    assert shop.runtime.requests[-1].argv[-1] == "alone"


# --------------------------------------------------------------------------- repositories


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://h/r.git", Address(url="https://h/r.git")),
        ("https://h/r.git#v1:sub/dir", Address(url="https://h/r.git", ref="v1", directory="sub/dir")),
        ("https://h/r.git#:sub", Address(url="https://h/r.git", directory="sub")),
        ("git@h:u/r.git#main", Address(url="git@h:u/r.git", ref="main")),
        ("ssh://git@h/r", Address(url="ssh://git@h/r")),
        ("git://h/r", Address(url="git://h/r")),
        ("github.com/u/r", Address(url="https://github.com/u/r")),
        ("https://h/file", None),
        ("http://h/r.git/file", None),
        ("dir/sub", None),
        ("a:b", None),
    ],
)
def test_addresses(text: str, address: Address | None) -> None:
    assert git.parse(text) == address
    assert remote.is_remote(text) is (address is not None or text.startswith("http"))


def test_a_token_is_no_argument_and_goes_to_its_host_only() -> None:
    program = git.Git(secrets={"GIT_AUTH_TOKEN.h": b"hidden\n"})
    assert "hidden" not in repr(program)
    assert (
        program._environment(Address(url="https://h/r.git"))["GIT_CONFIG_KEY_0"]
        == "http.https://h/.extraHeader"
    )
    assert "GIT_CONFIG_COUNT" not in program._environment(Address(url="https://other/r.git"))
    assert git._public("fatal: https://me:hidden@h/r.git") == "fatal: https://me:***@h/r.git"


@pytest.mark.parametrize(
    ("user", "pair"), [("me:hidden", b"me:hidden"), ("hidden", b"hidden:"), ("me:hid%64en", b"me:hidden")]
)
def test_the_password_of_an_address_is_no_argument_and_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, pair: bytes
) -> None:
    calls: list[tuple[str, ...]] = []
    environments: list[dict[str, str]] = []

    def run(argv: list[str], *, environment: dict[str, str], **_rest: object) -> process.Completed:
        calls.append(tuple(argv))
        environments.append(environment)
        return process.Completed(exit_code=0, output=b"")

    monkeypatch.setattr(process, "run", run)
    address = git.parse(f"https://{user}@h:8443/r.git#v1")
    assert address is not None
    with pytest.raises(errors.BuildError, match=r"^https://h:8443/r.git: the repository has no v1"):
        git.Git().commit_of(address)
    git.Git().checkout(address, "0" * 40, tmp_path, keeps_git_directory=True)
    assert not [word for argv in calls for word in argv if "@" in word]
    assert "https://h:8443/r.git" in calls[0]
    header = f"Authorization: basic {base64.b64encode(pair).decode()}"
    assert {one["GIT_CONFIG_VALUE_0"] for one in environments} == {header}
    assert {one["GIT_CONFIG_KEY_0"] for one in environments} == {"http.https://h:8443/.extraHeader"}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A repository with a branch, a tag and a directory, served by ``git daemon``."""
    if shutil.which("git") is None or not Path("/usr/lib/git-core/git-daemon").exists():
        pytest.skip("git is not installed")
    top = tmp_path / "served" / "r"
    top.mkdir(parents=True)

    def run(*words: str) -> None:
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}
        identity = ("-c", "user.name=me", "-c", "user.email=me@x")
        subprocess.run(
            ["git", "-C", str(top), *identity, *words], check=True, capture_output=True, env=environment
        )

    run("init", "-q", "-b", "main")
    (top / "sub").mkdir()
    (top / "Dockerfile").write_text("FROM scratch\nCOPY . /all\n")
    (top / "sub/f").write_text("first")
    run("add", ".")
    run("commit", "-qm", "one")
    run("tag", "-a", "v1", "-m", "v1")
    (top / "sub/f").write_text("second")
    run("commit", "-qam", "two")
    port = _free_port()
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            "--reuseaddr",
            "--export-all",
            f"--base-path={top.parent}",
            "--listen=127.0.0.1",
            f"--port={port}",
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"git://127.0.0.1:{port}/r"
    deadline = time.monotonic() + 20
    while subprocess.run(["git", "ls-remote", url], capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "git daemon does not answer"
    yield url
    os.killpg(daemon.pid, 15)
    daemon.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_repository_is_added_without_its_history(shop: Workshop, repository: str) -> None:
    image = shop.build(f"FROM scratch\nADD {repository} /r\n")
    assert shop.files(image)["r/sub/f"] == "second"
    assert not any(".git" in name for name in shop.files(image))
    image = shop.build(f"FROM scratch\nADD --keep-git-dir=true {repository}#v1 /r\n")
    assert shop.files(image)["r/sub/f"] == "first"
    assert "r/.git/HEAD" in shop.files(image)
    image = shop.build(f"FROM scratch\nADD {repository}#main:sub /r/\n")
    assert shop.files(image) == {"r/f": "second"}


def test_a_commit_is_a_checksum(shop: Workshop, repository: str) -> None:
    commit = git.Git().commit_of(git.parse(f"{repository}#v1") or Address(url=""))
    image = shop.build(f"FROM scratch\nADD --checksum={commit} {repository}#v1 /r\n")
    assert shop.files(image)["r/sub/f"] == "first"
    image = shop.build(f"FROM scratch\nADD {repository}#{commit} /r\n")
    assert shop.files(image)["r/sub/f"] == "first"
    with pytest.raises(errors.BuildError, match="its commit is"):
        shop.build(f"FROM scratch\nADD --checksum={commit} {repository}#main /r\n")


def test_a_context_in_a_repository(shop: Workshop, repository: str) -> None:
    image = shop.build_request(context=f"{repository}#main", dockerfile_inline=None)
    assert shop.files(image) == {"all/Dockerfile": "FROM scratch\nCOPY . /all\n", "all/sub/f": "second"}
    named = shop.build("FROM scratch\nCOPY --from=src f /\n", contexts={"src": f"{repository}#v1:sub"})
    assert shop.files(named) == {"f": "first"}


@pytest.mark.parametrize("fragment", ["#nowhere", "#main:nowhere"])
def test_what_a_repository_lacks(shop: Workshop, repository: str, fragment: str) -> None:
    with pytest.raises(errors.BuildError, match=r"the repository has no|there is no directory"):
        shop.build(f"FROM scratch\nADD {repository}{fragment} /r\n")

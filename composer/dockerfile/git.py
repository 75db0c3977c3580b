"""Git repositories as build contexts and as sources of ADD, fetched by the git program.

An address is ``URL[#REF[:DIRECTORY]]``.  Git gets none of the user's configuration, no hooks, no
prompt and none of the transports that run programs (``ext::``) or read this host (``file://``); of
submodules only those with an allowed transport are fetched.  A token, and what an address of HTTP has
before its ``@``, travel in git's environment, never in its arguments (environ(7) of a process is its
owner's alone) nor in the ``.git/config`` that ``--keep-git-dir`` leaves in an image.

Source: BuildKit's address grammar (``gitutil``), git(1), git-config(1).
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import attrs

from composer import errors
from composer.host import descriptor, process

_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)[^\s#]+")
_SCHEMES = ("git://", "ssh://", "git+ssh://")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REF = re.compile(r"[^-\s:~^?*\[\\][^\s:~^?*\[\\]*")
_UMASK = 0o022
_SECONDS = 3600.0
_TOKEN, _HEADER = "GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"  # names of secrets, as BuildKit has them
_OPTIONS = (
    "-c", "protocol.allow=never",
    "-c", "protocol.http.allow=always",
    "-c", "protocol.https.allow=always",
    "-c", "protocol.git.allow=always",
    "-c", "protocol.ssh.allow=always",
    "-c", "core.hooksPath=/dev/null",
    "-c", "advice.detachedHead=false",
    "-c", "init.defaultBranch=master",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Address:
    """A repository: where, which branch, tag or commit, and which directory of it."""

    url: str
    ref: str = ""
    directory: str = ""

    @property
    def is_http(self) -> bool:
        """Whether git asks for it over HTTP, plain or not."""
        return self.url.startswith(("http://", "https://"))

    @property
    def public_url(self) -> str:
        """The URL without the name and password that one of HTTP may hold: for git, and for people."""
        if not self.is_http:
            return self.url
        scheme, site, *rest = urlsplit(self.url)
        return urlunsplit((scheme, site.rpartition("@")[2], *rest))


def parse(text: str) -> Address | None:
    """Read an address; ``None`` when it is not one; raises ``ValueError`` for a bad reference."""
    url, _, fragment = text.partition("#")
    if url.startswith("github.com/"):
        url = f"https://{url}"
    elif url.startswith(("http://", "https://")):
        if not urlsplit(url).path.endswith(".git"):
            return None
    elif not url.startswith(_SCHEMES) and not ("@" in url and _SCP.fullmatch(url)):
        return None
    ref, _, directory = fragment.partition(":")
    if ref and (not _REF.fullmatch(ref) or ".." in ref):
        message = f"invalid git reference {ref!r}"
        raise ValueError(message)
    return Address(url=url, ref=ref, directory=directory.strip("/"))


@attrs.frozen(kw_only=True)
class Git:
    """Runs git for one build.

    ``ssh`` is the agent's socket; ``secrets`` may hold a token under the names that BuildKit knows.
    """

    ssh: str = ""
    secrets: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)

    def commit_of(self, address: Address) -> str:
        """The commit that a reference names now; raises ``BuildError``."""
        if _COMMIT.fullmatch(address.ref):
            return address.ref
        names = (
            ("HEAD",)
            if not address.ref
            else (address.ref, f"refs/heads/{address.ref}", f"refs/tags/{address.ref}^{{}}")
        )
        output = self._git(address, None, "ls-remote", "--", address.public_url, *names)
        lines = (line.partition("\t") for line in output.splitlines())
        found = {name: commit for commit, _, name in lines}
        wanted = [f"refs/heads/{address.ref}", f"refs/tags/{address.ref}^{{}}", f"refs/tags/{address.ref}"]
        for name in (*wanted, *found) if address.ref else ("HEAD",):
            if name in found:
                return found[name]
        message = f"{address.public_url}: the repository has no {address.ref or 'HEAD'}"
        raise errors.BuildError(message)

    def checkout(self, address: Address, commit: str, directory: Path, *, keeps_git_directory: bool) -> Path:
        """Put a commit into an empty directory; returns the one that the address names in it.

        Raises ``BuildError``: it cannot be fetched, or there is no such directory.
        """
        self._git(address, directory, "init", "-q")
        self._git(address, directory, "remote", "add", "origin", address.public_url)
        try:
            self._git(address, directory, "fetch", "-q", "--depth=1", "--no-tags", "origin", commit)
        except errors.BuildError:
            # A server may refuse a commit that no reference names: fetch what it offers.
            self._git(
                address, directory, "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"
            )
        self._git(address, directory, "checkout", "-q", "--force", commit)
        self._git(address, directory, "submodule", "update", "-q", "--init", "--recursive", "--depth=1")
        if not keeps_git_directory:
            _remove_git_directories(directory)
        return _below(directory, address)

    def _git(self, address: Address, directory: Path | None, *arguments: str) -> str:
        where = ("-C", str(directory)) if directory else ()
        done = process.run(
            ["git", *_OPTIONS, *where, *arguments],
            environment=self._environment(address),
            seconds=_SECONDS,
            umask=_UMASK,
        )
        if done.exit_code != 0:
            reason = _public(done.said) or f"git ended with {done.exit_code}"
            message = f"cannot fetch {address.public_url}: {reason}"
            hint = "A private repository needs --ssh default, or --secret id=GIT_AUTH_TOKEN,..."
            raise errors.BuildError(message, hint=hint)
        return done.output.decode("utf-8", "replace")

    def _environment(self, address: Address) -> dict[str, str]:
        environment = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": "ssh -F /dev/null -o BatchMode=yes",
        }
        if self.ssh:
            environment["SSH_AUTH_SOCK"] = self.ssh
        header = self._header(address)
        if header:
            site = urlunsplit((*urlsplit(address.public_url)[:2], "/", "", ""))
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{site}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: {header}",
            }
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
            if name in os.environ:
                environment[name] = os.environ[name]
        return environment

    def _header(self, address: Address) -> str:
        if not address.is_http:
            return ""
        parts = urlsplit(address.url)
        if parts.username is not None:
            return _basic(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode())
        host = parts.hostname or ""
        for suffix in (f".{host}", ""):
            if content := self.secrets.get(_HEADER + suffix):
                return content.decode("utf-8", "replace").strip()
            if content := self.secrets.get(_TOKEN + suffix):
                return _basic(b"x-access-token:" + content.strip())
        return ""


def _basic(pair: bytes) -> str:
    return f"basic {base64.b64encode(pair).decode()}"


def _public(text: str) -> str:
    """A text without the password that an address in it may hold."""
    return re.sub(r"(//[^/\s:@]*):[^/\s@]*@", r"\1:***@", text)


def _remove_git_directories(directory: Path) -> None:
    """Take ``.git`` away, of submodules too (where it is a file)."""
    for base, folders, files in os.walk(directory):
        if ".git" in folders:
            folders.remove(".git")
            shutil.rmtree(Path(base) / ".git")
        if ".git" in files:
            (Path(base) / ".git").unlink()


def _below(directory: Path, address: Address) -> Path:
    """The directory of a repository that an address names; links lead nowhere else."""
    if not address.directory:
        return directory
    root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        opened = descriptor.open_in_root(root, address.directory, os.O_PATH | os.O_DIRECTORY)
        try:
            return Path(os.readlink(f"/proc/self/fd/{opened}"))
        finally:
            os.close(opened)
    except OSError as error:
        message = f"{address.public_url}: there is no directory {address.directory} in it"
        raise errors.BuildError(message) from error
    finally:
        os.close(root)

"""Who we are at a registry: Docker's ``config.json``, Podman's ``auth.json``, and credential helpers.

Read in this order, the first that knows the registry wins: ``REGISTRY_AUTH_FILE``; ``config.json`` of
``DOCKER_CONFIG`` or ``~/.docker``; ``$XDG_RUNTIME_DIR/containers/auth.json``;
``$XDG_CONFIG_HOME/containers/auth.json`` (containers-auth.json(5)).  In one file ``credHelpers`` goes
before ``credsStore``, and that before ``auths``; keys may name a namespace, and the longest wins.

A helper is the program ``docker-credential-NAME``: the registry on its stdin, JSON on its stdout
(github.com/docker/docker-credential-helpers).  It gets an allow-listed environment; secrets go through
pipes only, and no value here shows one when it is printed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from composer import errors
from composer.host import durable
from composer.model import reference
from composer.registry.registriesconf import AUTH_FILES

HUB_KEY = "https://index.docker.io/v1/"
"""Docker's name for Docker Hub in its files and helpers."""

_HUB_NAMES = ("index.docker.io", "registry-1.docker.io")
_TOKEN_USER = "<token>"  # noqa: S105 -- what helpers answer as the user of an identity token
_LARGEST = 1024 * 1024
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HELPER_SECONDS = 60.0
_NOT_FOUND = "credentials not found"

_PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "GNUPGHOME", "GPG_TTY"}
    | {"SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}
)
_PASSED_ON_PREFIXES = (
    "LC_",
    "XDG_",
    "DBUS_",
    "PASSWORD_STORE_",
    "DOCKER_",
    "AWS_",
    "GOOGLE_",
    "CLOUDSDK_",
    "AZURE_",
    "ACR_",
)
"""What helpers read: sessions, key rings, and the clouds' own settings."""


@attrs.frozen(kw_only=True)
class Credentials:
    """A user with a password, or an ``identity`` token (OAuth2 refresh token)."""

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    identity: str = attrs.field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of ``Authorization`` for HTTP Basic (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class Keyring:
    """The credentials that the user of an environment has.

    ``helpers`` says which helpers ``registries.conf`` names (``credential-helpers``): they are asked in
    their order, before and after the files as it says.
    """

    def __init__(
        self, environment: Mapping[str, str], helpers: Callable[[], Sequence[str]] = lambda: ()
    ) -> None:
        self._environment = environment
        self._helpers = helpers

    # ------------------------------------------------------------------ find

    def find(self, registry: str, repository: str = "") -> Credentials | None:
        """The credentials for a repository; raises ``RegistryError`` for an unusable file or helper."""
        for helper in self._helpers() or (AUTH_FILES,):
            if helper == AUTH_FILES:
                found = self._in_files(registry, repository)
            else:
                found = self._ask(helper, _key_of(registry))
            if found is not None:
                return found
        return None

    def _in_files(self, registry: str, repository: str) -> Credentials | None:
        for file in self._files():
            document = _read(file)
            found = None if document is None else self._in(document, file, registry, repository)
            if found is not None:
                return found
        return None

    def _files(self) -> list[Path]:
        given = self._environment.get("REGISTRY_AUTH_FILE")
        files = [Path(given)] if given else []
        files += [self._docker_file()]
        for variable, default in (("XDG_RUNTIME_DIR", ""), ("XDG_CONFIG_HOME", f"{self._home}/.config")):
            if directory := self._environment.get(variable) or default:
                files.append(Path(directory) / "containers/auth.json")
        return files

    @property
    def _home(self) -> str:
        return self._environment.get("HOME") or "/root"

    def _docker_file(self) -> Path:
        directory = self._environment.get("DOCKER_CONFIG") or f"{self._home}/.docker"
        return Path(directory) / "config.json"

    def _in(
        self, document: Mapping[str, Any], file: Path, registry: str, repository: str
    ) -> Credentials | None:
        helper = _helper_for(document, registry)
        if helper:
            found = self._ask(helper, _key_of(registry))
            if found is not None:
                return found
        entries = {_normalised(str(key)): value for key, value in _table(document, "auths").items()}
        for key in _keys_of(registry, repository):
            entry = entries.get(key)
            if isinstance(entry, dict) and (found := _credentials_in(entry, file)) is not None:
                return found
        return None

    # ------------------------------------------------------------------ keep

    def keep(self, registry: str, credentials: Credentials) -> str:
        """Store them where the user's files say; returns where: a path, or the helper's name."""
        file = self._writable_file()
        document = dict(_read(file) or {})
        key = _key_of(registry)
        auths = dict(_table(document, "auths"))
        helper = _helper_for(document, registry)
        if helper:
            secret = credentials.identity or credentials.password
            username = _TOKEN_USER if credentials.identity else credentials.username
            content = {"ServerURL": key, "Username": username, "Secret": secret}
            self._run(helper, "store", json.dumps(content))
            auths[key] = {}
        else:
            pair = f"{credentials.username}:{credentials.password}"
            entry = {"auth": base64.b64encode(pair.encode()).decode("ascii")}
            if credentials.identity:
                entry["identitytoken"] = credentials.identity
            auths[key] = entry
        _write(file, {**document, "auths": auths})
        return f"docker-credential-{helper}" if helper else str(file)

    def forget(self, registry: str) -> bool:
        """Remove them again; returns whether there were any."""
        file = self._writable_file()
        document = dict(_read(file) or {})
        auths = dict(_table(document, "auths"))
        kept = {key: value for key, value in auths.items() if _normalised(str(key)) != registry}
        helper = _helper_for(document, registry)
        was_there = len(kept) != len(auths)
        if helper:
            was_there = self._ask(helper, _key_of(registry)) is not None or was_there
            self._run(helper, "erase", _key_of(registry))
        if len(kept) != len(auths):
            _write(file, {**document, "auths": kept})
        return was_there

    def _writable_file(self) -> Path:
        given = self._environment.get("REGISTRY_AUTH_FILE")
        return Path(given) if given else self._docker_file()

    # ------------------------------------------------------------------ helpers

    def _ask(self, helper: str, server: str) -> Credentials | None:
        answer = self._run(helper, "get", server)
        if answer is None:
            return None
        try:
            document = json.loads(answer)
            username, secret = str(document["Username"]), str(document["Secret"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"docker-credential-{helper} answers what is no JSON of credentials"
            raise errors.RegistryError(message) from error
        if username == _TOKEN_USER:
            return Credentials(identity=secret)
        return Credentials(username=username, password=secret)

    def _run(self, helper: str, verb: str, stdin: str) -> str | None:
        """The helper's answer; ``None`` when it has nothing for this server."""
        program = f"docker-credential-{helper}"
        if _HELPER_NAME.fullmatch(helper) is None:
            message = f"invalid credential helper {helper[:80]!r}"
            raise errors.RegistryError(message, hint="See credsStore and credHelpers in config.json.")
        environment = {
            name: value
            for name, value in self._environment.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }
        path = shutil.which(program, path=environment.get("PATH", os.defpath))
        if path is None:
            message = f"the credential helper {program} is not installed"
            raise errors.RegistryError(message, hint="Install it, or change credsStore in config.json.")
        try:
            done = subprocess.run(
                [path, verb],
                input=stdin.encode(),
                capture_output=True,
                env=environment,
                timeout=_HELPER_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{program} {verb} failed: {type(error).__name__}"
            raise errors.RegistryError(message) from error
        output = done.stdout[:_LARGEST].decode("utf-8", errors="replace").strip()
        if done.returncode == 0:
            return output
        if _NOT_FOUND in output.lower():
            return None
        said = output or done.stderr[:500].decode("utf-8", errors="replace").strip()
        message = f"{program} {verb} failed with {done.returncode}"
        # `get` prints secrets to stdout: what it says when it fails is shown only for the other verbs.
        raise errors.RegistryError(message if verb == "get" else f"{message}: {said[:200]}")


def _read(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST) or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise errors.RegistryError(message) from error
    except ValueError as error:
        message = f"{file} is not JSON"
        raise errors.RegistryError(message, hint="Put it right, or move it away and log in again.") from error
    return document if isinstance(document, dict) else {}


def _write(file: Path, document: Mapping[str, Any]) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = file.resolve()  # a link to a file kept elsewhere stays one
    except OSError as error:
        message = f"cannot write {file}: {error.strerror}"
        raise errors.RegistryError(message) from error
    durable.write(target, json.dumps(document, indent="\t").encode() + b"\n")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _helper_for(document: Mapping[str, Any], registry: str) -> str:
    helpers = _table(document, "credHelpers")
    for key, helper in helpers.items():
        if _normalised(str(key)) == registry:
            return str(helper)
    return str(document.get("credsStore") or "")


def _credentials_in(entry: Mapping[str, Any], file: Path) -> Credentials | None:
    identity = str(entry.get("identitytoken") or "")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if encoded := str(entry.get("auth") or ""):
        try:
            decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as error:
            message = f"{file} holds an auth that is not base64"
            raise errors.RegistryError(message, hint="Log in again.") from error
        username, _, password = decoded.rstrip("\0").partition(":")
    if identity or username:
        return Credentials(username=username, password=password, identity=identity)
    return None


def _key_of(registry: str) -> str:
    return HUB_KEY if registry == reference.DEFAULT_DOMAIN else registry


def _normalised(key: str) -> str:
    """A key as ``registry[/namespace]``: files also hold ``https://host/v1/``."""
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = bare.partition("/")
    host = reference.DEFAULT_DOMAIN if host in _HUB_NAMES else host
    return host if path in ("", "v1", "v2") else f"{host}/{path}"


def _keys_of(registry: str, repository: str) -> list[str]:
    """From the repository itself up to its registry."""
    parts = [part for part in repository.split("/") if part]
    return ["/".join([registry, *parts[:length]]) for length in range(len(parts), -1, -1)]

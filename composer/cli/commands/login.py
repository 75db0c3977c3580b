"""``composer login``: credentials for a registry, checked there and kept where Docker keeps them."""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.registry.credentials import Credentials
    from composer.registry.registry import Registry

EXAMPLES = """composer login registry.example:5000
pass registry | composer login -u ann --password-stdin registry.example:5000"""

_LONGEST_PASSWORD = 64 * 1024
"""Bytes: tokens of clouds have a few thousand."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``login``."""
    add = parser.add_argument
    add("-u", "--username", default="", metavar="USER", help="asked for unless given")
    add("-p", "--password", default="", metavar="PASSWORD", help="better: --password-stdin, or type it")
    add("--password-stdin", action="store_true", help="read the password from standard input")
    add("server", nargs="?", default="docker.io", metavar="SERVER", help="Docker Hub unless given")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Log in."""
    from composer.registry.registry import Registry

    registry = Registry(os.environ)
    server = server_named(options.server)
    if not (options.username or options.password or options.password_stdin):
        kept = registry.user_of(server)
        if kept is not None and _still_good(session, registry, server, kept):
            return 0
    where = registry.login(server, _asked_for(session, options))
    if "/" in where:
        session.note(
            f"warning: the password is kept unencrypted in {where}; a credential helper (credsStore) is safer"
        )
    session.say("Login Succeeded")
    return 0


def server_named(text: str) -> str:
    """The registry that a user's ``SERVER`` means: as a host, without scheme and path."""
    host = text.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    if not host or any(character in host for character in " @?#"):
        message = f"invalid registry {text!r}"
        raise errors.UsageError(message, hint="Expected HOST[:PORT].")
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host


def _still_good(session: Session, registry: Registry, server: str, kept: Credentials) -> bool:
    session.note(f"Authenticating with the credentials kept for {server}")
    try:
        registry.login(server, kept)
    except errors.RegistryDenied as error:
        if not terminal.is_terminal(sys.stdin):
            raise
        session.note(f"warning: {terminal.harmless(error.message)}")
        return False
    session.say("Login Succeeded")
    return True


def _asked_for(session: Session, options: argparse.Namespace) -> Credentials:
    from composer.registry.credentials import Credentials

    if options.password and options.password_stdin:
        raise errors.UsageError("--password and --password-stdin are mutually exclusive")
    if options.password_stdin:
        if not options.username:
            raise errors.UsageError("--password-stdin needs --username")
        content = sys.stdin.buffer.read(_LONGEST_PASSWORD).decode("utf-8", errors="surrogateescape")
        return Credentials(username=options.username, password=content.removesuffix("\n").removesuffix("\r"))
    if options.password:
        session.note("warning: --password is seen by every user of this host; use --password-stdin")
    username = options.username or _typed(session, "Username: ", hidden=False)
    return Credentials(
        username=username, password=options.password or _typed(session, "Password: ", hidden=True)
    )


def _typed(session: Session, prompt: str, *, hidden: bool) -> str:
    """What the user types, without echo where ``hidden``; raises ``UsageError`` without a terminal."""
    import getpass

    if not terminal.is_terminal(sys.stdin):
        message = "there is no terminal to ask for the credentials"
        raise errors.UsageError(message, hint="Use --username and --password-stdin.")
    try:
        if hidden:
            text = getpass.getpass(prompt, stream=session.err)
        else:
            session.err.write(prompt)
            session.err.flush()
            text = sys.stdin.readline().strip()
    except EOFError:
        text = ""
    if not text:
        message = f"no {prompt.strip(' :').lower()} was given"
        raise errors.UsageError(message)
    return text
